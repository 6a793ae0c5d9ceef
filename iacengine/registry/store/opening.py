"""The database of the registry: opened, brought up to date, read and written in transactions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, text

from iacengine.foundation.database import Database, DatabaseSettings
from iacengine.foundation.database_schema import ensure_tables, tables_are_current
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.retry import Backoff
from iacengine.registry.migrations import SCRIPTS

T = TypeVar("T")

SCHEMA = "iacengine_registry"
DATABASE_VARIABLE = "IAC_REGISTRY_DATABASE_URL"
SCHEMA_VARIABLE = "IAC_REGISTRY_SCHEMA"

PATIENCE = 20.0
"""Seconds that a request waits for a database that restarts."""


class Store:
    """What the registry keeps. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        schema = hashlib.sha256(database.settings.schema.encode()).hexdigest()[:16]
        self.channel = f"iac_registry_{schema}"

    def read(self, work: Callable[[Connection], T], doing: str) -> T:
        """What `work` returns, which only reads. Raises DatabaseError, or what `work` raises."""
        return self.database.transact(work, doing, read_only=True)

    def write(self, work: Callable[[Connection], T], doing: str, subject: str = "") -> T:
        """What `work` returns, done when this returns. All processes of the service are told that `subject` changed.

        It may be done twice when an answer is lost: see `Database.transact`.
        """

        def told(connection: Connection) -> T:
            found = work(connection)
            if subject:
                connection.execute(text("SELECT pg_notify(:channel, :subject)"), _named(self.channel, subject))
            return found

        return self.database.transact(told, doing)

    def migrate(self) -> None:
        """Bring the tables up to date. Raises DiagnosticsError."""
        ensure_tables(self.database, SCRIPTS)

    def require_tables(self) -> None:
        """Raises DiagnosticsError unless the tables are there, and of this version."""
        if self.database.transact(lambda connection: tables_are_current(connection, SCRIPTS), "look at the tables"):
            return
        raise failure(
            "The tables are not up to date",
            f"{self.database.settings.where}: it has no tables of the registry, or those of another version.",
            remedy="Run `iac registry migrate`, or leave --no-migrate out.",
        )


def open_store(conninfo: str, where: str = "the registry's database", connections: int = 32) -> Store:
    """The store in a database; nothing is asked of it yet. Raises DiagnosticsError for a senseless address."""
    backoff = Backoff(retries=200, first=0.05, longest=0.5, patience=PATIENCE)
    settings = DatabaseSettings(
        conninfo,
        where,
        schema=os.environ.get(SCHEMA_VARIABLE) or SCHEMA,
        statement_timeout=15.0,
        lock_timeout=10.0,
        connections=connections,
        backoff=backoff,
    )
    return Store(Database(settings))


def _named(channel: str, subject: str) -> dict[str, str]:
    return {"channel": channel, "subject": subject[:2000]}
