"""What every backend offers: state by compare-and-swap, an append-only journal, versions, run records, and a lock with
a fencing token.

Backends keep what they are given and know nothing of encryption: sensitive values are sealed before they get here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from iacengine.state.journal_entries import JournalEntry
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds a lock: `id` is unique to the acquisition, `created` an RFC 3339 time in UTC.

    `fencing_token` is larger than that of every earlier holder; what it is asked for with counts for nothing.
    `expires`: when the lease ends unless it is renewed (RFC 3339, UTC, by the clock of the backend); "" where the lock
    is not a lease.
    """

    id: str
    operation: str
    owner: str
    host: str
    pid: int
    created: str
    fencing_token: int = 0
    expires: str = ""


@dataclass(frozen=True, slots=True)
class StateVersion:
    """A state that was written: `time` is when (RFC 3339, UTC)."""

    serial: int
    time: str


class StateLock(Protocol):
    """A lock that is held. Writes take it, so that a holder who lost it can neither write state nor journal."""

    @property
    def info(self) -> LockInfo: ...

    def require(self) -> None:
        """Raise LockLostError unless the lock is surely still held. Cheap: it asks no server."""

    def release(self) -> None:
        """Give the lock back. Calling it again does nothing."""


class Backend(Protocol):
    """Where one stack's state lives.

    All failures are raised as DiagnosticsError: a held lock (`LockHeldError`, a subclass of it), a state that somebody
    else has written meanwhile, a corrupt file (never overwritten), a full disk, missing permission.
    """

    def describe(self) -> str:
        """Where the state is, for messages."""

    def read(self) -> State | None:
        """The state as last written, without the journal; None when there is none yet."""

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        """Replace the state, atomically and durably, if it still has `expected_serial` (None: if there is none).

        The state becomes a version. A write whose answer was lost and that is tried again (the same lineage, serial and
        content) succeeds.
        """

    def versions(self) -> Sequence[StateVersion]:
        """The states that are kept, oldest first; the last one is the present one. Those beyond the limit are gone."""

    def read_version(self, serial: int) -> State:
        """An earlier (or the present) state. Raises DiagnosticsError when it is not kept."""

    def read_journal(self) -> Sequence[JournalEntry]:
        """What earlier runs left behind; a torn tail is left out. Empty when the last run ended well."""

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        """Append to the journal; durable when this returns. Many entries cost one flush."""

    def clear_journal(self, lock: StateLock) -> None:
        """Drop the journal, after the state that results from it was written."""

    def lock(self, info: LockInfo, timeout: float) -> StateLock:
        """Take the lock, waiting up to `timeout` seconds. Raises LockHeldError, which says who holds it.

        A lease that ran out is taken over. Asking again with the id of the holder, after a lost answer, succeeds.
        """

    def lock_holder(self) -> LockInfo | None:
        """Who holds the lock now; None when nobody does, or when the lease ran out."""

    def break_lock(self, lock_id: str) -> None:
        """Take the lock away from the holder with this id, who can write nothing from then on.

        Raises DiagnosticsError when somebody else holds it, or when only the end of the holder's process frees it.
        """

    def record_run(self, record: RunRecord) -> None:
        """Keep the record of a run, replacing the one with the same id. Needs no lock: records of runs that failed to
        get it are kept too."""

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        """The records of runs, oldest first: the newest `limit` of them (None: all), at the cost of these alone."""

    def close(self) -> None:
        """Close connections. Locks that are held stay held until they are released or run out."""


VERSIONS_KEPT = 50
"""How many versions of a state a backend keeps unless its settings say otherwise."""
