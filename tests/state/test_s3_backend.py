"""The s3 backend against moto's server, through a proxy that fails and lets others come in between where it is told to.

`INTERLEAVINGS` suspends an operation of a holder at each of its requests, before the server has it and after, while
somebody else breaks the lock, takes it, writes a state of his own and clears the journal.
"""

from __future__ import annotations

import itertools
import random
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends import catalog
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Changed, Closed, Opened
from iacengine.state.lock import LockHeldError, LockLostError, lock_claim
from iacengine.state.run_record import RunRecord
from iacengine.testing.services.s3 import DROPPED, Answer, Request, s3_error

pytest.importorskip("botocore")
from iacengine.state.backends.s3 import S3Backend, open_backend
from iacengine.state.backends.s3_journal import SEGMENT_BYTES
from iacengine.state.backends.s3_settings import s3_settings


class Clock:
    """A monotonic clock that sleeping moves on."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def new_client(s3_values):
    """new_client(clock=None, **values): a client; with a clock of its own it sleeps no real time."""
    made = []

    def make(clock=None, **values):
        settings = s3_settings(BackendSettings("s3", {**s3_values, **values}))
        clock = clock or Clock()
        made.append(S3Backend(settings, clock=clock, sleep=clock.sleep))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def objects(s3_proxy, s3_values):
    """objects(): the names of all objects of the place, without the key itself in them."""
    from iacengine.state.backends.s3_store import S3Store

    store = S3Store(s3_settings(BackendSettings("s3", s3_values)), "the test")
    yield lambda: [key.removeprefix(s3_values["key"]) for key, _ in store.list(s3_values["key"], "look")]
    store.close()


def told(caught):
    (found,) = caught.value.diagnostics
    assert found.summary
    assert found.detail
    assert found.remedy
    for part in (found.summary, found.detail, found.remedy):
        assert "not-told" not in part
    return found


def opened(history, lock, count=0):
    entries = history(count)
    return [replace(entries[0], fencing_token=lock.info.fencing_token), *entries[1:]]


def big(new_object, name="big"):
    """An entry that does not fit into the head."""
    made = new_object(f"a.{name}", attributes={"text": "x" * SEGMENT_BYTES})
    return Changed({made.key: made})


# --- a holder who lost the lock, at every point of what he does -------------------------------------------------------


def at_request(proxy, number, moment, act):
    """Do something once, when the request with this number comes in (`before` the server has it, or `after`)."""
    seen = itertools.count(1)
    fired = []

    def fault(request, answer):
        if (answer is None) == (moment == "before") and next(seen) == number:
            proxy.fault = None
            fired.append(request)
            act()

    proxy.fault = fault
    return fired


INTERLEAVINGS = [
    (operation, number, moment)
    for operation, requests in (("write", 3), ("append", 1), ("append much", 2), ("clear", 3))
    for number in range(1, requests + 1)
    for moment in ("before", "after")
]


@pytest.mark.parametrize(("operation", "number", "moment"), INTERLEAVINGS)
def test_whoever_loses_the_lock_in_the_middle_of_anything_changes_nothing_after_it(
    operation, number, moment, new_client, s3_proxy, history, new_state, new_object, plain, objects
):
    first, second = new_client(versions=1), new_client(versions=1)
    lock = first.lock(lock_claim("iac apply"), 0)
    first.write(new_state(new_object("a.one"), serial=1), None, lock)
    first.write(new_state(new_object("a.two"), serial=2), 1, lock)
    first.append([*opened(history, lock), *([big(new_object)] if operation == "clear" else [])], lock)
    before = (2, len(first.read_journal()))
    mine = new_state(new_object("a.mine"), serial=3)
    acts = {
        "write": (lambda: first.write(mine, 2, lock), (3, before[1])),
        "append": (lambda: first.append([Closed("mine")], lock), (2, before[1] + 1)),
        "append much": (lambda: first.append([big(new_object, "mine"), Closed("mine")], lock), (2, before[1] + 2)),
        "clear": (lambda: first.clear_journal(lock), (2, 0)),
    }
    act, after = acts[operation]
    found, results = [], []

    def take_over():
        second.break_lock(lock.info.id)
        other = second.lock(lock_claim("iac recover"), 0)
        found.append((second.read().serial, len(second.read_journal())))
        theirs = new_state(new_object("a.theirs"), serial=found[0][0] + 1)
        second.append([*opened(history, other), big(new_object, "theirs")], other)
        second.write(theirs, found[0][0], other)
        second.clear_journal(other)
        second.append(opened(history, other, 2), other)
        results.append((other, plain(theirs), plain(list(second.read_journal()))))

    fired = at_request(s3_proxy, number, moment, take_over)
    try:
        act()
        done = True
    except LockLostError:
        done = False
    assert fired, "the operation makes fewer requests than this test believes"
    assert found[0] == (after if done else before) or (moment == "after" and found[0] == after)
    other, state, journal = results[0]
    assert plain(second.read()) == state
    assert plain(list(second.read_journal())) == journal
    assert len(journal) == 5
    for refused in (
        lambda: first.append(opened(history, lock), lock),
        lambda: first.write(new_state(serial=9), found[0][0] + 1, lock),
        lambda: first.clear_journal(lock),
    ):
        with pytest.raises(LockLostError) as caught:
            refused()
        assert "Nothing was written" in told(caught).detail
    lock.release()
    other.require()
    second.append([Closed("complete")], other)
    assert len(second.read_journal()) == 6
    second.clear_journal(other)
    assert not [name for name in objects() if name.startswith(".journal/")] or operation == "append much"
    other.release()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_renewal_or_a_release_that_comes_too_late_leaves_the_lock_to_its_new_holder(moment, new_client, s3_proxy):
    first, second = new_client(), new_client()
    lock = first.lock(lock_claim("iac apply"), 0)
    taken = []

    def take_over():
        second.break_lock(lock.info.id)
        taken.append(second.lock(lock_claim("iac apply"), 0))

    at_request(s3_proxy, 1, moment, take_over) if moment == "before" else take_over()
    lock.release()
    assert second.lock_holder().id == taken[0].info.id
    taken[0].require()
    taken[0].release()
    assert second.lock_holder() is None


@pytest.mark.parametrize("operation", ["append", "write", "clear"])
def test_a_request_that_arrives_again_when_all_is_over_is_refused_by_the_server(
    operation, new_client, s3_proxy, history, new_state, plain, objects
):
    first, second = new_client(), new_client()
    lock = first.lock(lock_claim("iac apply"), 0)
    first.append(opened(history, lock), lock)
    held_back = []

    def keep(request, answer):
        if answer is None and request.is_conditional and not held_back:
            held_back.append(request)
            return DROPPED  # and the client sends it again
        return None

    s3_proxy.fault = keep
    {
        "append": lambda: first.append([Closed("complete")], lock),
        "write": lambda: first.write(new_state(), None, lock),
        "clear": lambda: first.clear_journal(lock),
    }[operation]()
    s3_proxy.fault = None
    assert s3_proxy.pass_on(held_back[0]).status == 412
    lock.release()
    other = second.lock(lock_claim("iac apply"), 0)
    second.clear_journal(other)
    before = objects(), plain(second.read())
    assert s3_proxy.pass_on(held_back[0]).status == 412
    assert (objects(), plain(second.read())) == before
    assert list(second.read_journal()) == []
    other.release()


CHILD = """
import sys
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Closed, Opened
from iacengine.state.lock import lock_claim
backend = open_backend(BackendSettings("s3", eval(sys.argv[1])))
lock = backend.lock(lock_claim("frozen"), 0)
backend.append([Opened("r", "l", 0, lock.info.fencing_token, "frozen", "2026-01-01T00:00:00Z")], lock)
print("held", flush=True)
for line in sys.stdin:
    for act in (lambda: backend.append([Closed("late")], lock), lambda: backend.clear_journal(lock)):
        try:
            act()
            print("done", flush=True)
        except Exception as problem:
            print(type(problem).__name__, flush=True)
