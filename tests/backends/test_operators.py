"""Several operators at once: whole commands against the same state, on every backend."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from iacengine.state.journal_entries import Begun

SERVERS = ["http", "s3", "postgres"]
MANY = 20
AT_ONCE = [("local", MANY), *(pytest.param(kind, MANY, marks=pytest.mark.exhaustive) for kind in SERVERS)]
RESOURCES = {
    "mock_object": {
        "last": {"name": "last", "attributes": {"n": "${var.n}"}},
        "each": {"count": 3, "name": "each ${count.index}"},
    }
}


def applies_at_once(shared, count, *options):
    """Start applies that each want something else, from all folders; how they ended, by process id."""
    started = [
        shared.folders[number % len(shared.folders)].start(
            "apply", "--auto-approve", "--no-input", f"--var=n={number + 1}", *options
        )
        for number in range(count)
    ]
    return {running.pid: running.wait() for running in started}


def assert_one_after_the_other(shared, done):
    """What the applies that succeeded have left: serials without gap or twin, each written by one of them."""
    winners = {pid for pid, ended in done.items() if ended.code == 0}
    backend = shared.backend
    try:
        serials = [version.serial for version in backend.versions()]
        records = [record for record in backend.runs() if record.serial_after != record.serial_before]
        state = backend.read()
    finally:
        backend.close()
    assert serials == list(range(1, len(winners) + 1))
    assert [(record.serial_before, record.serial_after) for record in records] == [
        (serial - 1 or None, serial) for serial in serials
    ]
    assert {record.pid for record in records} == winners
    assert {record.outcome for record in records} == {"complete"}
    assert state is not None
    assert state.serial == len(winners)
    shared.assert_settled()


def text_of(done):
    return " ".join(done.err.split())  # messages are wrapped


@pytest.mark.parametrize(("kind", "count"), AT_ONCE)
def test_of_many_applies_at_once_each_succeeds_or_says_who_holds_the_lock(kind, count, shared_stack):
    shared = shared_stack(kind)
    shared.write(RESOURCES, latency={"create": 0.02, "update": 0.02})
    done = applies_at_once(shared, count)
    assert {ended.code for ended in done.values()} <= {0, 3}, [*map(str, done.values())]
    assert any(ended.code == 0 for ended in done.values())
    for ended in done.values():
        if ended.code == 3:
            told = re.search(
                r"The state is locked .* is locked by \S+ on \S+, process (\d+) .*for `iac apply` since", text_of(ended)
            )
            assert told is not None, ended
            assert int(told[1]) in done
    assert_one_after_the_other(shared, done)


@pytest.mark.parametrize(("kind", "count"), [*AT_ONCE, ("postgres", 4)])
def test_of_many_applies_that_wait_for_the_lock_all_succeed(kind, count, shared_stack):
    shared = shared_stack(kind)
    shared.write(RESOURCES)
    done = applies_at_once(shared, count, "--lock-timeout=240s")
    assert {ended.code for ended in done.values()} == {0}, [*map(str, done.values())]
    assert_one_after_the_other(shared, done)


# --- holders that are frozen ----------------------------------------------------------------------------------------


def wait_until(running, text):
    """Look until a command has printed something; fail when it ended before."""
    while text not in running.printed():
        status = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert status != "Z" or text in running.printed(), running.printed()


def frozen_in_a_call(shared):
    """An apply in the first folder that was frozen while the cloud makes the first object."""
    shared.write(RESOURCES, only=0, latency={"create": 5}, on_failure="pause")
    shared.write(RESOURCES, only=1, on_failure="pause")
    running = shared.folders[0].start("apply", "--auto-approve", "--no-input", "--parallelism=1")
    wait_until(running, "Creating")
    for _ in range(2):  # what it says, it writes down next; by the time of another look it has heard that this was done
        while not any(isinstance(entry, Begun) for entry in shared.journal()):
            assert Path(f"/proc/{running.pid}").exists(), running.printed()
    running.kill(signal.SIGSTOP)
    return running


@pytest.mark.parametrize(
    "kind", ["http", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in ("s3", "postgres"))]
)
def test_a_holder_that_was_frozen_past_its_lease_changes_nothing_when_it_goes_on(kind, shared_stack):
    shared = shared_stack(kind, lease=1)
    frozen = frozen_in_a_call(shared)
    two = shared.folders[1]
    assert "Recovered" in two.apply("--lock-timeout=120s").out
    shared.assert_settled()
    before, made = shared.snapshot(), shared.cloud()
    frozen.kill(signal.SIGCONT)
    ended = frozen.wait()
    assert ended.code == 5, ended
    assert "The lock on the state was lost" in ended.err
    assert ended.out.count("Creating") == 1  # nothing more was begun
    assert shared.snapshot() == before
    assert two.iac("plan", "--detailed-exitcode").code == 0
    # The request that was on its way nobody could take back. The next command here knows of what it made.
    late = shared.cloud().keys() - made.keys()
    assert len(late) == 1
    shared.write(RESOURCES, only=0)
    (planned,) = (change for change in shared.folders[0].plan().values())
    assert planned == ["delete"]
    shared.folders[0].apply()
    shared.assert_settled()
    assert shared.cloud() == made


def test_a_local_holder_that_is_frozen_keeps_the_lock_and_goes_on(shared_stack):
    shared = shared_stack("local")
    frozen = frozen_in_a_call(shared)
    two = shared.folders[1]
    assert f"process {frozen.pid} (still running)" in text_of(two.apply(code=3))
    shared.write(RESOURCES, only=0)
    frozen.kill(signal.SIGKILL)
    frozen.wait()
    two.apply()
    shared.assert_settled()


def test_nothing_is_tried_again_after_the_lock_was_lost(shared_stack):
    shared = shared_stack("local", operators=1)
    fault = {"type": "mock_object", "operation": "create", "nth": 0, "error": "busy", "retryable": True}
    patience = {"mock": {"attempts": 1000, "first_wait": "0.05s", "longest_wait": "0.05s"}}
    shared.write({"mock_object": {"a": {"name": "a"}}}, faults=[fault], retries=patience)
    (stack,) = shared.folders
    running = stack.start("apply", "--auto-approve", "--no-input")
    wait_until(running, "Retrying")
    (lock,) = Path(shared.settings["path"]).parent.glob("*.lock")
    lock.unlink()
    ended = running.wait()
    assert ended.code in (1, 5), ended
    assert "The lock on the state was lost" in ended.err
    assert ended.out.count("Retrying") < 900


@pytest.mark.parametrize("kind", ["http", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in SERVERS[1:])])
def test_a_run_whose_lock_was_broken_begins_nothing_more(kind, shared_stack):
    shared = shared_stack(kind)
    running = frozen_in_a_call(shared)  # so that it is not done before it happens
    one, two = shared.folders
    two.iac("lock", "break", "--force", "--yes")
    running.kill(signal.SIGCONT)
    ended = running.wait()
    assert ended.code == 5, ended
    assert "The lock on the state was lost" in ended.err
    assert ended.out.count("Creating") == 1
    two.apply()
    shared.assert_settled()
    assert len(shared.cloud()) == 4
    shared.write(RESOURCES, only=0)
    one.apply()
    shared.assert_settled()
    assert len(shared.cloud()) == 4
