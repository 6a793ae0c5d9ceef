"""State on a server of Terraform's `http` backend: it keeps the state, and a lock if it has an address for it.

The protocol is that of Terraform 1.11 (`internal/backend/remote-state/http`): GET, POST and DELETE on the address of
the state, with `?ID=` of the lock; LOCK and UNLOCK with Terraform's JSON of a lock; 423 or 409 when somebody holds it.

What such a server cannot keep is kept in the folder `.iac` beside the stack: the journal, records of runs, and the last
fencing token. So only this folder can recover an interrupted run, and a lock that its holder left stays until somebody
breaks it. There are no earlier versions. `remarks` says so.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from iacengine.foundation.atomic import make_folders, read_regular_file, write_atomically
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, failure, warning
from iacengine.foundation.disk import DISK, disk_failure
from iacengine.foundation.http import Answer
from iacengine.state.backends.base import LockInfo, StateLock, StateVersion
from iacengine.state.backends.conflicts import require_successor
from iacengine.state.backends.file_lock import FileLock, file_lock_holder, take_file_lock
from iacengine.state.backends.http_place import HttpPlace, text_of, with_query
from iacengine.state.backends.journal_file import JournalFile
from iacengine.state.backends.local_runs import append_run, read_runs
from iacengine.state.journal import decode_entries
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.lock import (
    LockHeldError,
    lock_claim,
    lock_info_from_json,
    lock_info_to_json,
    lock_lost,
    no_such_lock,
)
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord
from iacengine.state.statefile import decode_state, encode_state, state_identity
from iacengine.state.versions import no_such_version

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0  # seconds between attempts to get a lock


class TerraformLock:
    """The lock on the server (if it has locks), the lock on this folder's files, and the journal that is open."""

    __slots__ = ("_backend", "_files", "_mutex", "_released", "info", "journal")

    def __init__(self, backend: TerraformHttp, info: LockInfo, files: FileLock) -> None:
        self._backend, self.info, self._files = backend, info, files
        self._mutex = threading.Lock()
        self._released = False
        self.journal: JournalFile | None = None

    @property
    def address(self) -> str:
        return self._backend.address

    def require(self) -> None:
        if self._released:
            raise lock_lost(self._backend.describe(), "the lock was released")
        self._files.require()

    def release(self) -> None:
        with self._mutex:
            if self._released:
                return
            self._released = True
        self.close_journal()
        with suppress(DiagnosticsError):
            self._backend.unlock(self.info)
        self._files.release()

    def close_journal(self) -> None:
        journal, self.journal = self.journal, None
        if journal is not None:
            journal.close()