"""


@pytest.fixture
def child(s3_values):
    """Another process that holds the lock for leases of 0.4 seconds, and acts for each line that it is told."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, repr({**s3_values, "lease": 0.4})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def test_a_process_that_was_frozen_beyond_its_lease_changes_nothing_when_it_goes_on(child, s3_place):
    child.send_signal(signal.SIGSTOP)
    backend = s3_place()
    lock = backend.lock(lock_claim("iac apply"), 60)
    assert lock.info.fencing_token == 2
    child.send_signal(signal.SIGCONT)
    child.stdin.write("act\n")
    child.stdin.flush()
    assert [child.stdout.readline(), child.stdout.readline()] == ["LockLostError\n"] * 2
    assert len(backend.read_journal()) == 1
    lock.require()
    lock.release()


def test_the_lock_of_a_killed_process_is_taken_over_when_its_lease_has_run_out(child, s3_place):
    backend = s3_place()
    assert backend.lock_holder().pid == child.pid
    child.kill()
    lock = backend.lock(lock_claim("iac apply"), 60)
    assert lock.info.fencing_token == 2
    assert len(backend.read_journal()) == 1
    lock.release()


# --- leases -----------------------------------------------------------------------------------------------------------


def test_a_lease_that_nobody_renews_is_over_when_it_was_watched_for_that_long(new_client):
    clock = Clock()
    holder, watcher = new_client(), new_client(clock)
    lock = holder.lock(lock_claim("iac apply"), 0)
    assert watcher.lock_holder().id == lock.info.id
    clock.now += 59
    with pytest.raises(LockHeldError):
        watcher.lock(lock_claim("iac plan"), 0)
    clock.now += 1
    assert watcher.lock_holder() is None
    other = watcher.lock(lock_claim("iac plan"), 0)
    assert other.info.fencing_token == lock.info.fencing_token + 1
    with pytest.raises(LockLostError):
        holder.clear_journal(lock)
    lock.release()
    assert watcher.lock_holder().id == other.info.id
    other.release()


