"""What a durable write asks of the operating system, one method per step that a crash can fall between.

Writers take a `Disk`, so that a test can hand them one that fails, or ends the process, at any step.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Protocol

from iacengine.foundation.diagnostics import DiagnosticsError, failure

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: there fsync leaves data in the drive's cache


class Disk(Protocol):
    """The steps of a durable write. All raise OSError."""

    def open(self, path: str, flags: int) -> int:
        """Open a file; a new one is its owner's alone. Links are not followed, the descriptor is not inherited."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write some of the data; how many bytes is returned."""

    def truncate(self, descriptor: int, length: int) -> None: ...

    def sync(self, descriptor: int) -> None:
        """Return when what was written is on the medium."""

    def close(self, descriptor: int) -> None: ...

    def replace(self, source: str, target: str) -> None: ...

    def link(self, source: str, target: str) -> None: ...

    def remove(self, path: str) -> None: ...

    def make_folder(self, path: str) -> None:
        """Make one folder that is its owner's alone."""

    def sync_folder(self, path: str) -> None:
        """Return when the names in the folder are on the medium."""


class OsDisk:
    """The disk of this machine."""

    __slots__ = ()

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, PRIVATE_FILE)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, length: int) -> None:
        os.ftruncate(descriptor, length)

    def sync(self, descriptor: int) -> None:
        if _FULL_SYNC is not None:
            fcntl.fcntl(descriptor, _FULL_SYNC)
        else:
            os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def replace(self, source: str, target: str) -> None:
        os.replace(source, target)  # noqa: PTH105 - text in, one call

    def link(self, source: str, target: str) -> None:
        os.link(source, target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        os.unlink(path)  # noqa: PTH108 - text in, one call

    def make_folder(self, path: str) -> None:
        os.mkdir(path, PRIVATE_FOLDER)  # noqa: PTH102 - text in, one call

    def sync_folder(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as problem:
            if problem.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot sync a folder
                raise
        finally:
            os.close(descriptor)


DISK: Disk = OsDisk()

_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk, then run the command again.",
    errno.EDQUOT: "Your quota on that disk is used up: free some space, then run the command again.",
    errno.EACCES: "Give your user permission to read and write there, or keep the file somewhere else.",
    errno.EPERM: "Give your user permission to read and write there, or keep the file somewhere else.",
    errno.EROFS: "That disk is mounted read-only: mount it for writing, or keep the file somewhere else.",
    errno.ELOOP: "There is a symbolic link where a plain file is expected: remove the link, or name the file itself.",
    errno.EISDIR: "There is a folder where a file is expected: name a file, or move the folder away.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: check the path.",
    errno.ENAMETOOLONG: "Choose a shorter path.",
    errno.EIO: "The disk reports a fault: look at the system's log, and bring the file to a sound disk.",
    errno.EMFILE: "Too many files are open: raise the limit (ulimit -n).",
    errno.EINVAL: "Name a plain file: pipes, devices and the like cannot keep a state.",
    errno.EBUSY: "Something else holds the file: close it, then run the command again.",
}


def disk_failure(problem: OSError, doing: str, path: str, intact: str = "") -> DiagnosticsError:
    """An OSError as a failure: what was being done (`doing`, as in "write the state"), where, and the remedy.

    `intact` says what was not harmed, as a sentence.
    """
    reason = problem.strerror or (os.strerror(problem.errno) if problem.errno else str(problem))
    detail = f"{path}: {reason}."
    remedy = _REMEDIES.get(problem.errno or 0, "Check the path and the disk, then run the command again.")
    return failure(f"Cannot {doing}", f"{detail} {intact}" if intact else detail, remedy=remedy)
