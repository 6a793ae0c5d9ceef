"""Whole applies while the server of the state fails: it is killed, refuses, is slow, loses requests and answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iacengine.testing.services.s3 import DROPPED, s3_error

RESOURCES = {
    "mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}},
    "mock_server": {"s": {"count": 6, "name": "s ${count.index}", "network_id": "${mock_network.n.id}"}},
}
COUNT = 7
PATIENT = 60  # seconds of lease, so that it does not run out while a server is away


def started(shared, latency, **stack):
    shared.write(RESOURCES, latency={"create": latency}, **stack)
    return shared.folders[0].start("apply", "--auto-approve", "--no-input", "--parallelism=2")


def wait_for_objects(shared, running, count):
    while len(shared.cloud()) < count:
        status = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert status != "Z" or len(shared.cloud()) >= count, running.wait()


def assert_next_command_settles(shared, where):
    """What a run left whose server stayed away is settled, `here` with what it kept on this machine, or elsewhere."""
    here, elsewhere = shared.folders
    shared.write(RESOURCES)
    if where == "elsewhere":
        shutil.rmtree(here.folder / ".iac" / "spool", ignore_errors=True)
    stack = here if where == "here" else elsewhere
    stack.iac("lock", "break", "--stale")
    stack.iac("recover")
    shared.assert_settled()
    stack.apply()
    shared.assert_settled()
    assert len(shared.cloud()) == COUNT
    assert stack.plan() == {}


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moments", [(1, 4), *(pytest.param((each,), marks=pytest.mark.exhaustive) for each in range(COUNT + 1))]
)
def test_an_apply_goes_on_when_postgres_is_killed_and_started_again(moments, shared_stack, postgres_server):
    shared = shared_stack("postgres", operators=1, lease=PATIENT)
    running = started(shared, 0.1)
    for moment in moments:
        wait_for_objects(shared, running, moment)
        postgres_server.kill()
        postgres_server.start()
    ended = running.wait()
    assert ended.code == 0, ended
    shared.assert_settled()
    assert len(shared.cloud()) == COUNT
    assert shared.folders[0].plan() == {}


@pytest.mark.exhaustive
@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("on_failure", ["rollback", "pause"])
@pytest.mark.parametrize("moment", [1, 4])
def test_what_an_apply_did_is_settled_when_postgres_stayed_away(
    moment, on_failure, where, shared_stack, postgres_server
):
    shared = shared_stack("postgres", lease=PATIENT)
    running = started(shared, 0.1, on_failure=on_failure)
    wait_for_objects(shared, running, moment)
    postgres_server.kill()
    ended = running.wait()
    assert ended.code in (1, 5), ended
    assert "The database cannot be reached" in ended.err
    assert "Traceback" not in ended.err
    postgres_server.start()
    assert_next_command_settles(shared, where)


# --- S3 -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(s3_server):
    """The server, in order again afterwards."""
    yield s3_server
    s3_server.fault, s3_server.down = None, False
    s3_server.requests.clear()


FAULTS = {
    "500": lambda request, answer: s3_error(500, "InternalError") if answer is None else None,
    "503": lambda request, answer: s3_error(503, "SlowDown") if answer is None else None,
    "500 after it was done": lambda request, answer: None if answer is None else s3_error(500, "InternalError"),
    "412 after it was done": lambda request, answer: (
        s3_error(412, "PreconditionFailed") if answer is not None and request.is_conditional else None
    ),
    "the request is lost": lambda request, answer: DROPPED if answer is None else None,
    "the answer is lost": lambda request, answer: None if answer is None else DROPPED,
}
"""What happens to a request before (the answer is None) or after it was passed on."""


def failing_once(faults, skipped):
    """A fault that does one of `faults` in turn to each request when it comes in for the first time."""
    seen, choice = set(), {}

    def fault(request, answer):
        shape = (request.method, request.path, request.body)
        if answer is None and shape not in seen:
            seen.add(shape)
            choice[shape] = faults[len(seen) % len(faults)] if len(seen) > skipped else None
        elif answer is None:
            choice[shape] = None
        chosen = choice[shape]
        return None if chosen is None else chosen(request, answer)

    return fault, seen


@pytest.mark.parametrize("kind", ["all", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in FAULTS)])
def test_an_apply_survives_that_every_request_fails_once(kind, shared_stack, proxy):
    shared = shared_stack("s3", operators=1)
    fault, seen = failing_once([*FAULTS.values()] if kind == "all" else [FAULTS[kind]], skipped=1)
    proxy.fault = fault
    ended = started(shared, 0).wait()
    proxy.fault = None
    assert ended.code == 0, ended
    assert len(seen) > 10
    shared.assert_settled()
    assert len(shared.cloud()) == COUNT
    assert shared.folders[0].plan() == {}


@pytest.mark.exhaustive
@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("on_failure", ["rollback", "pause"])
@pytest.mark.parametrize("kind", ["down", "503", "the answer is lost"])
def test_what_an_apply_did_is_settled_when_s3_stayed_away(kind, on_failure, where, shared_stack, proxy):
    shared = shared_stack("s3", lease=PATIENT)
    running = started(shared, 0.2, on_failure=on_failure)
    wait_for_objects(shared, running, 3)
    if kind == "down":
        proxy.down = True
    else:
        proxy.fault = FAULTS[kind]
    ended = running.wait()
    assert ended.code in (1, 5), ended
    assert "Traceback" not in ended.err
    proxy.fault, proxy.down = None, False
    assert_next_command_settles(shared, where)