@pytest.mark.parametrize(("age", "free"), [(60, False), (62, True)])
def test_a_lease_is_over_when_the_clock_of_the_server_says_so(age, free, new_client, s3_proxy):
    holder, other = new_client(), new_client()
    lock = holder.lock(lock_claim("iac apply"), 0)

    def aged(request, answer):
        if answer is None or request.method != "GET":
            return None
        late = f"Mon, 23 Nov 2026 00:{age // 60:02}:{age % 60:02} GMT"
        headers = {name: value for name, value in answer.headers.items() if name not in ("Date", "Last-Modified")}
        dates = {"date": late, "last-modified": "Mon, 23 Nov 2026 00:00:00 GMT"}
        return replace(answer, headers={k: v for k, v in headers.items() if k.lower() not in dates} | dates)

    s3_proxy.fault = aged
    assert (other.lock_holder() is None) is free
    s3_proxy.fault = None
    lock.release()


def test_whoever_renews_keeps_the_lock(new_client):
    clock = Clock()
    holder, watcher = new_client(), new_client(clock)
    lock = holder.lock(lock_claim("iac apply"), 0)
    for _ in range(3):
        assert watcher.lock_holder().id == lock.info.id
        clock.now += 59
        lock._renew(10)
    assert watcher.lock_holder().id == lock.info.id
    lock.release()


def test_the_end_of_the_lease_is_told_by_the_clock_of_the_server(new_client):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    assert backend.lock_holder().expires.endswith("Z")
    lock.release()


def test_fencing_tokens_grow_over_locks_that_were_broken(new_client):
    backend = new_client()
    tokens = []
    for _ in range(3):
        lock = backend.lock(lock_claim("iac apply"), 0)
        tokens.append(lock.info.fencing_token)
        backend.break_lock(lock.info.id)
        assert backend.lock_holder() is None
        lock.release()
    assert tokens == [1, 2, 3]


# --- answers that are lost, servers that fail ------------------------------------------------------------------------


