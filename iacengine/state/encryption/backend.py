"""Encryption around any backend: what goes in is sealed, what comes out is opened.

It stands around every backend, also where no key is configured: what is sealed is then refused with a word about the
key that is needed, and never overwritten. Without keys and seals it passes everything on as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import Backend, LockInfo, StateLock, StateVersion
from iacengine.state.encryption.settings import EncryptionSettings
from iacengine.state.journal_entries import JournalEntry, Opened, Sealed
from iacengine.state.model import State
from iacengine.state.moved import StateMovedError
from iacengine.state.run_record import RunRecord

if TYPE_CHECKING:
    from iacengine.state.encryption.journals import JournalSealing
    from iacengine.state.encryption.keyring import Keyring


class SealedBackend:
    """The backend `inner`, encrypted as the settings say."""

    def __init__(self, inner: Backend, settings: EncryptionSettings) -> None:
        self.inner, self.settings = inner, settings
        self._keyring: Keyring | None = None
        self._sealing: JournalSealing | None = None
        self._stored_header: tuple[Mapping[str, Any] | None] | None = None  # of the state as last read or written
        self._mutex = threading.Lock()  # entries are numbered in the order they are written

    @property
    def keyring(self) -> Keyring:
        """The keys, made when they are first needed."""
        if self._keyring is None:
            from iacengine.state.encryption.keyring import shared_keyring  # lazy: most stacks seal nothing

            self._keyring = shared_keyring(self.settings)
        return self._keyring

    def describe(self) -> str:
        return self.inner.describe()

    # --- state ------------------------------------------------------------------------------------------------------

    def read(self) -> State | None:
        state = self.inner.read()
        if state is not None and state.moved_to:
            raise StateMovedError(self.describe(), state.moved_to)
        self._stored_header = (None if state is None else state.encryption,)
        return None if state is None else self._open(state, self.inner.describe())

    def read_version(self, serial: int) -> State:
        return self._open(self.inner.read_version(serial), f"{self.inner.describe()} (serial {serial})")

    def _open(self, state: State, where: str) -> State:
        if state.encryption is None and state.sealed is None:
            return state
        from iacengine.state.encryption.states import open_state  # lazy: most stacks seal nothing

        return open_state(state, self.keyring, where)

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        """As the protocol says. A state that is sealed itself, such as a copy that is pushed, is sealed anew.

        Raises DiagnosticsError when the stored state is encrypted and there is no key to seal this one with.
        """
        state = self._open(state, "The state to be written")
        if self.settings.key is not None:
            from iacengine.state.encryption.states import seal_state  # lazy: most stacks seal nothing

            state = seal_state(state, self.keyring)
        elif expected_serial is not None:
            self._require_plain()
        self.inner.write(state, expected_serial, lock)
        self._stored_header = (state.encryption,)

    def opened(self, state: State) -> State:
        """A state of the inner backend with everything opened. Raises DiagnosticsError when there is no key for it."""
        return self._open(state, self.describe())

    def with_serial(self, state: State, serial: int) -> State:
        """A state of the inner backend with another serial, which is part of the seal of a whole state."""
        if state.sealed is None:
            return replace(state, serial=serial)
        from iacengine.state.encryption.states import seal_state  # lazy: most stacks seal nothing

        return seal_state(replace(self.opened(state), serial=serial), self.keyring)

    def write_plain(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        """Write the state unsealed, on purpose: the end of encryption."""
        self.inner.write(state, expected_serial, lock)
        self._stored_header = (None,)

    def _require_plain(self) -> None:
        if self._stored_header is None:
            stored = self.inner.read()
            self._stored_header = (None if stored is None else stored.encryption,)
        if self._stored_header[0] is not None:
            raise _no_key_to_write(self.describe())

    def versions(self) -> Sequence[StateVersion]:
        return self.inner.versions()

    # --- journal ----------------------------------------------------------------------------------------------------

    def read_journal(self) -> Sequence[JournalEntry]:
        entries = self.inner.read_journal()
        for entry in entries:
            if entry.__class__ is Sealed or (isinstance(entry, Opened) and entry.encryption is not None):
                from iacengine.state.encryption.journals import open_entries  # lazy: most stacks seal nothing

                return open_entries(entries, self.keyring, f"The journal of {self.describe()}")
        return entries

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        if self.settings.key is None:
            if self._stored_header != (None,) and any(isinstance(entry, Opened) for entry in entries):
                self._require_plain()
            self.inner.append(entries, lock)
            return
        with self._mutex:
            if self._sealing is None:
                from iacengine.state.encryption.journals import JournalSealing  # lazy: most stacks seal nothing

                self._sealing = JournalSealing(self.keyring)
            self.inner.append(self._sealing.seal(entries), lock)
            self._sealing.acknowledged()

    def sealed_entries(self, entries: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
        """The entries of a run, its `Opened` first, as they may lie about elsewhere. Raises DiagnosticsError."""
        if self.settings.key is None:
            return entries
        from iacengine.state.encryption.journals import JournalSealing  # lazy: most stacks seal nothing

        return JournalSealing(self.keyring).seal(entries)

    def opened_entries(self, entries: Sequence[JournalEntry], where: str) -> Sequence[JournalEntry]:
        """The other way round; `where` they lay. Raises DiagnosticsError."""
        if not any(entry.__class__ is Sealed or (isinstance(entry, Opened) and entry.encryption) for entry in entries):
            return entries
        from iacengine.state.encryption.journals import open_entries  # lazy: most stacks seal nothing

        return open_entries(entries, self.keyring, where)

    def clear_journal(self, lock: StateLock) -> None:
        self.inner.clear_journal(lock)

    # --- passed on --------------------------------------------------------------------------------------------------

    def lock(self, info: LockInfo, timeout: float) -> StateLock:
        return self.inner.lock(info, timeout)

    def lock_holder(self) -> LockInfo | None:
        return self.inner.lock_holder()

    def break_lock(self, lock_id: str) -> None:
        self.inner.break_lock(lock_id)

    def record_run(self, record: RunRecord) -> None:
        self.inner.record_run(record)

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        return self.inner.runs(limit)

    def close(self) -> None:
        self.inner.close()


def _no_key_to_write(where: str) -> DiagnosticsError:
    return failure(
        "Encrypted, and no key to write with",
        f"{where} is encrypted, and no key is configured to seal what is written. It is left as it is.",
        remedy="Configure the key again. To end encryption on purpose, run `iac state decrypt`.",
    )
