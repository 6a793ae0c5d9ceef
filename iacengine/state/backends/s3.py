"""State in an S3 bucket, with conditional writes and no other service.

For a state with the key `KEY`:

| object | what it is |
| --- | --- |
| `KEY` | the head (`iacengine.state.backends.s3_head`); the only object that changes, it stays for ever |
| `KEY.versions/SERIAL-DIGEST` | a state, named for its content; written once |
| `KEY.journal/TOKEN-WRITE-RANDOM` | a segment of the journal (`iacengine.state.backends.s3_journal`); written once |
| `KEY.runs/TIME-ID` | the record of a run |

**Why a stale holder can change nothing.** A place's content is a function of its head alone: lock, present state,
kept versions and journal are what the head says, and what it names is never changed. So only these need an argument:

1. *The head changes by compare-and-swap alone*: `PUT` with `If-Match` and the ETag of the head that the new one was
   made of (`If-None-Match: *` for the first). S3 orders writes of one object, so the heads are one sequence, each made
   of the one before it.
2. *No two heads are equal bytes*, since each counts its writes, so no two have the same ETag, and a swap that was made
   of an earlier head is refused by the server whenever it arrives: after a pause of the holder's process, or of the
   network, between any two instructions, at any point of any operation.
3. Taking the lock, taking it over, breaking it and giving it back are swaps. From the instant of each, every swap that
   was made of a head before it is refused (2); the refused one then reads the head, sees that the lock is not its own,
   and makes no other. So after it nothing of the former holder comes to count, and what it was told to be done, was
   done before. This needs no clock: clocks decide only when others may try.
4. *What is named is there*: versions and segments are uploaded before the swap that names them, and deleted after the
   swap that no longer does. Names are not used again for other content: a version has its digest in its name, a segment
   its holder's fencing token, the write, and chance. So neither an upload nor a deletion that comes late can change
   what a head means. Cleaning up takes only what no head can name any more: versions up to the serial that the cleaner
   itself has made the present one, since a later holder writes larger ones; segments up to its own fencing token, after
   it has cleared the journal, since a later holder's bear a larger one.
5. *An answer that is lost* leaves either head standing. Sending the swap again is refused if the first got through;
   our own bytes standing there then tell that it did (2). If that cannot be learnt either, the operation fails, the
   next one reads the head first, and goes on from whichever stands: entries that were not acknowledged may be there as
   a whole, never twice.

Fencing tokens grow for ever, because the head stays when the lock is given back. A head that was deleted by hand takes
all with it: the bucket's versioning brings it back.

In a bucket with versioning every write of the head leaves an old version behind; a lifecycle rule for noncurrent
versions keeps them few. An append costs one request. Servers that limit the rate of writes to one object (Cloudflare
R2: one a second) slow a run down accordingly.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec

from iacengine.state.backends.base import LockInfo, StateLock, StateVersion
from iacengine.state.backends.conflicts import conflict, require_bound, require_successor
from iacengine.state.backends.s3_errors import vanished
from iacengine.state.backends.s3_head import Head, StateName
from iacengine.state.backends.s3_journal import (
    SEGMENT_BYTES,
    damaged_journal,
    encode_segment,
    journal_bytes,
    segment_name,
    superseded,
)
from iacengine.state.backends.s3_lock import HeadObject, S3Lock, break_lock, take_lock
from iacengine.state.backends.s3_runs import read_runs, write_run
from iacengine.state.backends.s3_settings import S3Settings, s3_settings
from iacengine.state.backends.s3_store import S3Store, ignoring_failures
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal import decode_entries, encode_entries
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.lock import lock_lost
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord
from iacengine.state.statefile import decode_state, encode_state
from iacengine.state.versions import no_such_version

_LOOKS = 5  # how often a reader starts anew because what it was to read has been cleaned up meanwhile


def open_backend(settings: BackendSettings) -> S3Backend:
    """The backend of an `s3` block. Raises DiagnosticsError, or ModuleNotFoundError when botocore is missing (it is
    loaded when the backend is first used, since that takes long)."""
    if find_spec("botocore") is None:
        raise ModuleNotFoundError("botocore is not installed", name="botocore")
    return S3Backend(s3_settings(settings))


class S3Backend:
    """The state in a bucket. Nothing is made before the lock is taken."""

    def __init__(
        self,
        settings: S3Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._clock, self._sleep = settings, clock, sleep
        self._where = f"s3://{settings.bucket}/{settings.key}"
        self._versions_folder = f"{settings.key}.versions/"
        self._journal_folder = f"{settings.key}.journal/"
        self._runs_folder = f"{settings.key}.runs/"
        self._store = S3Store(settings, self._where, clock=clock, sleep=sleep)
        self._head = HeadObject(self._store, settings.key, self._where, clock)
        self._runs_pruned = False

    def describe(self) -> str:
        return self._where

    # --- state ------------------------------------------------------------------------------------------------------

    def read(self) -> State | None:
        name = ""
        for _ in range(_LOOKS):
            head = self._read_head("read the state")
            if head.state is None:
                return None
            name = head.state.name
            data = self._version(name)
            if data is not None:
                return decode_state(data, self._where)
        raise vanished(self._where, f"{self._versions_folder}{name}")

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        held = self._held(lock)
        doing = "write the state"
        data = encode_state(state)
        wanted = StateName(f"{state.serial:012d}-{hashlib.sha256(data).hexdigest()[:16]}", state.lineage, state.serial)
        with held.writing:
            held.require()
            base = held.head(doing)
            if base.state == wanted and state.serial > (expected_serial or 0):
                return  # a write whose answer was lost is tried again
            present = None if base.state is None else (base.state.lineage, base.state.serial)
            require_successor(self._where, present, state, expected_serial, "name another key in the backend block")
            kept = [*base.versions, *([] if base.state is None else [base.state.name])]
            kept = kept[max(0, len(kept) - self._settings.versions) :]
            self._store.put(f"{self._versions_folder}{wanted.name}", data, doing)
            held.require()

            def put_in(head: Head) -> Head | None:
                if head.state not in (base.state, wanted):
                    return None
                return replace(head, state=wanted, versions=tuple(kept))

            if held.commit(put_in, doing) is None:
                raise conflict(self._where, "an earlier write of ours got through late")
            dropped = {*base.versions, *([] if base.state is None else [base.state.name])} - {*kept, wanted.name}
            ignoring_failures(self._tidy_versions, held, state.serial, {*kept, wanted.name}, dropped)

    def _tidy_versions(self, held: S3Lock, serial: int, named: set[str], dropped: set[str]) -> None:
        """Delete states that are beyond the limit, and once a run what lost writes have left."""
        doing = "delete old versions of the state"
        keys = {f"{self._versions_folder}{name}" for name in dropped}
        if not held.tidied:
            held.tidied = True
            for key, _ in self._store.list(self._versions_folder, doing):
                name = key.removeprefix(self._versions_folder)
                if name not in named and _serial_of(name) <= serial:
                    keys.add(key)
        self._store.delete(sorted(keys), doing)

    def versions(self) -> Sequence[StateVersion]:
        doing = "read the versions of the state"
        head = self._read_head(doing)
        if head.state is None:
            return ()
        times = dict(self._store.list(self._versions_folder, doing))
        found = []
        for name in (*head.versions, head.state.name):
            written = times.get(f"{self._versions_folder}{name}")
            if written is not None:
                found.append(StateVersion(_serial_of(name), _rfc3339(written)))
        return found

    def read_version(self, serial: int) -> State:
        head = self._read_head("read a version of the state")
        names = (*head.versions, head.state.name) if head.state is not None else ()
        for name in names:
            if _serial_of(name) == serial:
                data = self._version(name)
                if data is not None:
                    return decode_state(data, f"{self._where} (serial {serial})")
        raise no_such_version(self._where, serial, self.versions())

    def _version(self, name: str) -> bytes | None:
        stored = self._store.get(f"{self._versions_folder}{name}", "read the state")
        return None if stored is None else stored.data

    # --- journal ----------------------------------------------------------------------------------------------------

    def read_journal(self) -> Sequence[JournalEntry]:
        where = f"the journal of {self._where}"
        for _ in range(_LOOKS):
            head = self._read_head("read the journal")
            data = journal_bytes(head, self._store, self._journal_folder, where)
            if data is None:
                continue
            entries = decode_entries(data, where) if data else ()
            if len(entries) != head.records:
                raise damaged_journal(where, head.records, len(entries))
            return entries
        raise vanished(self._where, f"{self._journal_folder}{head.segment}")

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        held = self._held(lock)
        doing = "append to the journal"
        with held.writing:
            held.require()
            if not entries:
                return
            require_bound(self._where, entries, held.info.fencing_token, held.journal_opened)
            while True:
                base = held.head(doing)
                tail = base.tail + encode_entries(entries, base.records + 1)
                segment = base.segment
                if len(tail) > SEGMENT_BYTES:
                    segment = segment_name(held.info.fencing_token, base.write + 1)
                    self._store.put(f"{self._journal_folder}{segment}", encode_segment(base.segment, tail), doing)
                    tail = b""
                if held.commit(_extension(base, segment, tail, base.records + len(entries)), doing) is not None:
                    break
            held.journal_opened = True

    def clear_journal(self, lock: StateLock) -> None:
        held = self._held(lock)
        doing = "clear the journal"
        with held.writing:
            held.require()
            had_segments = bool(held.head(doing).segment)
            held.commit(lambda head: replace(head, records=0, segment="", tail=b""), doing)
            held.journal_opened = False
            if had_segments:
                ignoring_failures(self._tidy_journal, held.info.fencing_token)

    def _tidy_journal(self, fencing_token: int) -> None:
        doing = "delete old segments of the journal"
        keys = [key for key, _ in self._store.list(self._journal_folder, doing)]
        self._store.delete(superseded(keys, self._journal_folder, fencing_token), doing)

    # --- lock -------------------------------------------------------------------------------------------------------

    def lock(self, info: LockInfo, timeout: float) -> S3Lock:
        return take_lock(self._head, info, self._settings.lease, timeout, self._clock, self._sleep)

    def lock_holder(self) -> LockInfo | None:
        asked = self._clock()
        known = self._head.read("look at the lock")
        if known is None or known.head.holder is None or self._head.is_over(known, asked):
            return None
        return known.holder

    def break_lock(self, lock_id: str) -> None:
        break_lock(self._head, lock_id)

    # --- runs -------------------------------------------------------------------------------------------------------

    def record_run(self, record: RunRecord) -> None:
        write_run(self._store, self._runs_folder, record, prune=not self._runs_pruned)
        self._runs_pruned = True

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        return read_runs(self._store, self._runs_folder, limit)

    def close(self) -> None:
        self._store.close()

    # --- shared -----------------------------------------------------------------------------------------------------

    def _read_head(self, doing: str) -> Head:
        known = self._head.read(doing)
        return Head() if known is None else known.head

    def _held(self, lock: StateLock) -> S3Lock:
        if not isinstance(lock, S3Lock) or lock.where != self._where:
            raise lock_lost(self._where, "the lock given is not one on this state")
        lock.require()
        return lock


def _extension(base: Head, segment: str, tail: bytes, records: int) -> Callable[[Head], Head | None]:
    """The change that an append makes, if the journal is still the one it was prepared for."""
    return lambda head: (
        replace(head, segment=segment, tail=tail, records=records) if head.journal == base.journal else None
    )


def _serial_of(name: str) -> int:
    serial = name.partition("-")[0]
    return int(serial) if serial.isdigit() else 0


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