def whole_run(backend, history, new_state, new_object):
    """What a run does, by a client of its own."""
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append([*opened(history, lock, 1), big(new_object)], lock)
    backend.append([Changed({}), Closed("complete")], lock)
    assert len(backend.read_journal()) == 6
    backend.write(new_state(new_object("a.b")), None, lock)
    backend.write(new_state(new_object("a.c"), serial=2), 1, lock)
    backend.clear_journal(lock)
    assert backend.read().serial == 2
    assert list(backend.read_journal()) == []
    backend.record_run(RunRecord("1", "iac apply", "me", "here", 1, "2026-01-01T00:00:00Z"))
    assert len(backend.runs()) == 1
    assert [version.serial for version in backend.versions()] == [1, 2]
    lock.require()
    lock.release()
    assert backend.lock_holder() is None


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(lambda proxy, request: proxy.pass_on(request) and DROPPED, id="the answer is lost"),
        pytest.param(lambda proxy, request: DROPPED, id="the request is lost"),
        pytest.param(lambda proxy, request: s3_error(503, "SlowDown"), id="slow down"),
        pytest.param(lambda proxy, request: s3_error(500, "InternalError"), id="internal error"),
        pytest.param(lambda proxy, request: proxy.pass_on(request) and s3_error(500, "InternalError"), id="done, 500"),
        pytest.param(lambda proxy, request: s3_error(409, "ConditionalRequestConflict"), id="conflict"),
        pytest.param(lambda proxy, request: Answer(502, {}, b"<html>bad gateway</html>"), id="a gateway"),
        pytest.param(lambda proxy, request: replace(proxy.pass_on(request), cut=9), id="an answer that is cut"),
    ],
)
def test_a_run_survives_that_every_request_fails_once(
    failing, new_client, s3_proxy, history, new_state, new_object, objects
):
    failed = set()

    def fault(request, answer):
        shape = (request.method, request.path, request.body)
        if answer is None and shape not in failed:
            failed.add(shape)
            return failing(s3_proxy, request)
        return None

    s3_proxy.requests.clear()
    backend = new_client()
    assert backend.read() is None  # the server has answered once
    s3_proxy.fault = fault
    whole_run(backend, history, new_state, new_object)
    s3_proxy.fault = None
    assert len(failed) > 15
    names = objects()
    assert not [name for name in names if name.startswith(".journal/")]
    assert len([name for name in names if name.startswith(".versions/")]) == 2


@pytest.mark.parametrize("seed", range(3))
def test_what_is_acknowledged_counts_once_whatever_the_network_does_and_whoever_takes_over(
    seed, new_client, s3_proxy, new_state, new_object
):
    """Clients on a bad network whose clocks run so fast that they take the lock from each other while it is in use."""
    chance = random.Random(seed)
    new_client().lock(lock_claim("begin"), 0).release()

    def bad(request, answer):
        dice = chance.random()
        if answer is None:
            return DROPPED if dice < 0.1 else s3_error(503, "SlowDown") if dice < 0.2 else None
        return DROPPED if dice < 0.15 else None

    appended, written, lost = [], [], []

    def work(worker):
        backend = new_client()
        for turn in range(3):
            name = f"w{worker}_{turn}"
            lock = backend.lock(lock_claim(name), 1e6)
            try:
                for index in range(4):
                    made = new_object(f"a.{name}[{index}]", attributes={"text": "x" * SEGMENT_BYTES * (index % 2)})
                    opening = Opened(name, "lineage-1", 0, lock.info.fencing_token, "iac apply", "2026-01-01T00:00:00Z")
                    backend.append([*([opening] if index == 0 else []), Changed({made.key: made})], lock)
                    appended.append(str(made.address))
                state = backend.read()
                made = new_object(f"a.{name}")
                serial = None if state is None else state.serial
                known = () if state is None else state.objects.values()
                backend.write(new_state(*known, made, serial=(serial or 0) + 1), serial, lock)
                written.append(str(made.address))
            except DiagnosticsError as problem:
                lost.append(problem)
            lock.release()

    s3_proxy.fault = bad
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    s3_proxy.fault = None
    reader = new_client()
    found = [
        str(address) for entry in reader.read_journal() if isinstance(entry, Changed) for address, _ in entry.changes
    ]
    assert len(found) == len(set(found))
    assert set(appended) <= set(found)
    for name in {address.partition("[")[0] for address in appended}:
        mine = [address for address in found if address.startswith(f"{name}[")]
        assert mine == sorted(mine)
    state = reader.read()
    assert set(written) <= {str(object_.address) for object_ in state.objects.values()}
    assert state.serial == len(state.objects)
    assert len(appended) + len(lost) > 9


def test_a_lock_whose_answers_are_all_lost_is_had_by_asking_again_with_its_id(new_client, s3_proxy):
    backend = new_client()
    claim = lock_claim("iac apply")
    backend.lock(lock_claim("before"), 0).release()

    def lose(request, answer):
        if request.method == "PUT":
            return None if answer is None else DROPPED
        return None if not any(old.is_conditional for old in s3_proxy.requests) else DROPPED

    s3_proxy.requests.clear()
    s3_proxy.fault = lose
    with pytest.raises(DiagnosticsError) as caught:
        backend.lock(claim, 0)
    assert not isinstance(caught.value, LockHeldError)
    s3_proxy.fault = None
    assert backend.lock_holder().id == claim.id
    lock = backend.lock(claim, 0)
    assert lock.info.fencing_token == 2
    backend.clear_journal(lock)
    lock.release()
    assert backend.lock_holder() is None


