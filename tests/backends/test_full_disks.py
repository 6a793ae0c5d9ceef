"""Whole applies on a disk that is full, or that cannot be written: nothing is lost, and the next command settles it."""

from __future__ import annotations

import os
import subprocess

import pytest

from iacengine.state.invariants import journal_violations, state_violations

KIB = 1024


def resources(count, size):
    return {"mock_object": {"o": {"count": count, "name": "o ${count.index}", "attributes": {"text": "x" * size}}}}


@pytest.fixture
def on_disk(shared_stack, new_disk):
    """A stack whose state is on a disk of 512 KiB, where 2 objects are known; and the disk."""
    disk = new_disk(512)
    shared = shared_stack("local", operators=1, path=str(disk / "state.json"))
    shared.write(resources(2, 10))
    shared.folders[0].apply()
    return shared, disk


def fill(disk, free):
    """Leave so many KiB."""
    there = os.statvfs(disk)
    (disk / "filler").write_bytes(b"x" * (there.f_bavail * there.f_frsize - free * KIB))


def assert_told_by_state_and_journal(shared):
    backend = shared.backend
    try:
        state, entries = backend.read(), backend.read_journal()
        assert state is not None
        assert (*state_violations(state), *journal_violations(state, entries)) == ()
    finally:
        backend.close()


EVERYWHERE = [
    pytest.param(free, marks=[] if free in (4, 28, 100) else pytest.mark.exhaustive) for free in range(0, 132, 4)
]
"""From a disk that has no room for the first entry to one that has room for the state that is written at the end."""


@pytest.mark.parametrize("on_failure", ["rollback", pytest.param("pause", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("free", EVERYWHERE)
def test_wherever_the_disk_is_full_nothing_is_lost(free, on_failure, on_disk):
    shared, disk = on_disk
    (stack,) = shared.folders
    fill(disk, free)
    shared.write(resources(20, 2000), on_failure=on_failure)
    done = stack.apply("--parallelism=4", code=None)
    assert done.code in (0, 1, 5), done
    if done.code:
        told = " ".join(done.err.split())  # messages are wrapped
        assert "No space left on device" in told
        assert "Free some space" in told
    assert (disk / "state.json").stat().st_size > 0
    assert_told_by_state_and_journal(shared)
    (disk / "filler").unlink()
    stack.iac("recover")
    shared.assert_settled()
    stack.apply()
    shared.assert_settled()
    assert len(shared.cloud()) == 20
    assert stack.plan() == {}


def test_a_state_that_found_no_room_is_made_of_the_journal(on_disk):
    shared, disk = on_disk
    (stack,) = shared.folders
    fill(disk, 100)
    shared.write(resources(20, 2000))
    done = stack.apply(code=5)
    assert "Cannot write the state" in done.err
    assert "is in the journal" in done.err
    assert len(shared.cloud()) == 20
    (disk / "filler").unlink()
    assert "the state holds what it had done" in stack.iac("recover").out
    shared.assert_settled()
    assert stack.plan() == {}


def test_a_state_folder_that_cannot_be_written_ends_an_apply_before_it_begins(on_disk):
    shared, disk = on_disk
    (stack,) = shared.folders
    before = shared.cloud()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    shared.write(resources(5, 10))
    done = stack.apply(code=1)
    assert "read-only" in done.err
    assert shared.cloud() == before
    assert len(stack.iac("state", "list").out.splitlines()) == 2
    assert "Plan: 3 to add" in stack.iac("plan", "--lock=false").out
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    stack.apply()
    shared.assert_settled()
