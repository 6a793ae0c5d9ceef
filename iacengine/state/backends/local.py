"""State in a file on this machine, its journal and its lock beside it.

For a state `DIR/NAME`:

| file | what it is |
| --- | --- |
| `NAME` | the state (`iacengine.state.statefile`) |
| `NAME.backup` | the state before the last write |
| `NAME.journal` | what runs did since the last write (`iacengine.state.journal`); there only while that is something |
| `NAME.lock` | the lock; it stays, because it remembers the last fencing token (`iacengine.state.backends.file_lock`) |
| `.NAME.….tmp` | a write that is going on, or was interrupted; the next holder of the lock removes it |

All are readable by their owner alone, and so are folders that are made for them. When the state is a symbolic link,
the file it leads to is used, and the others lie beside that, so that all names of a state share one lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

from iacengine.foundation.atomic import make_folders, read_regular_file, remove_leftovers, write_atomically
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.disk import DISK, Disk, disk_failure
from iacengine.state.backends.base import VERSIONS_KEPT, LockInfo, StateLock, StateVersion
from iacengine.state.backends.conflicts import require_successor
from iacengine.state.backends.file_lock import FileLock, file_lock_holder, take_file_lock
from iacengine.state.backends.journal_file import JournalFile
from iacengine.state.backends.local_runs import append_run, read_runs
from iacengine.state.backends.local_versions import LocalVersions, modified
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal import decode_entries
from iacengine.state.journal_entries import JournalEntry, Opened
from iacengine.state.lock import lock_lost, no_such_lock
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord
from iacengine.state.statefile import decode_state, encode_state, state_identity
from iacengine.state.versions import no_such_version

_INTACT = "What was written before is intact."


class LocalLock:
    """The lock on a local state, with the journal that its holder has open."""

    __slots__ = ("_file_lock", "_journal_path", "disk", "journal")

    def __init__(self, file_lock: FileLock, journal_path: str, disk: Disk) -> None:
        self._file_lock = file_lock
        self._journal_path = journal_path
        self.disk = disk
        self.journal: JournalFile | None = None

    @property
    def info(self) -> LockInfo:
        return self._file_lock.info

    @property
    def journal_path(self) -> str:
        return self._journal_path

    def require(self) -> None:
        """Raises LockLostError when this lock is not held any more."""
        self._file_lock.require()

    def open_journal(self) -> JournalFile:
        if self.journal is None:
            self.journal = JournalFile(self._journal_path, self.info.fencing_token, self.disk)
        return self.journal

    def close_journal(self) -> None:
        journal, self.journal = self.journal, None
        if journal is not None:
            journal.close()

    def release(self) -> None:
        self.close_journal()
        self._file_lock.release()


def open_backend(settings: BackendSettings) -> LocalBackend:
    """The backend of a `local` block: its `path` starts from the stack's folder."""
    settings.refuse_others(("path", "versions"))
    path = settings.required("path")
    if settings.directory not in ("", "."):
        path = os.path.join(settings.directory, path)  # noqa: PTH118 - text in, text out
    return LocalBackend(path, versions=int(settings.number("versions", VERSIONS_KEPT)))