def test_after_a_failed_append_the_run_goes_on_where_the_server_stands(new_client, s3_proxy, history):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append(opened(history, lock), lock)
    for reached in (True, False):
        s3_proxy.fault = lambda request, answer, reached=reached: (
            DROPPED if (answer is not None) == reached or request.method == "GET" else None
        )
        with pytest.raises(DiagnosticsError) as caught:
            backend.append([Closed(f"lost {reached}")], lock)
        assert "tried" in told(caught).detail
        s3_proxy.fault = None
        backend.append([Closed("known")], lock)
    outcomes = [entry.outcome for entry in backend.read_journal()[1:]]
    assert outcomes == ["lost True", "known", "known"]
    lock.release()


def test_a_server_that_nobody_reaches_is_told_and_the_patience_has_an_end(s3_values, new_client, s3_proxy):
    clock = Clock()
    backend = new_client(clock, secret_key="not-told")
    s3_proxy.down = True
    with pytest.raises(DiagnosticsError) as caught:
        backend.read()
    assert told(caught).summary == "The S3 server does not answer"
    assert clock.now < 1010
    s3_proxy.down = False
    assert backend.read() is None
    s3_proxy.down = True
    start = clock.now
    with pytest.raises(DiagnosticsError):
        backend.read()
    assert 20 < clock.now - start <= 30
    start = clock.now
    with pytest.raises(DiagnosticsError):
        backend.read()
    assert clock.now - start <= 8  # it is known to be away


def test_a_server_that_comes_back_in_the_middle_is_waited_for(new_client, s3_proxy, new_state):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    left = iter(range(8))
    s3_proxy.fault = lambda request, answer: DROPPED if next(left, None) is not None else None
    backend.write(new_state(), None, lock)
    s3_proxy.fault = None
    assert backend.read().serial == 1
    lock.release()


@pytest.mark.parametrize(
    ("answer", "summary"),
    [
        (s3_error(403, "AccessDenied", "Access Denied"), "No permission"),
        (s3_error(404, "NoSuchBucket"), "No such bucket"),
        (s3_error(400, "ExpiredToken"), "The AWS credentials have expired"),
        (s3_error(403, "InvalidAccessKeyId"), "The AWS credentials were refused"),
        (s3_error(403, "SignatureDoesNotMatch"), "The AWS credentials were refused"),
        (s3_error(403, "RequestTimeTooSkewed"), "The clock of this machine is wrong"),
        (
            replace(s3_error(301, "PermanentRedirect"), headers={"x-amz-bucket-region": "eu-north-1"}),
            "The bucket is in another region",
        ),
        (
            s3_error(400, "AuthorizationHeaderMalformed", more="<Region>eu-north-1</Region>"),
            "The bucket is in another region",
        ),
        (s3_error(501, "NotImplemented"), "The server has no conditional writes"),
        (s3_error(400, "InvalidRequest"), "S3 failed"),
        (s3_error(503, "SlowDown"), "The S3 server is in trouble"),
    ],
)
def test_what_the_server_refuses_is_told_with_a_remedy(answer, summary, new_client, s3_proxy):
    backend = new_client()
    s3_proxy.fault = lambda request, given: answer
    for act in (backend.read, backend.lock_holder, lambda: backend.lock(lock_claim("iac apply"), 0), backend.runs):
        with pytest.raises(DiagnosticsError) as caught:
            act()
        assert told(caught).summary == summary


def test_a_server_that_redirects_without_end_is_told(new_client, s3_proxy):
    s3_proxy.fault = lambda request, answer: Answer(301, {"location": "https://elsewhere/"})
    with pytest.raises(DiagnosticsError) as caught:
        new_client().read()
    assert told(caught).summary == "The bucket is in another region"


def test_a_bucket_that_is_not_there_is_told(new_client):
    with pytest.raises(DiagnosticsError) as caught:
        new_client(bucket="elsewhere").read()
    assert "elsewhere" in told(caught).detail


def test_a_server_without_conditional_writes_is_refused_and_nothing_is_left_there(new_client, s3_proxy, objects):
    def unconditional(request, answer):
        if answer is None and request.is_conditional:
            kept = {name: value for name, value in request.headers.items() if not name.startswith("if-")}
            return s3_proxy.pass_on(replace(request, headers=kept))
        return None

    s3_proxy.fault = unconditional
    with pytest.raises(DiagnosticsError) as caught:
        new_client().lock(lock_claim("iac apply"), 0)
    assert told(caught).summary == "The server has no conditional writes"
    assert objects() == []


