"""Our protocol for state on an HTTP server, version 1.

All addresses are below that of the state, `A`. A server tells that it speaks it with the header `Iac-State-Protocol: 1`
in its answer to `OPTIONS A`. Bodies of locks, lists and runs are JSON; state and journal are bytes in the format of
their files (`iacengine.state.statefile`, `iacengine.state.journal`).

    GET A                       200 and the state, or 204
    POST A                      writes the state: 200; 409 when it does not follow the one that is there
    GET A/iac/lock              200 and who holds the lock, or 204 (also when the lease ran out)
    PUT A/iac/lock              takes it: {"info": {…}, "lease": SECONDS}; 200 and the lock with its fencing_token and
                                expires; 423 and who holds it. Asked again with the holder's own id: 200 again
    POST A/iac/lock             prolongs it: {"id", "fencing_token", "lease"}; 200, or 423 when it is lost
    DELETE A/iac/lock?id=ID     gives it back, or breaks it: 200; 409 when that is not the holder's id
    GET, HEAD A/iac/journal     200 and the journal, empty when there is none; the headers Iac-Journal-Records (how many
                                there are) and Iac-Journal-Epoch (how often it was dropped)
    POST A/iac/journal          appends records (without the file's first line) after the Iac-Journal-Records there are
                                in this Iac-Journal-Epoch: 200 when they are durable, also when just these stand there
                                already; 409 when it is another epoch, or other records stand there
    DELETE A/iac/journal        drops that of this Iac-Journal-Epoch: 200, also when it was dropped before
    GET A/iac/versions          200 and [{"serial", "time"}], oldest first
    GET A/iac/versions/SERIAL   200 and that state, or 404
    GET A/iac/runs              200 and the records of runs, oldest first
    PUT A/iac/runs/ID           keeps the record of a run, in place of one with that id

Whatever writes state or journal carries `Iac-Lock-Id` (percent-encoded) and `Iac-Fencing-Token`; unless that lock is
held now, by the clock of the server, it answers 423 and changes nothing. Fencing tokens grow with every acquisition,
for ever. A write of the state carries `Iac-Expected-Serial` (a number, or `none`) and `Iac-Versions` (how many earlier
ones to keep); the lineage must stay and the serial grow; 409 comes with `{"lineage", "serial"}` of the state that is
there. Writing the very bytes that are there already gives 200. So every call may be made again when its answer was
lost, and one that arrives late, after the answer to its repetition, does no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, failure
from iacengine.foundation.http import Answer, HttpError
from iacengine.foundation.retry import Backoff
from iacengine.state.backends.base import LockInfo, StateLock, StateVersion
from iacengine.state.backends.conflicts import conflict, require_bound, require_successor
from iacengine.state.backends.http_place import HttpPlace, lost
from iacengine.state.journal import decode_entries, encode_entries
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.lease import Lease
from iacengine.state.lock import LockHeldError, lock_info_from_json, lock_info_to_json, lock_lost, no_such_lock
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord, newest, run_record_from_json, run_record_to_json
from iacengine.state.statefile import decode_state, encode_state
from iacengine.state.versions import no_such_version

PROTOCOL: Final = "1"
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0  # seconds between looks at a lock that somebody holds


class HttpLock:
    """A lease on a state. `position`: where its holder stands in the journal, epoch and records; None: to be asked."""

    __slots__ = ("address", "lease", "mutex", "opened", "position")

    def __init__(self, address: str, lease: Lease) -> None:
        self.address, self.lease = address, lease
        self.mutex = threading.Lock()
        self.position: tuple[int, int] | None = None
        self.opened = False

    @property
    def info(self) -> LockInfo:
        return self.lease.info

    def require(self) -> None:
        self.lease.require()

    def release(self) -> None:
        self.lease.release()


class IacHttp:
    """A state on a server that speaks our protocol."""

    def __init__(self, place: HttpPlace) -> None:
        self._place = place

    def describe(self) -> str:
        return self._place.where

    def remarks(self) -> tuple[Diagnostic, ...]:
        return ()

    # --- state ------------------------------------------------------------------------------------------------------

    def read(self) -> State | None:
        answer = self._ask("GET", self._place.address, accept=(404,))
        return None if answer.status != 200 or not answer.content else decode_state(answer.content, self._place.where)

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        held = self._held(lock)
        headers = {
            "Content-Type": "application/json",
            "Iac-Expected-Serial": "none" if expected_serial is None else str(expected_serial),
            "Iac-Versions": str(self._place.versions),
        }
        answer = self._write("POST", self._place.address, held, encode_state(state), headers)
        if answer.status == 409:
            present = _json(answer, self._place.where)
            known = (str(present["lineage"]), int(present["serial"])) if present.get("lineage") is not None else None
            require_successor(self._place.where, known, state, expected_serial)
            raise conflict(self._place.where, "the server refused the write")

    def versions(self) -> Sequence[StateVersion]:
        answer = self._ask("GET", self._place.below("iac", "versions"))
        return tuple(StateVersion(int(one["serial"]), str(one["time"])) for one in _json(answer, self._place.where))

    def read_version(self, serial: int) -> State:
        answer = self._ask("GET", self._place.below("iac", "versions", str(serial)), accept=(404,))
        if answer.status == 404:
            raise no_such_version(self._place.where, serial, self.versions())
        return decode_state(answer.content, f"{self._place.where} (serial {serial})")

    # --- journal ----------------------------------------------------------------------------------------------------

    def read_journal(self) -> Sequence[JournalEntry]:
        answer = self._ask("GET", self._place.below("iac", "journal"))
        return decode_entries(answer.content, f"{self._place.where} (journal)") if answer.content else ()

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        held = self._held(lock)
        if not entries:
            return
        with held.mutex:
            require_bound(self._place.where, entries, held.info.fencing_token, held.opened)
            if held.position is None:
                held.position = self._end()
            (epoch, records), held.position = held.position, None  # until it is known how this ends
            body = encode_entries(entries, records + 1)
            headers = {"Iac-Journal-Epoch": str(epoch), "Iac-Journal-Records": str(records)}
            answer = self._write("POST", self._place.below("iac", "journal"), held, body, headers)
            if answer.status == 409:
                raise failure(
                    "Journal changed meanwhile",
                    f"{self._place.where}: the journal does not end where this run left it. The operation was not "
                    "begun; the state and the journal up to here are intact.",
                    remedy="Run the command again: it recovers what was left.",
                )
            held.position, held.opened = (epoch, records + len(entries)), True

    def clear_journal(self, lock: StateLock) -> None:
        held = self._held(lock)
        with held.mutex:
            (epoch, _), held.position = held.position or self._end(), None
            held.opened = False
            self._write("DELETE", self._place.below("iac", "journal"), held, None, {"Iac-Journal-Epoch": str(epoch)})

    def _end(self) -> tuple[int, int]:
        """The epoch of the journal, and how many records it has."""
        answer = self._ask("HEAD", self._place.below("iac", "journal"))
        epoch, records = (answer.headers.get(f"iac-journal-{name}", "") for name in ("epoch", "records"))
        if not epoch.isdigit() or not records.isdigit():
            raise _senseless(self._place.where)
        return int(epoch), int(records)

    # --- lock -------------------------------------------------------------------------------------------------------

    def lock(self, info: LockInfo, timeout: float) -> HttpLock:
        place = self._place
        started, wait = place.clock(), _FIRST_WAIT
        body = orjson.dumps({"info": lock_info_to_json(info), "lease": place.lease})
        while True:
            asked = place.clock()
            answer = self._ask("PUT", place.below("iac", "lock"), body, accept=(423,))
            found = self._info(answer)
            if answer.status == 200:
                return HttpLock(place.address, self._lease(found, asked))
            left = timeout - (place.clock() - started)
            if left <= 0:
                raise LockHeldError(place.where, found)
            place.sleep(min(wait, left))
            wait = min(wait * 2, _LONGEST_WAIT)

    def _lease(self, info: LockInfo, asked: float) -> Lease:
        place = self._place
        renewal = orjson.dumps({"id": info.id, "fencing_token": info.fencing_token, "lease": place.lease})
        hasty = Backoff(retries=2, first=place.lease / 20, longest=place.lease / 10, patience=place.lease / 4)

        def renew() -> None:
            answer = place.client.request(
                "POST",
                place.below("iac", "lock"),
                content=renewal,
                accept=(423,),
                backoff=hasty,
                timeout=max(place.lease / 4, 0.5),
            )
            if answer.status == 423:
                raise lost(place)

        def free() -> None:
            calm = Backoff(retries=4, first=0.1, patience=5.0)
            address = place.below("iac", "lock", id=info.id)
            place.client.request("DELETE", address, accept=(404, 409), backoff=calm, timeout=10.0)

        return Lease(info, place.where, place.lease, renew, free, asked=asked, clock=place.clock)

    def lock_holder(self) -> LockInfo | None:
        answer = self._ask("GET", self._place.below("iac", "lock"))
        return self._info(answer) if answer.content else None

    def break_lock(self, lock_id: str) -> None:
        answer = self._ask("DELETE", self._place.below("iac", "lock", id=lock_id), accept=(404, 409))
        if not answer.ok:
            raise no_such_lock(self._place.where, lock_id, self.lock_holder())

    def _info(self, answer: Answer) -> LockInfo:
        try:
            return lock_info_from_json(_json(answer, self._place.where))
        except (KeyError, TypeError, ValueError):
            raise _senseless(self._place.where) from None

    # --- runs -------------------------------------------------------------------------------------------------------

    def record_run(self, record: RunRecord) -> None:
        body = orjson.dumps(run_record_to_json(record))
        self._ask("PUT", self._place.below("iac", "runs", record.id), body)

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        """A server may answer the query `limit`; one that does not know it sends all."""
        query = {} if limit is None else {"limit": str(limit)}
        answer = self._ask("GET", self._place.below("iac", "runs", **query))
        try:
            return newest(tuple(run_record_from_json(one) for one in _json(answer, self._place.where)), limit)
        except (KeyError, TypeError, ValueError):
            raise _senseless(self._place.where) from None

    def close(self) -> None:
        self._place.client.close()

    # --- asking -----------------------------------------------------------------------------------------------------

    def _held(self, lock: StateLock) -> HttpLock:
        if not isinstance(lock, HttpLock) or lock.address != self._place.address:
            raise lock_lost(self._place.where, "the lock given is not one on this state")
        lock.require()
        return lock

    def _write(self, method: str, address: str, held: HttpLock, body: bytes | None, headers: dict[str, str]) -> Answer:
        """What only the holder of the lock may do; raises LockLostError when the server says that it is not."""
        proof = {"Iac-Lock-Id": quote(held.info.id, safe=""), "Iac-Fencing-Token": str(held.info.fencing_token)}
        answer = self._place.client.request(
            method, address, content=body, headers={**headers, **proof}, accept=(409, 423)
        )
        if answer.status == 423:
            found = lost(self._place)
            held.lease.lose(found)
            raise found
        return answer

    def _ask(self, method: str, address: str, body: bytes | None = None, *, accept: tuple[int, ...] = ()) -> Answer:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self._place.client.request(method, address, content=body, headers=headers, accept=accept)


def _json(answer: Answer, where: str) -> Any:
    try:
        return orjson.loads(answer.content)
    except ValueError:
        raise _senseless(where) from None


def _senseless(where: str) -> DiagnosticsError:
    return HttpError(
        "Answer that makes no sense",
        f"{where}: the server says that it speaks our protocol (version {PROTOCOL}), but its answers do not fit it.",
        "Look at the server's log, and whether a proxy in between changes its answers.",
    )