class LocalBackend:
    """The state in the file `path`. Nothing is made before the lock is taken."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        versions: int = VERSIONS_KEPT,
        disk: Disk = DISK,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._named = os.fspath(path)
        self._path = os.path.realpath(self._named)
        self._journal_path = f"{self._path}.journal"
        self._journal_name = f"{self._path if os.path.islink(self._named) else self._named}.journal"  # noqa: PTH114
        self._lock_path = f"{self._path}.lock"
        self._disk, self._clock, self._sleep = disk, clock, sleep
        self._versions = LocalVersions(self._path, versions, disk)
        self._mutex = threading.Lock()  # appends come from several threads

    def describe(self) -> str:
        return self._named

    # --- state ------------------------------------------------------------------------------------------------------

    def read(self) -> State | None:
        data = self._read_file(self._path, "read the state")
        return None if data is None else decode_state(data, self._named)

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        """As the protocol says. The lineage must stay and the serial grow, or replay could not tell runs apart."""
        with self._mutex:
            held = self._held(lock)
            data = encode_state(state)
            if state.serial > (expected_serial or 0) and self._read_file(self._path, "read the state") == data:
                return  # a write whose end was not seen is tried again
            self._require_expected(state, expected_serial)
            try:
                if expected_serial is not None:
                    held.require()
                    self._versions.keep(expected_serial)
                write_atomically(
                    self._path,
                    data,
                    backup=f"{self._path}.backup",
                    before_replace=held.require,
                    disk=self._disk,
                )
            except OSError as problem:
                raise disk_failure(problem, "write the state", self._named, _INTACT) from problem
            self._versions.prune()

    def versions(self) -> Sequence[StateVersion]:
        data = self._read_file(self._path, "read the state")
        if data is None:
            return ()
        serial = state_identity(data, self._named)[1]
        try:
            earlier = [version for version in self._versions.all() if version.serial < serial]
            return (*earlier, StateVersion(serial, modified(self._path)))
        except OSError as problem:
            raise disk_failure(problem, "read the versions of the state", self._versions.folder) from problem

    def read_version(self, serial: int) -> State:
        data = self._read_file(self._path, "read the state")
        if data is not None and state_identity(data, self._named)[1] == serial:
            return decode_state(data, self._named)
        try:
            kept = self._versions.read(serial) if data is not None else None
        except OSError as problem:
            raise disk_failure(problem, "read a version of the state", self._versions.folder) from problem
        if kept is None:
            raise no_such_version(self._named, serial, self.versions())
        return decode_state(kept, f"{self._named} (serial {serial})")

    def _require_expected(self, state: State, expected_serial: int | None) -> None:
        data = self._read_file(self._path, "read the state")
        present = None if data is None else state_identity(data, self._named)
        require_successor(self._named, present, state, expected_serial, "move the file away")

    # --- journal ----------------------------------------------------------------------------------------------------

    def read_journal(self) -> Sequence[JournalEntry]:
        data = self._read_file(self._journal_path, "read the journal")
        return () if data is None else decode_entries(data, self._journal_name)

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        with self._mutex:
            held = self._held(lock)
            if entries:
                held.open_journal().append(entries)

    def clear_journal(self, lock: StateLock) -> None:
        with self._mutex:
            held = self._held(lock)
            held.close_journal()
            try:
                self._disk.remove(self._journal_path)
                self._disk.sync_folder(os.path.dirname(self._journal_path))  # noqa: PTH120 - text in, text out
            except FileNotFoundError:
                pass
            except OSError as problem:
                raise disk_failure(problem, "clear the journal", self._journal_name, _INTACT) from problem

    # --- lock -------------------------------------------------------------------------------------------------------

    def lock(self, info: LockInfo, timeout: float) -> LocalLock:
        try:
            make_folders(os.path.dirname(self._path), self._disk)  # noqa: PTH120 - text in, text out
        except OSError as problem:
            raise disk_failure(problem, "make the folder of the state", self._named) from problem
        file_lock = take_file_lock(
            self._lock_path,
            info,
            timeout,
            floor=self._journal_token,
            where=self._named,
            disk=self._disk,
            clock=self._clock,
            sleep=self._sleep,
        )
        try:
            remove_leftovers(self._path, self._disk)
        except OSError as problem:
            file_lock.release()
            raise disk_failure(problem, "clean up beside the state", self._named, _INTACT) from problem
        except BaseException:
            file_lock.release()
            raise
        return LocalLock(file_lock, self._journal_path, self._disk)

    def lock_holder(self) -> LockInfo | None:
        try:
            return file_lock_holder(self._lock_path)
        except OSError as problem:
            raise disk_failure(problem, "look at the lock", self._lock_path) from problem

    def break_lock(self, lock_id: str) -> None:
        """The kernel frees the lock with its process, so there is never a lock to break that nobody holds."""
        holder = self.lock_holder()
        if holder is None or holder.id != lock_id:
            raise no_such_lock(self._named, lock_id, holder)
        raise failure(
            "The lock cannot be broken",
            f"{self._named} is locked by process {holder.pid} on {holder.host}, which is still running.",
            remedy=f"Stop process {holder.pid}: the lock is then free, and the next run recovers what it left.",
        )

    # --- runs -------------------------------------------------------------------------------------------------------

    def record_run(self, record: RunRecord) -> None:
        try:
            append_run(f"{self._path}.runs", record, self._disk)
        except OSError as problem:
            raise disk_failure(problem, "record the run", f"{self._named}.runs") from problem

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        try:
            return read_runs(f"{self._path}.runs", limit)
        except OSError as problem:
            raise disk_failure(problem, "read the records of runs", f"{self._named}.runs") from problem

    def close(self) -> None:
        """Files are open only while the lock is held."""

    def _journal_token(self) -> int:
        """The largest fencing token in the journal: what a lost lock file is made up for with."""
        try:
            entries = self.read_journal()
        except DiagnosticsError:  # told when the journal is read for its own sake
            return 0
        return max((entry.fencing_token for entry in entries if isinstance(entry, Opened)), default=0)

    # --- shared -----------------------------------------------------------------------------------------------------

    def _held(self, lock: StateLock) -> LocalLock:
        if not isinstance(lock, LocalLock) or lock.journal_path != self._journal_path:
            raise lock_lost(self._named, "the lock given is not one on this state")
        lock.require()
        return lock

    def _read_file(self, path: str, doing: str) -> bytes | None:
        try:
            return read_regular_file(path)
        except OSError as problem:
            raise disk_failure(problem, doing, path, "Nothing was changed.") from problem