# --- what lies in the bucket -----------------------------------------------------------------------------------------


def test_an_append_costs_one_small_request_however_long_the_journal_is(
    new_client, s3_proxy, history, new_object, objects
):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append(opened(history, lock), lock)
    sizes = []
    for index in range(120):
        made = new_object(f"a.b[{index}]", attributes={"text": "x" * 1000})
        s3_proxy.requests.clear()
        backend.append([Changed({made.key: made})], lock)
        sizes.append([len(request.body) for request in s3_proxy.requests])
    assert all(len(size) == 1 or len(size) == 2 for size in sizes)
    assert sum(len(size) for size in sizes) < 130
    assert max(map(sum, sizes)) < SEGMENT_BYTES + 4000
    entries = backend.read_journal()
    assert [str(address) for entry in entries[1:] for address, _ in entry.changes] == [
        f"a.b[{index}]" for index in range(120)
    ]
    assert len([name for name in objects() if name.startswith(".journal/")]) > 3
    backend.clear_journal(lock)
    assert [name for name in objects() if name] == []
    lock.release()


def test_lists_that_come_in_pages_are_read_to_their_end(new_client, s3_proxy, history, new_object):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append(opened(history, lock), lock)
    for index in range(5):
        backend.append([big(new_object, f"b[{index}]")], lock)

    def paged(request, answer):
        if answer is None and "list-type=2" in request.path and "max-keys" not in request.path:
            return s3_proxy.pass_on(replace(request, path=f"{request.path}&max-keys=2"))
        return None

    s3_proxy.fault = paged
    assert len(backend.read_journal()) == 6
    for index in range(5):
        backend.record_run(RunRecord(str(index), "iac apply", "me", "here", 1, f"2026-01-01T00:00:0{index}Z"))
    assert [record.id for record in backend.runs()] == ["0", "1", "2", "3", "4"]
    lock.release()


def test_a_reader_finds_the_journal_or_none_while_it_is_cleared(new_client, s3_proxy, history, new_object):
    backend, reader = new_client(), new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append([*opened(history, lock), big(new_object)], lock)
    at_request(s3_proxy, 2, "before", lambda: backend.clear_journal(lock))
    assert list(reader.read_journal()) == []
    lock.release()


def test_a_reader_finds_a_state_while_versions_are_cleaned_up(new_client, s3_proxy, new_state):
    backend, reader = new_client(versions=0), new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(serial=1), None, lock)
    at_request(s3_proxy, 2, "before", lambda: backend.write(new_state(serial=2), 1, lock))
    assert reader.read().serial == 2
    lock.release()


def test_versions_beyond_the_limit_are_deleted_from_the_bucket(new_client, new_state, objects):
    backend = new_client(versions=2)
    lock = backend.lock(lock_claim("iac apply"), 0)
    for serial in range(1, 7):
        backend.write(new_state(serial=serial), serial - 1 or None, lock)
    assert len([name for name in objects() if name.startswith(".versions/")]) == 3
    lock.release()


def test_what_a_lost_write_left_is_cleaned_up_by_a_later_run(new_client, s3_proxy, new_state, objects):
    first, second = new_client(), new_client()
    lock = first.lock(lock_claim("iac apply"), 0)
    at_request(s3_proxy, 2, "before", lambda: second.break_lock(lock.info.id))
    with pytest.raises(LockLostError):
        first.write(new_state(engine_version="lost"), None, lock)
    lock.release()
    assert len([name for name in objects() if name.startswith(".versions/")]) == 1
    other = second.lock(lock_claim("iac apply"), 0)
    second.write(new_state(serial=1), None, other)
    assert len([name for name in objects() if name.startswith(".versions/")]) == 1
    assert [version.serial for version in second.versions()] == [1]
    other.release()


