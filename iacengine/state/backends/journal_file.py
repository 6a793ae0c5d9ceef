"""The journal as a file: kept open by the one who holds the lock, so that an append costs one write and one sync."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from iacengine.foundation.atomic import read_all, require_regular, write_all
from iacengine.foundation.disk import Disk, disk_failure
from iacengine.state.backends.conflicts import require_bound
from iacengine.state.journal import HEADER, encode_entries, read_records
from iacengine.state.journal_entries import JournalEntry

_INTACT = "The operation was not begun; the state and the journal up to here are intact."


class JournalFile:
    """A journal open for appending, under a lock with the fencing token `fencing_token`.

    What a crash cut off is taken away when it is opened. After a failed append the file is brought back to where it
    was, so that a half-written record never comes to stand before another.
    """

    __slots__ = ("_descriptor", "_disk", "_length", "_opened", "_path", "_records", "_sound", "_token")

    def __init__(self, path: str, fencing_token: int, disk: Disk) -> None:
        """Open or make the file. Raises DiagnosticsError when it is damaged or cannot be opened."""
        self._path, self._token, self._disk = path, fencing_token, disk
        self._opened = False
        try:
            self._descriptor = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as problem:
            raise disk_failure(problem, "open the journal", path, _INTACT) from problem
        try:
            require_regular(self._descriptor, path)
            data = read_all(self._descriptor)
            found = read_records(data, path)
            self._records, self._length = len(found.texts), found.length
            self._sound = len(data) == found.length
            disk.sync_folder(os.path.dirname(path) or ".")  # noqa: PTH120 - text in, text out
        except OSError as problem:
            self.close()
            raise disk_failure(problem, "open the journal", path, _INTACT) from problem
        except BaseException:
            self.close()
            raise

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Append the entries; they are durable when this returns.

        Raises DiagnosticsError when they cannot be written (none of them counts then), or when they belong to no run
        of this holder: the first must be an `Opened`, and every `Opened` must name this holder's fencing token.
        """
        if not entries:
            return
        require_bound(self._path, entries, self._token, self._opened)
        data = encode_entries(entries, self._records + 1)
        if not self._length:
            data = HEADER + data
        try:
            if not self._sound:
                self._disk.truncate(self._descriptor, self._length)
            self._require_in_place()
            self._sound = False
            write_all(self._disk, self._descriptor, data)
            self._disk.sync(self._descriptor)
        except OSError as problem:
            self._cut()
            raise disk_failure(problem, "write the journal", self._path, _INTACT) from problem
        self._sound, self._opened = True, True
        self._length += len(data)
        self._records += len(entries)

    def _cut(self) -> None:
        """Take a half-written record away at once if the disk lets us; else the next append, or its reader, does."""
        try:
            self._disk.truncate(self._descriptor, self._length)
        except OSError:
            return
        self._sound = True

    def _require_in_place(self) -> None:
        there = os.stat(self._path, follow_symlinks=False)  # noqa: PTH116 - asked before each append
        if not os.path.samestat(there, os.fstat(self._descriptor)):
            raise FileNotFoundError(2, "the journal was replaced by another file", self._path)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what was acknowledged is synced: nothing can be lost here
            self._disk.close(self._descriptor)
