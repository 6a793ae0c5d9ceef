"""The journal of the postgres backend: an entry is a row, a flush a transaction.

Rows are numbered by the holder of the lock, within its fencing token. The primary key keeps two appends of one holder
apart, of which one was given up by the client and is still going on at the server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from iacengine.foundation.database import UNIQUE_VIOLATION, Database
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.garbage import collection_paused
from iacengine.state.backends.conflicts import require_bound
from iacengine.state.backends.postgres_lock import PostgresLock, fence
from iacengine.state.backends.postgres_tables import JOURNAL
from iacengine.state.journal import entry_from_json, entry_to_json
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.json_form import dump, load


def append_rows(database: Database, entries: Sequence[JournalEntry], lock: PostgresLock) -> None:
    """Append the entries (one at least); the mutex of the lock is held.

    After a lost answer they are appended once all the same. Raises DiagnosticsError; the entries may then be there, all
    of them, until the next append.
    """
    token, first = lock.info.fencing_token, lock.next_number
    require_bound(lock.place, entries, token, lock.opened)
    batch = os.urandom(8).hex()
    texts = [dump(entry_to_json(entry)) for entry in entries]
    rows = [
        {
            "stack_id": lock.stack_id,
            "fencing_token": token,
            "number": number,
            "batch": batch,
            "wide": wide,
            "body": text.decode(),
        }
        for number, (text, wide) in enumerate(texts, first)
    ]
    mine = (JOURNAL.c.stack_id == lock.stack_id) & (JOURNAL.c.fencing_token == token)

    def work(connection: Connection) -> None:
        fence(connection, lock)
        if lock.doubtful:
            there = select(JOURNAL.c.batch).where(mine & (JOURNAL.c.number == first))
            if connection.execute(there).scalar() == batch:
                return
            # What an append left that its caller was told has failed.
            connection.execute(delete(JOURNAL).where(mine & (JOURNAL.c.number >= first)))
        lock.doubtful = True
        connection.execute(insert(JOURNAL), rows)

    database.transact(work, "write the journal", again_on=frozenset({UNIQUE_VIOLATION}))
    lock.doubtful = False
    lock.opened = True
    lock.next_number = first + len(rows)


def clear_rows(database: Database, lock: PostgresLock) -> None:
    """Drop the journal; the mutex of the lock is held."""

    token, number = lock.info.fencing_token, lock.next_number
    blocker = {"stack_id": lock.stack_id, "fencing_token": token, "number": number, "batch": "", "wide": False}

    def work(connection: Connection) -> None:
        fence(connection, lock)
        if lock.doubtful:  # wait for the end of an append that was given up and may be about to be committed
            connection.execute(insert(JOURNAL).values(**blocker, body="{}").on_conflict_do_nothing())
        connection.execute(delete(JOURNAL).where(JOURNAL.c.stack_id == lock.stack_id))

    database.transact(work, "clear the journal")
    lock.opened = lock.doubtful = False


def read_rows(connection: Connection, stack_id: int, where: str) -> tuple[JournalEntry, ...]:
    """The entries, in order. Raises DiagnosticsError when rows are missing or unknown."""
    asked = (
        select(JOURNAL.c.fencing_token, JOURNAL.c.number, JOURNAL.c.wide, JOURNAL.c.body)
        .where(JOURNAL.c.stack_id == stack_id)
        .order_by(JOURNAL.c.fencing_token, JOURNAL.c.number)
    )
    entries: list[JournalEntry] = []
    before: tuple[int, int] | None = None
    with collection_paused():
        for token, number, wide, body in connection.execute(asked):
            if before is not None and before[0] == token and number != before[1] + 1:
                raise failure(
                    "Damaged journal",
                    f"{where}: rows of iac_journal with fencing_token {token} are missing before number {number}. The "
                    "operations in them may be unknown to the state.",
                    remedy="Restore them from a backup; or delete the rows from there on, then compare with what "
                    "really exists using `iac plan`.",
                )
            before = (token, number)
            try:
                entries.append(entry_from_json(load(body.encode(), wide)))
            except (KeyError, TypeError, ValueError, AttributeError, DiagnosticsError) as problem:
                raise failure(
                    "Unknown journal entry",
                    f"{where}: the meaning of the row of iac_journal with fencing_token {token} and number {number} is "
                    f"not known: {problem}.",
                    remedy="Use the version of iacengine that wrote it, or a newer one, to recover first.",
                ) from problem
    return tuple(entries)