def test_the_head_stays_when_the_lock_is_given_back(new_client, objects):
    backend = new_client()
    backend.lock(lock_claim("iac apply"), 0).release()
    assert objects() == [""]


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        (b'{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "x"}', "Terraform's state"),
        (b'{\n  "version": 4,\n  "terraform_version": "1.11.4"\n}', "Terraform's state"),
        (b'{"format":"iacengine-state","version":1,', "A state file in the place of the head"),
        (b'{"format":"iacengine-s3","version":2}\n', "State of another version"),
        (b"hello", "Not a state of iacengine"),
        (b"", "Not a state of iacengine"),
    ],
)
def test_what_is_no_head_is_told_and_left_as_it_is(content, summary, new_client, s3_values):
    backend = new_client()
    store = backend._store
    store.put(s3_values["key"], content, "prepare")
    for act in (backend.read, lambda: backend.lock(lock_claim("iac apply"), 0)):
        with pytest.raises(DiagnosticsError) as caught:
            act()
        assert told(caught).summary == summary
    assert store.get(s3_values["key"], "look").data == content


def test_a_state_that_was_deleted_by_hand_is_missed(new_client, new_state, objects, s3_values):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    lock.release()
    (name,) = (name for name in objects() if name.startswith(".versions/"))
    backend._store.delete([s3_values["key"] + name], "break")
    with pytest.raises(DiagnosticsError) as caught:
        backend.read()
    assert name in told(caught).detail


def test_a_head_that_was_deleted_by_hand_ends_the_run(new_client, history, s3_values):
    backend = new_client()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend._store.delete([s3_values["key"]], "break")
    with pytest.raises(LockLostError):
        backend.append(opened(history, lock), lock)
    lock.release()


def test_deletions_are_made_one_by_one_where_the_server_knows_no_other(new_client, s3_proxy, new_state, objects):
    backend = new_client(versions=0)
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(serial=1), None, lock)
    s3_proxy.fault = lambda request, answer: s3_error(400, "MissingContentMD5") if request.method == "POST" else None
    backend.write(new_state(serial=2), 1, lock)
    assert len([name for name in objects() if name.startswith(".versions/")]) == 1
    lock.release()


def test_encryption_and_acl_are_asked_for_with_every_write(new_client, s3_proxy, new_state):
    backend = new_client(kms_key_id="alias/states", acl="bucket-owner-full-control", encrypt=True)
    s3_proxy.requests.clear()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    lock.release()
    writes = [request for request in s3_proxy.requests if request.method == "PUT"]
    assert writes
    for request in writes:
        assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
        assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/states"
        assert request.headers["x-amz-acl"] == "bucket-owner-full-control"
    assert backend.read().serial == 1


def test_two_who_begin_at_once_in_an_empty_place_take_turns(new_client):
    tokens, threads = [], []
    for _ in range(4):
        backend = new_client()

        def take(backend=backend):
            lock = backend.lock(lock_claim("iac apply"), 1e6)
            tokens.append(lock.info.fencing_token)
            lock.release()

        threads.append(threading.Thread(target=take))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tokens) == [1, 2, 3, 4]


# --- settings --------------------------------------------------------------------------------------------------------


def settings_of(**values):
    return BackendSettings("s3", {"bucket": "b", "key": "k", "region": "eu-west-1", **values}, environment={})


def test_a_block_of_terraform_is_taken_as_it_is():
    values = {
        "encrypt": True,
        "dynamodb_table": "locks",
        "use_lockfile": True,
        "workspace_key_prefix": "env",
        "profile": "work",
        "endpoints": {"s3": "https://s3.example", "dynamodb": "https://dynamodb.example"},
        "force_path_style": True,
        "skip_credentials_validation": True,
        "skip_region_validation": True,
        "skip_requesting_account_id": True,
        "skip_metadata_api_check": "true",
        "max_retries": 3,
        "shared_credentials_files": ["~/credentials"],
        "assume_role": [{"role_arn": "arn:aws:iam::1:role/r", "duration": "1h30m", "external_id": "e"}],
        "versions": 7,
        "lease": 5,
    }
    found = s3_settings(settings_of(**values))
    assert found.endpoint == "https://s3.example"
    assert found.path_style
    assert found.encrypt
    assert found.role["DurationSeconds"] == 5400
    assert found.role["RoleArn"] == "arn:aws:iam::1:role/r"
    assert found.max_retries == 3
    assert (found.versions, found.lease) == (7, 5.0)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"buckett": "b"}, "buckett"),
        ({"bucket": ""}, "bucket"),
        ({"key": "/k"}, "slash"),
        ({"key": "k/"}, "slash"),
        ({"endpoints": {"s4": "https://x"}}, "s4"),
        ({"endpoints": {"s3": "x"}}, "URL"),
        ({"assume_role": {"session_name": "x"}}, "role_arn"),
        ({"assume_role": {"role_arn": "r", "duration": "long"}}, "long"),
        ({"sse_customer_key": "c2hvcnQ="}, "32 bytes"),
        ({"sse_customer_key": "A" * 43 + "=", "kms_key_id": "k"}, "exclude"),
        ({"lease": 0}, "lease"),
        ({"versions": 100_000}, "1000"),
        ({"versions": -1}, "versions"),
        ({"encrypt": "perhaps"}, "encrypt"),
        ({"shared_config_files": ["a", "b"]}, "one file"),
        ({"allowed_account_ids": "1"}, "list"),
    ],
)
def test_wrong_settings_are_told(values, part):
    with pytest.raises(DiagnosticsError) as caught:
        open_backend(settings_of(**values))
    assert part in told(caught).detail


