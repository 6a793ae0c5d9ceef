"""The lock of the postgres backend: a row with a lease by the clock of the server.

Whoever writes takes a shared lock on the row (`FOR KEY SHARE`) in the transaction of the write, and looks whether it
still names him. A heartbeat only changes `expires`, which such a lock allows; who takes the lock over needs the row
for himself (`FOR UPDATE`), so that he waits for writes that have begun, and none can begin afterwards.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from iacengine.foundation.database import Database
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.base import LockInfo
from iacengine.state.backends.postgres_tables import LOCK
from iacengine.state.json_form import dump
from iacengine.state.lease import Lease
from iacengine.state.lock import LockLostError, lock_info_from_json, lock_info_to_json, lock_lost, no_such_lock

RELEASE_PATIENCE = 3.0
"""Seconds to try giving a lock back for; after that it runs out by itself."""


class PostgresLock:
    """A lock that is held, and where its holder is in the journal. `place` is what it locks.

    `mutex` guards the rest: `next_number` of the next entry; `opened`: a run was opened since the journal was last
    cleared; `doubtful`: an append has failed, and may have been done all the same.
    """

    __slots__ = ("doubtful", "lease", "mutex", "next_number", "opened", "place", "stack_id")

    def __init__(self, lease: Lease, place: str, stack_id: int) -> None:
        self.lease, self.place, self.stack_id = lease, place, stack_id
        self.mutex = threading.Lock()
        self.next_number, self.opened, self.doubtful = 1, False, False

    @property
    def info(self) -> LockInfo:
        return self.lease.info

    def require(self) -> None:
        """Raise LockLostError unless the lease is surely still held."""
        self.lease.require()

    def release(self) -> None:
        self.lease.release()


def take_row(connection: Connection, stack_id: int, info: LockInfo, seconds: float) -> tuple[bool, LockInfo]:
    """Take the lock if it is free, ran out, or is held under this id already: whether it is ours, and its holder."""
    held = holder_of(connection, stack_id)
    if held is not None and held.id != info.id:
        return False, held  # known without waiting for anybody
    row = _row(connection, stack_id, lock=True)
    held = _holder(row)
    if held is not None and held.id != info.id:
        return False, held
    again = row.lock_id == info.id  # our own answer was lost; nobody has had the lock in between
    token = row.fencing_token if again else row.fencing_token + 1
    taken = replace(info, fencing_token=token)
    changed = (
        update(LOCK)
        .where(LOCK.c.stack_id == stack_id)
        .values(
            fencing_token=token,
            lock_id=info.id,
            holder=dump(lock_info_to_json(replace(taken, expires="")))[0].decode(),
            expires=_end(seconds),
        )
        .returning(LOCK.c.expires)
    )
    return True, replace(taken, expires=_text(connection.execute(changed).scalar_one()))


def renew_row(connection: Connection, stack_id: int, info: LockInfo, seconds: float, where: str) -> None:
    """Prolong the lease. Raises LockLostError when somebody else has it, or took it away."""
    mine = (LOCK.c.stack_id == stack_id) & (LOCK.c.lock_id == info.id) & (LOCK.c.fencing_token == info.fencing_token)
    if connection.execute(update(LOCK).where(mine).values(expires=_end(seconds))).rowcount != 1:
        raise lost(connection, stack_id, where)


def free_row(connection: Connection, stack_id: int, info: LockInfo) -> None:
    """Give the lock back, if it is still that of `info`."""
    mine = (LOCK.c.stack_id == stack_id) & (LOCK.c.lock_id == info.id) & (LOCK.c.fencing_token == info.fencing_token)
    connection.execute(update(LOCK).where(mine).values(lock_id=None, holder=None, expires=None))


def break_row(connection: Connection, stack_id: int, lock_id: str, where: str) -> None:
    """Take the lock away from its holder, once its writes that have begun are done."""
    held = _holder(_row(connection, stack_id, lock=True))
    if held is None or held.id != lock_id:
        raise no_such_lock(where, lock_id, held)
    connection.execute(update(LOCK).where(LOCK.c.stack_id == stack_id).values(lock_id=None, holder=None, expires=None))


def holder_of(connection: Connection, stack_id: int) -> LockInfo | None:
    """Who holds the lock now; None when nobody does or the lease ran out."""
    return _holder(_row(connection, stack_id, lock=False))


def fence(connection: Connection, lock: PostgresLock) -> None:
    """Keep the lock from being taken over until this transaction ends.

    Raises LockLostError when it has been: nothing may be written.
    """
    mine = (
        (LOCK.c.stack_id == lock.stack_id)
        & (LOCK.c.lock_id == lock.info.id)
        & (LOCK.c.fencing_token == lock.info.fencing_token)
    )
    found = connection.execute(select(LOCK.c.stack_id).where(mine).with_for_update(read=True, key_share=True))
    if found.first() is None:
        gone = lost(connection, lock.stack_id, lock.place)
        lock.lease.lose(gone)
        raise gone


def lost(connection: Connection, stack_id: int, where: str) -> LockLostError:
    holder = holder_of(connection, stack_id)
    if holder is None:
        return lock_lost(where, "the lock was broken, or ran out and was taken by somebody who is done already")
    return lock_lost(
        where, f"it was taken over by {holder.owner} on {holder.host}, process {holder.pid}, for `{holder.operation}`"
    )


def new_lease(
    database: Database,
    stack_id: int,
    info: LockInfo,
    where: str,
    seconds: float,
    asked: float,
    clock: Callable[[], float],
) -> Lease:
    """The lease on a row that was taken, kept up by a thread. `asked`: what `clock` said before it was."""

    def renew() -> None:
        def work(connection: Connection) -> None:
            renew_row(connection, stack_id, info, seconds, where)

        database.transact(work, "renew the lock", patience=seconds / 3)

    def free() -> None:
        def work(connection: Connection) -> None:
            free_row(connection, stack_id, info)

        database.transact(work, "give the lock back", patience=RELEASE_PATIENCE)

    return Lease(info, where, seconds, renew, free, asked=asked, clock=clock)


def _end(seconds: float) -> Any:
    return func.clock_timestamp() + timedelta(seconds=seconds)


def _row(connection: Connection, stack_id: int, *, lock: bool) -> Row[Any]:
    # clock_timestamp, not now(): the transaction may have waited for the row
    valid = (LOCK.c.expires > func.clock_timestamp()).label("valid")
    asked = select(LOCK.c.fencing_token, LOCK.c.lock_id, LOCK.c.holder, LOCK.c.expires, valid)
    asked = asked.where(LOCK.c.stack_id == stack_id)
    if lock:
        # The row is locked by itself: `valid` is computed before a row is waited for.
        connection.execute(select(LOCK.c.stack_id).where(LOCK.c.stack_id == stack_id).with_for_update())
    return connection.execute(asked).one()


def _holder(row: Row[Any]) -> LockInfo | None:
    if row.lock_id is None or not row.valid:
        return None
    try:
        return replace(lock_info_from_json(json.loads(row.holder)), expires=_text(row.expires))
    except (KeyError, TypeError, ValueError, DiagnosticsError):  # changed by hand: the lock counts all the same
        return LockInfo(row.lock_id, "?", "?", "?", 0, "", row.fencing_token, _text(row.expires))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
