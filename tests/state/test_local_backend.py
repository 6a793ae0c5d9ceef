"""The local backend on disks that fail, fill up, are read-only, or hold something unexpected."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.disk import OsDisk
from iacengine.state.backends.local import LocalBackend
from iacengine.state.lock import lock_claim
from iacengine.state.replay import replay

STEPS = ("open", "write", "truncate", "sync", "close", "replace", "link", "remove", "make_folder", "sync_folder")


class FaultyDisk(OsDisk):
    """Fails at step number `at`, with `code`; a write that fails has written half."""

    def __init__(self, at: int, code: int) -> None:
        self.at, self.code, self.step = at, code, 0


def _faulty(name):
    def step(self, *arguments):
        mine = self.step == self.at
        self.step += 1
        if mine:
            if name == "write":
                OsDisk.write(self, arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if name == "close":
                OsDisk.close(self, *arguments)
            raise OSError(self.code, os.strerror(self.code))
        return getattr(OsDisk, name)(self, *arguments)

    return step


for _name in STEPS:
    setattr(FaultyDisk, _name, _faulty(_name))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state.json"


def locked(backend):
    return backend.lock(lock_claim("iac apply"), 0)


def told(call, *arguments):
    """The diagnostic that the call ends in; it always says what, where and what to do."""
    with pytest.raises(DiagnosticsError) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.detail
    assert found.remedy
    return found


def use(backend, new_state, history):
    """All that a run writes, one promise kept after the other."""
    lock = locked(backend)
    try:
        yield "locked"
        backend.write(new_state(), None, lock)
        yield "written"
        entries = history(4, fencing_token=lock.info.fencing_token)
        backend.append(entries[:3], lock)
        yield "first"
        backend.append(entries[3:], lock)
        yield "all"
        state = replay(backend.read(), backend.read_journal()).state
        backend.write(replace(state, serial=2), 1, lock)
        yield "rewritten"
        backend.clear_journal(lock)
        yield "cleared"
    finally:
        lock.release()


LEAST = {None: 0, "locked": 0, "written": 0, "first": 1, "all": 4, "rewritten": 4, "cleared": 4}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_fault_at_any_step_is_told_and_loses_nothing(code, tmp_path, new_state, history):
    promises = set()
    for at in range(200):
        folder = tmp_path / str(at)
        disk = FaultyDisk(at, code)
        reached = None
        try:
            for promise in use(LocalBackend(folder / "made" / "state.json", disk=disk), new_state, history):
                reached = promise
        except DiagnosticsError as problem:
            (found,) = problem.diagnostics
            assert found.remedy
            assert os.strerror(code) in found.detail
            assert str(folder) in found.detail
        else:
            if disk.step <= at:
                break  # there are no more steps
        promises.add(reached)
        backend = LocalBackend(folder / "made" / "state.json")
        result = replay(backend.read(), backend.read_journal())
        count = 0 if result.state is None else len(result.state.objects)
        assert LEAST[reached] <= count <= 4
        lock = locked(backend)  # it was given back, and all can go on
        serial = None if backend.read() is None else result.state.serial
        backend.write(new_state(serial=9), serial, lock)
        lock.release()
        assert sorted(entry.name for entry in (folder / "made").iterdir() if entry.name.endswith(".tmp")) == []
    else:
        pytest.fail("the run never came to its end")
    assert promises == set(LEAST)


@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_failed_append_can_be_tried_again(step, path, history, plain):
    class FailsOnce(OsDisk):
        armed = False

        def write(self, descriptor, data):
            if self.armed and step == "write":
                self.armed = False
                super().write(descriptor, bytes(data)[:100])
                raise OSError(errno.ENOSPC, "full")
            return super().write(descriptor, data)

        def sync(self, descriptor):
            if self.armed and step == "sync":
                self.armed = False
                raise OSError(errno.EIO, "broken")
            super().sync(descriptor)

    disk = FailsOnce()
    backend = LocalBackend(path, disk=disk)
    lock = locked(backend)
    entries = history(3)
    backend.append(entries[:2], lock)
    disk.armed = True
    told(backend.append, entries[2:4], lock)
    assert len(backend.read_journal()) == 2
    backend.append(entries[2:4], lock)
    backend.append(entries[4:], lock)
    lock.release()
    assert plain(list(backend.read_journal())) == plain(entries)


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_without_hard_links_the_backup_is_a_copy(code, path, new_state):
    class NoLinks(OsDisk):
        def link(self, source, target):
            raise OSError(code, os.strerror(code))

    backend = LocalBackend(path, disk=NoLinks())
    lock = locked(backend)
    backend.write(new_state(serial=1), None, lock)
    backend.write(new_state(serial=2), 1, lock)
    lock.release()
    assert (backend.read().serial, LocalBackend(f"{path}.backup").read().serial) == (2, 1)


def test_the_state_before_the_last_write_is_kept(path, new_state):
    backend = LocalBackend(path)
    lock = locked(backend)
    for serial in (1, 2, 3):
        backend.write(new_state(serial=serial), serial - 1 or None, lock)
    lock.release()
    assert (backend.read().serial, LocalBackend(f"{path}.backup").read().serial) == (3, 2)


def test_all_files_and_made_folders_are_their_owners_alone(tmp_path, new_state, history):
    old = os.umask(0)
    try:
        backend = LocalBackend(tmp_path / "one" / "two" / "state.json")
        lock = locked(backend)
        backend.write(new_state(serial=1), None, lock)
        backend.write(new_state(serial=2), 1, lock)
        backend.append(history(1, serial=2), lock)
        lock.release()
    finally:
        os.umask(old)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in (tmp_path / "one").rglob("*")}
    assert modes == {
        "two": 0o700,
        "state.json": 0o600,
        "state.json.backup": 0o600,
        "state.json.journal": 0o600,
        "state.json.lock": 0o600,
        "state.json.versions": 0o700,
        "1.json": 0o600,
    }
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700


def test_looking_makes_nothing(tmp_path):
    backend = LocalBackend(tmp_path / "missing" / "state.json")
    assert backend.read() is None
    assert list(backend.read_journal()) == []
    assert backend.lock_holder() is None
    assert list(tmp_path.iterdir()) == []


def test_appending_nothing_makes_no_journal(path):
    backend = LocalBackend(path)
    lock = locked(backend)
    backend.append([], lock)
    lock.release()
    assert not Path(f"{path}.journal").exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"version": 4, "lineage": "x", "serial": 1}'])
def test_a_file_that_is_no_state_is_never_overwritten(content, path, new_state):
    path.write_bytes(content)
    backend = LocalBackend(path)
    lock = locked(backend)
    for expected in (None, 0, 1):
        told(backend.write, new_state(serial=5), expected, lock)
    lock.release()
    assert path.read_bytes() == content
    assert str(path) in told(backend.read).detail


def test_a_damaged_state_is_never_overwritten(path, full_state):
    backend = LocalBackend(path)
    lock = locked(backend)
    backend.write(full_state, None, lock)
    damaged = path.read_bytes().replace(b"aws_vpc", b"aws_vpx")
    path.write_bytes(damaged)
    told(backend.write, replace(full_state, serial=2), 1, lock)
    lock.release()
    assert path.read_bytes() == damaged


def test_a_damaged_journal_is_not_appended_to(path, history):
    backend = LocalBackend(path)
    lock = locked(backend)
    backend.append(history(3), lock)
    lock.release()
    journal = Path(f"{path}.journal")
    damaged = journal.read_bytes().replace(b"begun", b"bogus", 1)
    journal.write_bytes(damaged)
    lock = locked(backend)
    told(backend.append, history(1, fencing_token=lock.info.fencing_token), lock)
    lock.release()
    assert journal.read_bytes() == damaged


def test_a_journal_removed_under_its_holder_is_noticed(path, history):
    backend = LocalBackend(path)
    lock = locked(backend)
    entries = history(2)
    backend.append(entries[:2], lock)
    Path(f"{path}.journal").unlink()
    told(backend.append, entries[2:], lock)
    lock.release()


def test_a_torn_tail_is_taken_away_before_the_next_append(path, history, plain):
    backend = LocalBackend(path)
    lock = locked(backend)
    entries = history(2)
    backend.append(entries, lock)
    lock.release()
    with Path(f"{path}.journal").open("ab") as journal:
        journal.write(b'00000000 6 j {"type":"beg')
    lock = locked(backend)
    more = history(1, fencing_token=lock.info.fencing_token)
    backend.append(more, lock)
    lock.release()
    assert plain(list(backend.read_journal())) == plain(entries + more)


def test_what_an_interrupted_write_left_is_removed_by_the_next_holder(path):
    leftover = path.with_name(".state.json.0123456789ab.tmp")
    others = [
        path.with_name(name) for name in (".state.json.mine.tmp", ".other.json.0123456789ab.tmp", "0123456789ab.tmp")
    ]
    for file in (leftover, *others):
        file.write_text("x")
    locked(LocalBackend(path)).release()
    assert not leftover.exists()
    assert all(file.exists() for file in others)


# --- links, folders, pipes ------------------------------------------------------------------------------------------


def test_a_linked_state_is_written_where_the_link_leads_and_locked_there(tmp_path, new_state):
    (tmp_path / "real").mkdir()
    link = tmp_path / "state.json"
    link.symlink_to(tmp_path / "real" / "target.json")
    by_link, by_name = LocalBackend(link), LocalBackend(tmp_path / "real" / "target.json")
    lock = locked(by_link)
    told(locked, by_name)
    by_link.write(new_state(), None, lock)
    by_link.write(new_state(serial=2), 1, lock)
    lock.release()
    assert link.is_symlink()
    assert by_name.read().serial == 2
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "real"] == ["state.json"]


@pytest.mark.parametrize("suffix", [".journal", ".lock"])
def test_links_in_the_place_of_other_files_are_not_followed(suffix, path, tmp_path, history):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    Path(f"{path}{suffix}").symlink_to(victim)

    def attempt():
        backend = LocalBackend(path)
        lock = locked(backend)
        try:
            backend.append(history(1), lock)
        finally:
            lock.release()

    assert "symbolic link" in told(attempt).remedy
    assert victim.read_text() == "precious"


def test_a_link_in_the_place_of_the_backup_is_replaced_not_followed(path, tmp_path, new_state):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    Path(f"{path}.backup").symlink_to(victim)
    backend = LocalBackend(path)
    lock = locked(backend)
    backend.write(new_state(serial=1), None, lock)
    backend.write(new_state(serial=2), 1, lock)
    lock.release()
    assert victim.read_text() == "precious"
    assert LocalBackend(f"{path}.backup").read().serial == 1


def test_a_loop_of_links_is_told(path):
    path.symlink_to(path)
    assert "symbolic link" in told(LocalBackend(path).read).remedy


def test_a_folder_in_the_place_of_the_state_is_told(path, new_state):
    path.mkdir()
    backend = LocalBackend(path)
    assert "folder" in told(backend.read).remedy
    lock = locked(backend)
    assert "folder" in told(backend.write, new_state(), None, lock).remedy
    lock.release()


def test_a_pipe_in_the_place_of_the_state_is_told_and_not_waited_for(path):
    os.mkfifo(path)
    assert "not a regular file" in told(LocalBackend(path).read).detail


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    backend = LocalBackend(tmp_path / "file" / "state.json")
    told(backend.read)
    told(locked, backend)


# --- real disks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(new_disk):
    """A disk of 64 KiB."""
    return new_disk(64)


def test_a_full_disk_keeps_state_and_journal_as_they_were(small_disk, new_state, new_object, history):
    backend = LocalBackend(small_disk / "state.json")
    lock = locked(backend)
    backend.write(new_state(new_object("a.b")), None, lock)
    backend.append(history(1), lock)
    big = new_object("a.c", attributes={"text": "x" * 100_000})
    found = told(backend.write, new_state(big, serial=2), 1, lock)
    assert "space" in found.remedy
    assert "intact" in found.detail
    entries = history(200)[1:]
    found = told(backend.append, entries, lock)
    assert "space" in found.remedy
    assert backend.read().serial == 1
    assert len(backend.read_journal()) == 3
    backend.append(entries[:1], lock)  # what fits still goes
    assert len(backend.read_journal()) == 4
    assert [entry.name for entry in small_disk.iterdir() if entry.name.endswith(".tmp")] == []
    lock.release()


def test_a_disk_mounted_read_only_is_told(small_disk, new_state):
    backend = LocalBackend(small_disk / "state.json")
    lock = locked(backend)
    backend.write(new_state(), None, lock)
    lock.release()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert backend.read().serial == 1
    assert "read-only" in told(locked, backend).remedy


def test_missing_permission_is_told(tmp_path):
    """Root may do everything, so the attempt is made by a process that gave that up."""
    script = (
        "import os, sys\n"
        "from iacengine.foundation.diagnostics import DiagnosticsError\n"
        "from iacengine.state.backends.local import LocalBackend\n"
        "from iacengine.state.lock import lock_claim\n"
        "claim = lock_claim('x')\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "backend = LocalBackend(sys.argv[1])\n"
        "for call in (backend.read, backend.read_journal, lambda: backend.lock(claim, 0)):\n"
        "    try: call()\n"
        "    except DiagnosticsError as problem: print(problem.diagnostics[0].remedy)\n"
    )
    (tmp_path / "state.json").write_text("")
    (tmp_path / "state.json.journal").write_text("")
    for file in tmp_path.iterdir():
        file.chmod(0)
    tmp_path.chmod(0o500)
    try:
        command = [sys.executable, "-c", script, str(tmp_path / "state.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        tmp_path.chmod(0o700)
    assert done.stdout.count("Give your user permission") == 3, done.stdout + done.stderr