class TerraformHttp:
    """A state on a server that speaks Terraform's protocol."""

    def __init__(self, place: HttpPlace) -> None:
        self._place = place
        name = hashlib.sha256(place.address.encode()).hexdigest()[:16]
        self._base = os.path.join(place.folder, f"http-{name}")  # noqa: PTH118 - text in, text out
        self._mutex = threading.Lock()

    @property
    def address(self) -> str:
        return self._place.address

    def describe(self) -> str:
        return self._place.where

    def remarks(self) -> tuple[Diagnostic, ...]:
        found = [
            warning(
                "Journal kept in this folder",
                f"{self._place.where} is a plain server of Terraform's http backend. It keeps the state only; the "
                f"journal is kept in {self._place.folder}, earlier versions are not kept, and the lock has no lease.",
                remedy="If a run is interrupted, recover it from this folder. A server that speaks iacengine's "
                "protocol, or the backend s3 or postgres, keeps all of it.",
            )
        ]
        if self._place.lock_address is None:
            found.append(
                warning(
                    "State without a lock",
                    f"{self._place.where} has no lock_address, so that only runs from this folder exclude each other.",
                    remedy="Give lock_address and unlock_address if the server has locks.",
                )
            )
        return tuple(found)

    # --- state ------------------------------------------------------------------------------------------------------

    def read(self) -> State | None:
        data = self._read()
        return None if data is None else decode_state(data, self._place.where)

    def _read(self) -> bytes | None:
        answer = self._place.client.request("GET", self._place.address, accept=(404,))
        return answer.content if answer.status == 200 and answer.content.strip() else None

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        held = self._held(lock)
        data = encode_state(state)
        with self._mutex:
            there = self._read()
            if there == data and state.serial > (expected_serial or 0):
                return  # a write whose end was not seen is tried again
            present = None if there is None else state_identity(there, self._place.where)
            require_successor(self._place.where, present, state, expected_serial)
            held.require()
            digest = b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")
            answer = self._place.client.request(
                self._place.update_method,
                self._with_id(self._place.address, held.info.id),
                content=data,
                headers={"Content-Type": "application/json", "Content-MD5": digest},
                accept=(409, 423),
            )
            if not answer.ok:
                raise lock_lost(self._place.where, f"the server refused the write ({answer.status} {text_of(answer)})")

    def _with_id(self, address: str, lock_id: str) -> str:
        return address if self._place.lock_address is None else with_query(address, ID=lock_id)

    def versions(self) -> Sequence[StateVersion]:
        data = self._read()
        if data is None:
            return ()
        return (StateVersion(state_identity(data, self._place.where)[1], _now()),)

    def read_version(self, serial: int) -> State:
        state = self.read()
        if state is None or state.serial != serial:
            raise no_such_version(self._place.where, serial, self.versions())
        return state

    # --- journal ----------------------------------------------------------------------------------------------------

    @property
    def _journal(self) -> str:
        return f"{self._base}.journal"

    def read_journal(self) -> Sequence[JournalEntry]:
        try:
            data = read_regular_file(self._journal)
        except OSError as problem:
            raise disk_failure(problem, "read the journal", self._journal) from problem
        return () if data is None else decode_entries(data, self._journal)

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        with self._mutex:
            held = self._held(lock)
            if entries:
                if held.journal is None:
                    held.journal = JournalFile(self._journal, held.info.fencing_token, DISK)
                held.journal.append(entries)

    def clear_journal(self, lock: StateLock) -> None:
        with self._mutex:
            held = self._held(lock)
            held.close_journal()
            try:
                DISK.remove(self._journal)
                DISK.sync_folder(self._place.folder)
            except FileNotFoundError:
                pass
            except OSError as problem:
                raise disk_failure(problem, "clear the journal", self._journal) from problem

    # --- lock -------------------------------------------------------------------------------------------------------

    def lock(self, info: LockInfo, timeout: float) -> TerraformLock:
        """The folder's lock first, then the server's. Tokens are milliseconds since 1970, and grow in this folder."""
        place = self._place
        started = place.clock()
        try:
            make_folders(place.folder)
        except OSError as problem:
            raise disk_failure(problem, "make the folder of the journal", place.folder) from problem
        files = take_file_lock(
            f"{self._base}.lock", info, timeout, where=place.where, clock=place.clock, sleep=place.sleep
        )
        try:
            held = replace(info, fencing_token=self._next_token())
            self._lock_server(held, timeout - (place.clock() - started))
        except BaseException:
            files.release()
            raise
        return TerraformLock(self, held, files)

    def _lock_server(self, info: LockInfo, timeout: float) -> None:
        """Raises LockHeldError when somebody else has the lock after `timeout` seconds."""
        place = self._place
        if place.lock_address is None:
            return
        started, wait = place.clock(), _FIRST_WAIT
        while (answer := self._ask_lock(info)) is not None:
            holder = _holder(answer)
            if holder is not None and holder.id == info.id:
                return  # ours: the answer to the first request was lost
            left = timeout - (place.clock() - started)
            if left <= 0:
                raise LockHeldError(place.where, holder)
            place.sleep(min(wait, left))
            wait = min(wait * 2, _LONGEST_WAIT)

    def _ask_lock(self, info: LockInfo) -> Answer | None:
        """None when the server gave the lock, else what it answered."""
        assert self._place.lock_address is not None
        answer = self._place.client.request(
            self._place.lock_method,
            self._place.lock_address,
            content=_terraform_lock(info, self._place.where),
            headers={"Content-Type": "application/json"},
            accept=(409, 423),
        )
        return None if answer.ok else answer

    def unlock(self, info: LockInfo) -> None:
        """Give the server's lock back. Raises HttpError."""
        if self._place.unlock_address is not None:
            self._place.client.request(
                self._place.unlock_method,
                with_query(self._place.unlock_address, ID=info.id),
                content=_terraform_lock(info, self._place.where),
                headers={"Content-Type": "application/json"},
            )

    def lock_holder(self) -> LockInfo | None:
        """The protocol cannot ask: so the lock is taken, and given back at once when it is to be had."""
        try:
            mine = file_lock_holder(f"{self._base}.lock")
        except OSError as problem:
            raise disk_failure(problem, "look at the lock", f"{self._base}.lock") from problem
        if self._place.lock_address is None:
            return mine
        asking = lock_claim("iac lock list")
        answer = self._ask_lock(asking)
        if answer is None:
            self.unlock(asking)
            return None
        return _holder(answer) or mine

    def break_lock(self, lock_id: str) -> None:
        holder = self.lock_holder()
        if holder is None or holder.id != lock_id:
            raise no_such_lock(self._place.where, lock_id, holder)
        if self._place.unlock_address is None:
            raise failure(
                "The lock cannot be broken",
                f"{self._place.where} is locked by process {holder.pid} on {holder.host}, which is still running.",
                remedy=f"Stop process {holder.pid}: the lock is then free.",
            )
        self.unlock(holder)

    def _next_token(self) -> int:
        path = f"{self._base}.token"
        try:
            last = int(read_regular_file(path) or b"0")
        except ValueError:
            last = 0
        except OSError as problem:
            raise disk_failure(problem, "read the fencing token", path) from problem
        token = max(last + 1, time.time_ns() // 1_000_000)
        try:
            write_atomically(path, b"%d\n" % token)
        except OSError as problem:
            raise disk_failure(problem, "keep the fencing token", path) from problem
        return token

    # --- runs -------------------------------------------------------------------------------------------------------

    def record_run(self, record: RunRecord) -> None:
        try:
            append_run(f"{self._base}.runs", record, DISK)
        except OSError as problem:
            raise disk_failure(problem, "record the run", f"{self._base}.runs") from problem

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        try:
            return read_runs(f"{self._base}.runs", limit)
        except OSError as problem:
            raise disk_failure(problem, "read the records of runs", f"{self._base}.runs") from problem

    def close(self) -> None:
        self._place.client.close()

    def _held(self, lock: StateLock) -> TerraformLock:
        if not isinstance(lock, TerraformLock) or lock.address != self._place.address:
            raise lock_lost(self._place.where, "the lock given is not one on this state")
        lock.require()
        return lock


# --- Terraform's JSON of a lock -------------------------------------------------------------------------------------


def _terraform_lock(info: LockInfo, where: str) -> bytes:
    """As Terraform's `statemgr.LockInfo`; ours stands in `Info` as JSON text, which Terraform shows and hands on."""
    return orjson.dumps(
        {
            "ID": info.id,
            "Operation": info.operation,
            "Info": orjson.dumps(lock_info_to_json(info)).decode(),
            "Who": f"{info.owner}@{info.host}",
            "Version": "1.11.0",
            "Created": info.created,
            "Path": where,
        }
    )


def _holder(answer: Answer) -> LockInfo | None:
    """Who holds the lock, by what the server answered; None when it does not tell."""
    try:
        return holder_of(orjson.loads(answer.content))
    except ValueError:
        return None


def holder_of(told: Any) -> LockInfo | None:
    """Ours, or Terraform's, from Terraform's JSON of a lock."""
    if not isinstance(told, dict) or not told.get("ID"):
        return None
    with suppress(KeyError, TypeError, ValueError):
        ours = lock_info_from_json(orjson.loads(told["Info"]))
        if ours.id == told["ID"]:
            return ours
    owner, _, host = str(told.get("Who", "")).rpartition("@")
    operation, created = str(told.get("Operation", "")), str(told.get("Created", ""))
    return LockInfo(str(told["ID"]), operation, owner, host, 0, created)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