def test_settings_show_no_secrets():
    found = s3_settings(settings_of(access_key="AKIA", secret_key="secret-1", token="secret-2"))
    assert "secret" not in repr(found).replace("secret_key", "")


def test_a_role_is_taken_and_its_credentials_are_used(new_client, s3_proxy, s3_values):
    s3_values["endpoints"] = {"s3": s3_proxy.url, "sts": s3_proxy.url}
    backend = new_client(assume_role={"role_arn": "arn:aws:iam::123456789012:role/states", "session_name": "here"})
    s3_proxy.requests.clear()
    assert backend.read() is None
    asked, read = s3_proxy.requests
    assert b"AssumeRole" in asked.body
    assert b"role%2Fstates" in asked.body
    assert "x-amz-security-token" in read.headers


@pytest.mark.parametrize(
    ("allowed", "forbidden", "fine"),
    [
        (["123456789012"], [], True),
        (["123456789012"], ["123456789012"], False),
        (["210987654321"], [], False),
        ([], ["210987654321"], True),
    ],
)
def test_only_allowed_accounts_are_used(allowed, forbidden, fine, new_client, s3_proxy, s3_values):
    s3_values["endpoints"] = {"s3": s3_proxy.url, "sts": s3_proxy.url}
    backend = new_client(allowed_account_ids=allowed, forbidden_account_ids=forbidden)
    if fine:
        assert backend.read() is None
        return
    with pytest.raises(DiagnosticsError) as caught:
        backend.read()
    assert "123456789012" in told(caught).detail


def test_the_key_of_the_customer_goes_with_every_request(new_client, s3_proxy, new_state):
    backend = new_client(sse_customer_key="c3RhdGVzIGFyZSBrZXB0IHVuZGVyIHRoaXMga2V5ISE=")
    s3_proxy.requests.clear()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    assert backend.read().serial == 1
    lock.release()
    for request in s3_proxy.requests:
        if request.method == "PUT" or (request.method == "GET" and "list-type" not in request.path):
            assert request.headers["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
            assert request.headers["x-amz-server-side-encryption-customer-key-md5"]


def test_a_missing_library_is_told_with_the_extra_to_install(monkeypatch):
    monkeypatch.setattr("iacengine.state.backends.s3.find_spec", lambda name: None)
    with pytest.raises(DiagnosticsError) as caught:
        catalog.open_backend(settings_of())
    assert "iacengine[s3]" in told(caught).remedy


def test_a_profile_that_is_not_there_is_told(s3_proxy, s3_values):
    del s3_values["access_key"], s3_values["secret_key"]
    backend = open_backend(BackendSettings("s3", {**s3_values, "profile": "work"}))
    with pytest.raises(DiagnosticsError) as caught:
        backend.read()
    assert "work" in told(caught).detail


def test_missing_credentials_are_told(s3_proxy, s3_values, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    del s3_values["access_key"], s3_values["secret_key"]
    backend = open_backend(BackendSettings("s3", s3_values))
    with pytest.raises(DiagnosticsError) as caught:
        backend.read()
    assert told(caught).summary == "No valid AWS credentials"


def test_a_proxy_passes_on_what_it_gets(s3_proxy):
    assert s3_proxy.answer(Request("GET", "/states?list-type=2&prefix=none", {}, b"")).status == 200


def test_a_writer_that_dies_in_the_middle_of_a_request_stops_nobody_at_the_server(s3_server, new_client):
    head = "PUT /states/cut-off HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", s3_server.port)) as writer:
        writer.sendall(head.encode() + b"the beginning")
    backend = new_client()
    backend.lock(lock_claim("another"), 0).release()
    assert not [request for request in s3_server.requests if request.path == "/states/cut-off"]
