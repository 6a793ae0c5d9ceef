"""Files written whole or not at all, durable when the call returns.

The order is the usual one (POSIX rename is atomic, but orders nothing on its own): write a temporary file in the same
folder, fsync it, rename it over the target, fsync the folder. A crash leaves the old file or the new one, and at worst
a temporary file beside it, which `remove_leftovers` takes away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable

from iacengine.foundation.disk import DISK, Disk

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV})


def write_all(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write all of the data, in as many calls as it takes. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]


def write_atomically(
    path: str,
    data: bytes,
    *,
    backup: str | None = None,
    before_replace: Callable[[], None] | None = None,
    disk: Disk = DISK,
) -> None:
    """Replace the file, or make it. Only its owner may read it. Raises OSError; the old file is then still there.

    `backup` names a file in the same folder that the old file is kept as. `before_replace` is called at the last
    moment at which nothing has changed; what it raises stops the write.
    """
    folder, name = os.path.split(path)
    fresh, kept = (os.path.join(folder, f".{name}.{os.urandom(6).hex()}.tmp") for _ in range(2))  # noqa: PTH118
    try:
        _write_new(fresh, data, disk)
        if before_replace is not None:
            before_replace()
        if backup is not None and os.path.lexists(path) and not _same_file(path, backup):
            copy_file(path, kept, disk)
            disk.replace(kept, backup)
        disk.replace(fresh, path)
    except BaseException:
        for leftover in (fresh, kept):
            with contextlib.suppress(OSError):
                disk.remove(leftover)
        raise
    disk.sync_folder(folder or ".")


def _write_new(path: str, data: bytes, disk: Disk) -> None:
    descriptor = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(disk, descriptor, data)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def _same_file(path: str, backup: str) -> bool:
    """Whether both are names of one file, as after a write that failed at its end: a rename would then do nothing."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(backup))
    except FileNotFoundError:
        return False


def copy_file(source: str, target: str, disk: Disk) -> None:
    """A second name for the file where the file system has hard links (no cost by size), else a copy of it.

    Right only for files that are replaced and never changed in place. Raises OSError.
    """
    try:
        disk.link(source, target)
    except OSError as problem:
        if problem.errno not in _NO_HARD_LINKS:
            raise
        data = read_regular_file(source)
        if data is not None:
            _write_new(target, data, disk)


def remove_leftovers(path: str, disk: Disk = DISK) -> None:
    """Remove the temporary files that interrupted writes of this file left. Call it only while nobody writes it."""
    folder, name = os.path.split(path)
    temporary = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{12}}\.tmp")
    with os.scandir(folder or ".") as entries:
        found = [entry.path for entry in entries if temporary.fullmatch(entry.name)]
    for leftover in found:
        with contextlib.suppress(FileNotFoundError):
            disk.remove(leftover)


def read_regular_file(path: str) -> bytes | None:
    """The contents of a file; None when there is none. Raises OSError; anything but a plain file is refused unread."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        require_regular(descriptor, path)
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """Everything from where the descriptor stands to the end. Raises OSError."""
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, max(os.fstat(descriptor).st_size, 65536)):
        chunks.append(chunk)
    return b"".join(chunks)


def require_regular(descriptor: int, path: str) -> None:
    """Raises OSError when the descriptor is of a folder, a pipe, a device, …"""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", path)


def make_folders(path: str, disk: Disk = DISK) -> None:
    """Make a folder and those above it that are missing, each its owner's alone and durable. Raises OSError."""
    missing: list[str] = []
    folder = path
    while folder and not os.path.isdir(folder):  # noqa: PTH112 - text in
        missing.append(folder)
        above = os.path.dirname(folder)  # noqa: PTH120 - text in, text out
        if above == folder:
            break
        folder = above
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            disk.make_folder(folder)
        disk.sync_folder(os.path.dirname(folder) or ".")  # noqa: PTH120 - text in, text out
