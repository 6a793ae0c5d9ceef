"""kill -9 before, in the middle of, and after every step of every write: nothing that was acknowledged is lost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from iacengine.state.backends.local import LocalBackend
from iacengine.state.journal_entries import Opened
from iacengine.state.lock import lock_claim
from iacengine.state.replay import replay

CHILD = Path(__file__).with_name("crash_child.py")


def wrecks(scenario: str, folder: Path) -> list[Path]:
    """The folders that the kills left, each with a name such as `03-middle`."""
    done = subprocess.run(
        [sys.executable, str(CHILD), scenario, str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert {name.partition("-")[2] for name in names} == {"before", "middle", "after"}
    return [folder / name for name in names]


def go_on(wreck: Path) -> tuple[LocalBackend, int]:
    """What the next run does first: it takes the lock, whose holder is dead. Its fencing token comes along."""
    backend = LocalBackend(wreck / "state.json")
    assert backend.lock_holder() is None
    lock = backend.lock(lock_claim("iac recover"), 0)
    backend.append([Opened("recovery", "lineage", backend.read().serial, lock.info.fencing_token, "iac", "now")], lock)
    lock.release()
    leftovers = {entry.name for entry in wreck.iterdir()} - {
        "state.json",
        "state.json.backup",
        "state.json.journal",
        "state.json.lock",
        "state.json.versions",
    }
    assert leftovers == set()
    for version in backend.versions():
        assert backend.read_version(version.serial).serial == version.serial
    return backend, lock.info.fencing_token


def test_a_killed_append_leaves_all_that_was_acknowledged_and_nothing_torn(tmp_path):
    found = set()
    for wreck in wrecks("append", tmp_path):
        before = LocalBackend(wreck / "state.json").read_journal()
        backend, token = go_on(wreck)
        after = backend.read_journal()
        assert len(after) == len(before) + 1
        result = replay(backend.read(), after)
        assert token == 3
        found.add(len(result.state.objects))
        assert list(range(len(result.state.objects))) == [address.key for address, _ in result.state.objects]
        assert backend.read().serial == 1
    assert found == {1, 2, 3, 4}  # a batch that was cut in the middle may leave its first records


def test_a_killed_end_of_a_run_leaves_the_old_state_with_its_journal_or_the_new_state(tmp_path):
    serials = set()
    for wreck in wrecks("finish", tmp_path):
        backend, _ = go_on(wreck)
        state = backend.read()
        result = replay(state, backend.read_journal())
        assert [address.key for address, _ in result.state.objects] == [0]
        assert result.problems == ()
        assert result.in_flight == ()
        serials.add(state.serial)
        lock = backend.lock(lock_claim("iac apply"), 0)
        backend.write(replace(result.state, serial=state.serial + 1), state.serial, lock)
        lock.release()
        assert backend.read().serial == state.serial + 1
    assert serials == {1, 2}


def test_a_killed_locker_leaves_the_lock_free_and_the_tokens_growing(tmp_path):
    for wreck in wrecks("take", tmp_path):
        _, token = go_on(wreck)
        assert token in (2, 3)
        assert go_on(wreck)[1] == token + 1


@pytest.mark.parametrize("scenario", ["append", "finish", "take"])
def test_every_step_of_the_disk_is_killed_at(scenario, tmp_path):
    """The scenarios do go through the steps that they are about."""
    names = [wreck.name for wreck in wrecks(scenario, tmp_path)]
    assert len(names) == len(set(names))
    assert len(names) >= {"append": 18, "finish": 45, "take": 9}[scenario]
