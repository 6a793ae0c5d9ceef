"""The lock on a local state between processes: the kernel frees it, and a holder who lost it writes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.local import LocalBackend
from iacengine.state.lock import LockHeldError, LockLostError, is_running, lock_claim

HOLD = """
import sys
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.local import LocalBackend
from iacengine.state.lock import lock_claim
try:
    lock = LocalBackend(sys.argv[1]).lock(lock_claim("iac apply"), float(sys.argv[2]))
except DiagnosticsError as problem:
    print(problem.diagnostics[0].detail, flush=True)
    sys.exit(3)
print(lock.info.fencing_token, flush=True)
sys.stdin.read()
lock.release()
"""


class Holder:
    """Another process that asks for the lock, says what it got, and holds it until its input ends."""

    def __init__(self, path: Path, timeout: float = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), str(timeout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> int:
        self.process.communicate()
        return self.process.returncode


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def hold(path) -> Iterator:
    holders = []

    def start(timeout: float = 0) -> Holder:
        holders.append(Holder(path, timeout))
        return holders[-1]

    yield start
    for holder in holders:
        holder.process.kill()
        holder.process.communicate()


def test_another_process_is_told_who_holds_the_lock(hold, path):
    holder = hold()
    holder.said()
    with pytest.raises(LockHeldError) as caught:
        LocalBackend(path).lock(lock_claim("iac plan"), 0)
    assert caught.value.holder.pid == holder.process.pid
    (found,) = caught.value.diagnostics
    assert f"process {holder.process.pid} (still running)" in found.detail
    assert "--lock-timeout" in found.remedy


def test_of_two_at_once_one_gets_the_lock_and_the_other_is_told_who(hold):
    first, second = hold(), hold()
    said = {first.process.pid: first.said(), second.process.pid: second.said()}
    (winner,) = [pid for pid, text in said.items() if text.isdecimal()]
    (loser,) = [text for pid, text in said.items() if pid != winner]
    assert f"process {winner} (still running)" in loser


def test_the_lock_of_a_killed_process_is_free_at_once(hold, path):
    holder = hold()
    token = int(holder.said())
    holder.process.send_signal(signal.SIGKILL)
    holder.process.wait()
    backend = LocalBackend(path)
    assert backend.lock_holder() is None
    lock = backend.lock(lock_claim("iac recover"), 0)
    assert lock.info.fencing_token == token + 1
    lock.release()


def test_one_who_waits_gets_the_lock_when_its_holder_is_killed(hold):
    holder = hold()
    token = int(holder.said())
    waiter = hold(60)
    holder.process.kill()
    assert int(waiter.said()) == token + 1
    assert waiter.end() == 0


def test_one_who_waits_in_vain_is_told_after_the_time_it_gave(path):
    now = [0.0]

    def sleep(seconds):
        assert 0 < seconds <= 0.5
        now[0] += seconds

    lock = LocalBackend(path).lock(lock_claim("iac apply"), 0)
    patient = LocalBackend(path, clock=lambda: now[0], sleep=sleep)
    with pytest.raises(LockHeldError):
        patient.lock(lock_claim("iac plan"), 10)
    assert 10 <= now[0] < 10.6
    lock.release()


def test_one_who_only_looks_turns_nobody_away(path):
    import fcntl

    LocalBackend(path).lock(lock_claim("iac apply"), 0).release()
    looker = os.open(f"{path}.lock", os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    backend = LocalBackend(path, sleep=lambda _: fcntl.flock(looker, fcntl.LOCK_UN))
    backend.lock(lock_claim("iac apply"), 0).release()
    os.close(looker)


@pytest.mark.parametrize("how", ["removed", "replaced", "taken over"])
def test_a_holder_whose_lock_file_is_not_its_own_any_more_writes_nothing(how, path, new_state, history):
    backend = LocalBackend(path)
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.append(history(1, fencing_token=lock.info.fencing_token), lock)
    lock_file = Path(f"{path}.lock")
    match how:
        case "removed":
            lock_file.unlink()
        case "replaced":
            content = lock_file.read_bytes()
            lock_file.unlink()
            lock_file.write_bytes(content)
        case "taken over":
            other = json.loads(lock_file.read_bytes()) | {"fencing_token": 99, "id": "another"}
            lock_file.write_text(json.dumps(other))
    for attempt in (
        lambda: backend.write(new_state(), None, lock),
        lambda: backend.append(history(1, fencing_token=lock.info.fencing_token), lock),
        lambda: backend.clear_journal(lock),
    ):
        with pytest.raises(LockLostError) as caught:
            attempt()
        assert caught.value.diagnostics[0].remedy
    assert backend.read() is None
    assert len(backend.read_journal()) == 3
    lock.release()


def test_a_lock_lost_while_the_state_is_being_written_stops_the_write(path, new_state):
    """The last look is after the slow part, just before the state would be replaced."""
    from iacengine.foundation.disk import OsDisk

    class Slow(OsDisk):
        def sync(self, descriptor):
            super().sync(descriptor)
            if armed:
                Path(f"{path}.lock").unlink()

    armed = False
    backend = LocalBackend(path, disk=Slow())
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    armed = True
    with pytest.raises(LockLostError):
        backend.write(new_state(serial=2), 1, lock)
    lock.release()
    assert backend.read().serial == 1
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".tmp")] == []


def test_a_lock_file_that_was_removed_starts_above_the_tokens_in_the_journal(path, history):
    backend = LocalBackend(path)
    for _ in range(3):
        lock = backend.lock(lock_claim("iac apply"), 0)
        backend.append(history(0, fencing_token=lock.info.fencing_token), lock)
        lock.release()
    Path(f"{path}.lock").unlink()
    lock = backend.lock(lock_claim("iac apply"), 0)
    assert lock.info.fencing_token == 4
    lock.release()


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"garbage", b'{"held":true,"id":"x"', b"[]\n"])
def test_an_unreadable_lock_file_can_be_locked(content, path):
    Path(f"{path}.lock").write_bytes(content)
    backend = LocalBackend(path)
    assert backend.lock_holder() is None
    lock = backend.lock(lock_claim("iac apply"), 0)
    assert lock.info.fencing_token == 1
    assert backend.lock_holder() == lock.info
    lock.release()


def test_a_shorter_line_leaves_nothing_of_a_longer_one(path):
    backend = LocalBackend(path)
    backend.lock(lock_claim("iac apply " + "x" * 500), 0).release()
    lock = backend.lock(lock_claim("iac"), 0)
    assert json.loads(Path(f"{path}.lock").read_bytes())["operation"] == "iac"
    lock.release()


def test_a_lock_on_another_state_counts_for_nothing(path, tmp_path, new_state):
    other = LocalBackend(tmp_path / "other.json").lock(lock_claim("iac apply"), 0)
    with pytest.raises(LockLostError):
        LocalBackend(path).write(new_state(), None, other)
    other.release()


def test_it_is_known_whether_a_process_still_runs(hold):
    holder = hold()
    holder.said()
    claim = replace(lock_claim("iac apply"), pid=holder.process.pid)
    assert is_running(claim) is True
    holder.end()
    assert is_running(claim) is False
    assert is_running(replace(claim, host="elsewhere")) is None


def test_a_holder_without_readable_information_is_told_as_such():
    assert "no readable information" in LockHeldError("state", None).diagnostics[0].detail


def test_a_holder_elsewhere_is_to_be_stopped_there():
    claim = replace(lock_claim("iac apply"), host="far-away", pid=17)
    (found,) = LockHeldError("state", claim).diagnostics
    assert "stop process 17 on far-away" in found.remedy


def test_the_lock_file_must_be_a_plain_file(path):
    os.mkfifo(f"{path}.lock")
    with pytest.raises(DiagnosticsError) as caught:
        LocalBackend(path).lock(lock_claim("iac apply"), 0)
    assert "not a regular file" in caught.value.diagnostics[0].detail
