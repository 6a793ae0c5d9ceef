"""What every backend offers: state by compare-and-swap, an append-only journal, and a lock with a fencing token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from iacengine.state.journal_entries import JournalEntry
from iacengine.state.model import State


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds a lock: `id` is unique to the acquisition, `created` an RFC 3339 time in UTC.

    `fencing_token` is larger than that of every earlier holder; what it is asked for with counts for nothing.
    """

    id: str
    operation: str
    owner: str
    host: str
    pid: int
    created: str
    fencing_token: int = 0


class StateLock(Protocol):
    """A lock that is held. Writes take it, so that a holder who lost it can neither write state nor journal."""

    @property
    def info(self) -> LockInfo: ...

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
        """Replace the state, atomically and durably, if it still has `expected_serial` (None: if there is none)."""

    def read_journal(self) -> Sequence[JournalEntry]:
        """What earlier runs left behind; a torn tail is left out. Empty when the last run ended well."""

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        """Append to the journal; durable when this returns. Many entries cost one flush."""

    def clear_journal(self, lock: StateLock) -> None:
        """Drop the journal, after the state that results from it was written."""

    def lock(self, info: LockInfo, timeout: float) -> StateLock:
        """Take the lock, waiting up to `timeout` seconds. Raises LockHeldError, which says who holds it."""

    def lock_holder(self) -> LockInfo | None:
        """Who holds the lock now."""
