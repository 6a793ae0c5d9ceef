"""Moving a state from one backend to another, with its journal, versions and records of runs.

Both places are locked meanwhile. The order of the writes makes every interruption harmless; the next attempt goes on.

1. The target's journal gets one batch: a guard, which is an `Opened` over the serial that the state is going to have,
   and the entries of the source's journal. As long as the target has no state of that serial, replay refuses it.
2. The earlier versions are written to the target, oldest first, and the records of runs.
3. The state itself is written. With that the target is whole.
4. The target is read back and compared.
5. The guard is dropped if it stands alone (else it is a run without entries, and the next plan settles the journal).
6. The source gets a sign in place of its state, which says where that went; its journal is dropped.

Between 3 and 6 both places hold the state. Should a run change the target by then, the next attempt sees by its
versions that it came from the source, and goes on with 6; should runs change both, they are told to have parted.

What is sealed is copied as it is: no key is needed, but for a whole state that is moved back over the sign it left.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.journal import encode_entries
from iacengine.state.journal_entries import Closed, JournalEntry, Opened
from iacengine.state.lock import LockHeldError, lock_claim
from iacengine.state.model import State
from iacengine.state.moved import COMMAND, StateMovedError
from iacengine.state.statefile import encode_state

_GUARD = "migration-"


@dataclass(frozen=True, slots=True)
class Migration:
    """What was moved: `outcome` is moved, already (it was moved before) or nothing (there was nothing to move)."""

    outcome: str
    source: str
    target: str
    serial: int | None = None
    objects: int = 0
    versions: int = 0
    runs: int = 0
    entries: int = 0


Step = Callable[[str], None]
"""Hears the name of each step before it is done."""


def _silent(step: str) -> None:
    del step


def migrate(source: SealedBackend, target: SealedBackend, timeout: float = 0.0, step: Step = _silent) -> Migration:
    """Move the state. Raises LockHeldError when one place is locked, DiagnosticsError when the target is not free."""
    leaving = source.lock(lock_claim(COMMAND), timeout)
    try:
        try:
            arriving = target.lock(lock_claim(COMMAND), timeout)
        except LockHeldError as held:
            if held.holder is not None and held.holder.id == leaving.info.id:
                raise _one_place(source, target) from None
            raise
        try:
            return _Mover(source, target, leaving, arriving, step).move()
        finally:
            arriving.release()
    finally:
        leaving.release()


class _Mover:
    def __init__(
        self, source: SealedBackend, target: SealedBackend, leaving: StateLock, arriving: StateLock, step: Step
    ) -> None:
        self._keys = target
        self._source: Backend = source.inner
        self._target: Backend = target.inner
        self._leaving, self._arriving, self._step = leaving, arriving, step
        self._stored = self._source.read()
        self._entries = self._source.read_journal()
        self._there = self._target.read()
        self._entries_there = self._target.read_journal()

    def move(self) -> Migration:
        done = Migration("moved", self._source.describe(), self._target.describe())
        stored = self._stored
        if stored is None:
            return self._move_first_run(done) if self._entries else replace(done, outcome="nothing")
        if stored.moved_to:
            return self._finished_before(stored, done)
        self._require_room(stored.lineage)
        entries = len(self._entries)
        done = replace(done, serial=stored.serial, objects=len(stored.objects), entries=entries)
        if self._there is not None and not self._there.moved_to and self._there.serial >= stored.serial:
            self._require_continued(stored, self._there)
        else:
            done = self._copy(stored, done)
        self._step("sign")
        sign = State(stored.lineage, stored.serial + 1, moved_to=done.target, engine_version=stored.engine_version)
        self._source.write(sign, stored.serial, self._leaving)
        self._step("clear the source's journal")
        self._source.clear_journal(self._leaving)
        return done

    # --- copying ----------------------------------------------------------------------------------------------------

    def _copy(self, stored: State, done: Migration) -> Migration:
        there = self._there.serial if self._there is not None else None
        serial = max(stored.serial, 1, (there or 0) + 1 if self._there is not None and self._there.moved_to else 0)
        state = stored if serial == stored.serial else self._keys.with_serial(stored, serial)
        batch = self._batch(stored, serial)
        if not self._has_batch(batch):
            self._step("guard")
            self._target.append(batch, self._arriving)
        versions = 0
        for version in self._earlier(stored, there):
            self._step("version")
            self._target.write(version, there, self._arriving)
            there, versions = version.serial, versions + 1
        runs = self._copy_runs()
        self._step("state")
        self._target.write(state, there, self._arriving)
        self._verify(state)
        if not self._entries:
            self._step("clear the guard")
            self._target.clear_journal(self._arriving)
        return replace(done, serial=serial, versions=versions, runs=runs)

    def _batch(self, stored: State, serial: int) -> list[JournalEntry]:
        """The guard and the source's entries, bound to the target's lock and the serial that the state will have."""
        token = self._arriving.info.fencing_token
        digest = hashlib.sha256(encode_state(stored) + encode_entries(self._entries, 1)).hexdigest()
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        guard = Opened(f"{_GUARD}{digest[:32]}-{serial}", stored.lineage, serial, token, COMMAND, now)
        return [guard, Closed("complete"), *_rebound(self._entries, token, stored.serial, serial)]

    def _has_batch(self, batch: Sequence[JournalEntry]) -> bool:
        """Whether an earlier attempt has left just this batch last: a batch is there whole or not at all."""
        guard = batch[0]
        assert isinstance(guard, Opened)
        tail = self._entries_there[-len(batch) :]
        return len(tail) == len(batch) and isinstance(tail[0], Opened) and tail[0].run == guard.run

    def _earlier(self, stored: State, there: int | None) -> Iterator[State]:
        """The earlier versions that the target lacks, oldest first. One that cannot be read is left out."""
        for version in self._source.versions():
            if (there is None or version.serial > there) and version.serial < stored.serial:
                try:
                    state = self._source.read_version(version.serial)
                except DiagnosticsError:
                    continue
                if state.lineage == stored.lineage and not state.moved_to:
                    yield state

    def _copy_runs(self) -> int:
        known = {record.id for record in self._target.runs()}
        records = [record for record in self._source.runs() if record.id not in known]
        for record in records:
            self._step("run")
            self._target.record_run(record)
        return len(records)

    def _verify(self, state: State) -> None:
        self._step("verify")
        read = self._target.read()
        if read is None or encode_state(read) != encode_state(state):
            raise failure(
                "The copy differs",
                f"What {self._target.describe()} gave back is not what was written there. The state in "
                f"{self._source.describe()} is as it was, and still the one that counts.",
                remedy="Look at what stands between: a proxy, a storage that changes what it keeps. Then try again.",
            )
        if self._entries:
            tail = self._target.read_journal()[-len(self._entries) :]
            token = self._arriving.info.fencing_token
            if _unbound(tail, token) != _unbound(self._entries, token):
                raise failure(
                    "The copy of the journal differs",
                    f"What {self._target.describe()} gave back is not the journal that was written there.",
                    remedy=f"The state in {self._source.describe()} still counts. Try again.",
                )

    def _move_first_run(self, done: Migration) -> Migration:
        """There is a journal of a first run that was cut off, and no state yet."""
        first = self._entries[0]
        assert isinstance(first, Opened), "every backend sees to that"
        if self._there is not None:
            raise self._other_state(self._there)
        token = self._arriving.info.fencing_token
        if _unbound(self._entries_there, token) != _unbound(self._entries, token):
            if self._entries_there:
                raise self._unfinished()
            self._step("journal")
            self._target.append(_rebound(self._entries, token, 0, 0), self._arriving)
        self._step("sign")
        self._source.write(State(first.lineage, 1, moved_to=done.target), None, self._leaving)
        self._step("clear the source's journal")
        self._source.clear_journal(self._leaving)
        return replace(done, entries=len(self._entries))

    # --- what is there already --------------------------------------------------------------------------------------

    def _finished_before(self, sign: State, done: Migration) -> Migration:
        there = self._there
        mine = there is not None and there.lineage == sign.lineage and not there.moved_to
        if not mine and not (there is None and self._entries_there and sign.moved_to == done.target):
            raise StateMovedError(done.source, sign.moved_to)
        if self._entries:
            self._step("clear the source's journal")
            self._source.clear_journal(self._leaving)
        serial, objects = (there.serial, len(there.objects)) if there is not None else (None, 0)
        return replace(done, outcome="already", serial=serial, objects=objects)

    def _require_room(self, lineage: str) -> None:
        """Raises unless the target is empty, or holds an older state of the same stack."""
        if self._there is not None and self._there.lineage != lineage:
            raise self._other_state(self._there)
        guarded = (self._is_guard(entry) for entry in self._entries_there if isinstance(entry, Opened))
        if self._entries_there and not next(guarded):
            ours = self._there is not None and self._stored is not None and self._there.serial >= self._stored.serial
            if not ours:
                raise self._unfinished()

    def _is_guard(self, opened: Opened) -> bool:
        return opened.command == COMMAND and opened.run.startswith(_GUARD)

    def _require_continued(self, stored: State, there: State) -> None:
        """Raises unless the target's state is the source's, or came from it."""
        wanted = self._plain(stored)
        if self._plain(there) == wanted:
            self._verify_entries(stored, there)
            return
        if not self._entries:
            for version in self._target.versions():
                if stored.serial <= version.serial < there.serial and self._came_from(version.serial, wanted):
                    return
        raise failure(
            "Both places hold a state",
            f"{self._target.describe()} has serial {there.serial} of the same stack, and it did not come from serial "
            f"{stored.serial} in {self._source.describe()}: they have parted. Nothing was changed.",
            remedy="Decide which one is true (`iac state pull`, `iac plan`), and move the other away.",
        )

    def _verify_entries(self, stored: State, there: State) -> None:
        """The journal came with the state, in the batch before it; drop a guard that stands alone."""
        if not self._has_batch(self._batch(stored, there.serial)):
            if self._entries and self._entries_there:
                raise self._unfinished()
            if self._entries:
                self._step("journal")
                self._target.append(self._batch(stored, there.serial), self._arriving)
            return
        if not self._entries:
            self._step("clear the guard")
            self._target.clear_journal(self._arriving)

    def _came_from(self, serial: int, wanted: bytes) -> bool:
        try:
            return self._plain(self._target.read_version(serial)) == wanted
        except DiagnosticsError:
            return False

    def _plain(self, state: State) -> bytes:
        """What a state says, but for its serial; a whole one that is sealed is opened, since it is sealed anew."""
        opened = self._keys.opened(state) if state.sealed is not None else state
        return encode_state(replace(opened, serial=0))

    def _other_state(self, there: State) -> DiagnosticsError:
        return failure(
            "The target holds another state",
            f"{self._target.describe()} has a state of lineage {there.lineage} with {len(there.objects)} objects, not "
            "the one to be moved there. Nothing was changed.",
            remedy="Choose another place in the backend block, or move that state away first.",
        )

    def _unfinished(self) -> DiagnosticsError:
        return failure(
            "The target has an unfinished run",
            f"The journal of {self._target.describe()} holds what an interrupted run did there. Nothing was changed.",
            remedy="Settle it with the stack it belongs to (`iac recover`), or choose another place.",
        )


def _rebound(entries: Sequence[JournalEntry], token: int, old: int, new: int) -> list[JournalEntry]:
    """The entries under another lock, their runs over the state with its new serial."""
    return [
        replace(entry, fencing_token=token, serial=new if entry.serial == old else entry.serial)
        if isinstance(entry, Opened)
        else entry
        for entry in entries
    ]


def _unbound(entries: Sequence[JournalEntry], token: int) -> bytes:
    """The entries as bytes that tell nothing of lock and serial."""
    plain = [replace(entry, fencing_token=token, serial=0) if isinstance(entry, Opened) else entry for entry in entries]
    return encode_entries(plain, 1)


def _one_place(source: SealedBackend, target: SealedBackend) -> DiagnosticsError:
    return failure(
        "Both are the same place",
        f"{source.describe()} and {target.describe()} share one lock: they are the same state.",
        remedy="Nothing is to be moved.",
    )
