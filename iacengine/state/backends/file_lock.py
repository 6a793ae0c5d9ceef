"""A lock on a file, which the kernel frees when its holder ends, however it ends.

The lock is `flock(2)` on a file that stays where it is. Its first line is JSON: the fencing token of the last holder,
whether that one has given the lock back, and who it was. The token is written before the lock counts as taken, so it
grows from holder to holder, over crashes as well; should the file be lost, the caller's floor takes its place.

A holder is asked for nothing while it works. Before each write it looks whether the file under the lock's name is
still the one it locked, with its own line in it: if somebody removed or replaced it, the lock is lost.

On NFS, Linux turns `flock` into a lock of the server's (version 4, or with lockd), which a client that is cut off loses
without a word. The look before each write narrows that window but cannot close it; for a state that several hosts
write, take a backend that fences on the server (postgres, s3, http).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import replace

import orjson

from iacengine.foundation.atomic import read_all, require_regular, write_all
from iacengine.foundation.disk import DISK, Disk, disk_failure
from iacengine.state.backends.base import LockInfo
from iacengine.state.lock import LockHeldError, is_running, lock_info_from_json, lock_info_to_json, lock_lost

_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.5  # seconds
# One who only asks who holds the lock (`file_lock_holder`) takes it for some microseconds. So that nobody is turned
# away because of that, even one who does not want to wait tries this often.
_TRIES = 3


class FileLock:
    """A lock that is held, until `release` or the end of the process."""

    __slots__ = ("_descriptor", "_disk", "_line", "_path", "info")

    def __init__(self, path: str, descriptor: int, info: LockInfo, disk: Disk) -> None:
        self.info = info
        self._path = path
        self._descriptor: int | None = descriptor
        self._disk = disk
        self._line = _line(info, held=True)

    def require(self) -> None:
        """Raises LockLostError when the lock was released, removed, or taken over."""
        if self._descriptor is None:
            raise lock_lost(self._path, "the lock was given back already")
        if not _is_at(self._descriptor, self._path):
            raise lock_lost(self._path, "the lock file was removed or replaced while the lock was held")
        if os.pread(self._descriptor, len(self._line), 0) != self._line:
            raise lock_lost(self._path, "the lock was taken over by somebody else")

    def write_info(self) -> None:
        """Put the holder's line into the file, durably. Raises OSError."""
        assert self._descriptor is not None
        _write_line(self._descriptor, self._line, self._disk)
        self._disk.sync(self._descriptor)

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with contextlib.suppress(OSError):  # the line is information only; closing is what frees the lock
            if _is_at(descriptor, self._path) and os.pread(descriptor, len(self._line), 0) == self._line:
                _write_line(descriptor, _line(self.info, held=False), self._disk)
        os.close(descriptor)


def take_file_lock(
    path: str,
    info: LockInfo,
    timeout: float,
    *,
    floor: Callable[[], int] = lambda: 0,
    where: str | None = None,
    disk: Disk = DISK,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> FileLock:
    """Take the lock, waiting up to `timeout` seconds. `where` names what is locked in messages.

    `floor` is asked, when the lock file knows no token, for the largest one that is known from elsewhere.
    Raises LockHeldError, or DiagnosticsError when the file cannot be written.
    """
    deadline = clock() + timeout
    wait, tries = _FIRST_WAIT, 0
    try:
        while (descriptor := _try(path, disk)) is None:
            tries += 1
            left = deadline - clock()
            if left <= 0 and tries >= _TRIES:
                raise LockHeldError(where or path, _told_holder(path, sleep))
            sleep(min(wait, max(left, _FIRST_WAIT)))
            wait = min(wait * 2, _LONGEST_WAIT)
    except OSError as problem:
        raise disk_failure(problem, "lock the state", path) from problem
    try:
        last = _parse(read_all(descriptor))[1]
        token = (floor() if last is None else last) + 1
        lock = FileLock(path, descriptor, replace(info, fencing_token=token), disk)
        lock.write_info()
        if last is None:  # a new file: its name must last as long as the token in it
            disk.sync_folder(os.path.dirname(path) or ".")  # noqa: PTH120 - text in, text out
    except OSError as problem:
        os.close(descriptor)
        raise disk_failure(problem, "lock the state", path, "Nothing was changed.") from problem
    except BaseException:
        os.close(descriptor)
        raise
    return lock


def file_lock_holder(path: str) -> LockInfo | None:
    """Who holds the lock now, or None. Raises OSError."""
    holder, _, held = _read_info(path)
    if holder is None and not held:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder
    finally:
        os.close(descriptor)
    return None  # it was killed: its line is there, its lock is not


def _try(path: str, disk: Disk) -> int | None:
    """A descriptor of the lock file with the lock on it; None when somebody else has it. Raises OSError."""
    descriptor = disk.open(path, os.O_RDWR | os.O_CREAT)
    try:
        require_regular(descriptor, path)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path):
            return descriptor
    except OSError as problem:
        if problem.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            raise
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _told_holder(path: str, sleep: Callable[[float], None]) -> LockInfo | None:
    """Who holds the lock that was not to be had; one who has just taken it is given a moment to write who it is."""
    for _ in range(_TRIES):
        holder = _read_info(path)[0]
        if holder is not None and is_running(holder) is not False:
            return holder
        sleep(_FIRST_WAIT)
    return holder


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the open file is still the one under its name."""
    try:
        there = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - asked before each write
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return there.st_ino == mine.st_ino and there.st_dev == mine.st_dev


def _line(info: LockInfo, *, held: bool) -> bytes:
    return orjson.dumps({"held": held} | lock_info_to_json(info)) + b"\n"


def _write_line(descriptor: int, line: bytes, disk: Disk) -> None:
    """Overwrite the first line, then cut what an older, longer one left behind it: readers look at one line only."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(disk, descriptor, line)
    disk.truncate(descriptor, len(line))


def _read_info(path: str) -> tuple[LockInfo | None, int | None, bool]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None, None, False
    try:
        return _parse(read_all(descriptor))
    finally:
        os.close(descriptor)


def _parse(data: bytes) -> tuple[LockInfo | None, int | None, bool]:
    """The holder (None when given back or unreadable), the last token (None when unreadable), and whether it counts."""
    try:
        form = orjson.loads(data.partition(b"\n")[0])
        info, held = lock_info_from_json(form), bool(form["held"])
    except (KeyError, TypeError, ValueError):
        return None, None, bool(data)
    return (info if held else None), info.fencing_token, held
