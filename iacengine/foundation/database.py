"""A PostgreSQL database: pooled connections, transactions that are tried again, failures told with a remedy.

Imports SQLAlchemy and psycopg: only what needs a database imports this module.
"""

from __future__ import annotations

import os
import random
import re
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from iacengine.foundation.diagnostics import DiagnosticsError, error, failure
from iacengine.foundation.retry import Backoff, Transient, retrying

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

UNIQUE_VIOLATION = "23505"

_ECHO = "echo:"
"""What a payload begins with by which somebody who listens finds out whether anything is heard."""

FIRST_PATIENCE = 5.0
"""Seconds to try for, as long as the database never answered (its address may well be wrong), and again when it has
stayed away for the whole of the patience (what comes after that is no longer waited for as long)."""

_DEFAULTS: Mapping[str, str] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",  # a peer that vanished is noticed within a minute, whatever the system's defaults are
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "target_session_attrs": "read-write",  # of several hosts, the one that takes writes
    "fallback_application_name": "iacengine",
    "client_encoding": "UTF8",
}
_VARIABLES: Mapping[str, str] = {"connect_timeout": "PGCONNECT_TIMEOUT", "target_session_attrs": "PGTARGETSESSIONATTRS"}

# What may pass by itself: see the appendix "PostgreSQL Error Codes" of its manual. Class 08 is lost connections.
_TRANSIENT = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # a lock could not be had within lock_timeout
        "57P01",  # the server is being shut down
        "57P02",  # the server crashed
        "57P03",  # the server is starting
        "57P05",  # idle for too long
        "25P03",  # idle for too long in a transaction
        "53300",  # too many connections
    }
)
# A refused connection carries no code, only text.
_DENIED = re.compile(r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist|not permitted")
_NO_DATABASE = re.compile(r"database .* does not exist")
_TLS = re.compile(r"SSL|TLS|ssl|certificate")
_GOING_AWAY = re.compile(r"closed|SYSCALL|error response during SSL|negotiation packet|reset by peer|Broken pipe")


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where a database is, and how to use it; times are in seconds.

    `conninfo` is a connection string of libpq's or a URL; what it leaves out comes from the PG* variables of the
    environment. `where` names the database in messages. `schema` holds the tables: names without a schema mean it.
    `idle_timeout`: after how long without a statement the server ends a transaction, so that a client that was frozen
    in the middle of one stops nobody. `lock_timeout`: how long a statement waits for another transaction.
    """

    conninfo: str
    where: str
    schema: str = "public"
    statement_timeout: float = 60.0
    idle_timeout: float = 30.0
    lock_timeout: float = 15.0
    connections: int = 10
    backoff: Backoff = field(default_factory=lambda: Backoff(retries=60, first=0.1, longest=3.0, patience=30.0))


class DatabaseError(DiagnosticsError):
    """A database failed, or could not be reached. `sqlstate` is PostgreSQL's code, "" when it gave none."""

    def __init__(self, summary: str, detail: str, remedy: str, sqlstate: str = "") -> None:
        super().__init__(error(summary, detail, remedy=remedy))
        self.sqlstate = sqlstate


class Database:
    """A database that is connected to when it is first used. Threads may share it."""

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Raises DiagnosticsError when the connection string is none."""
        self.settings = settings
        self._clock, self._sleep, self._chance = clock, sleep, chance
        conninfo, self._secrets = _completed(settings)
        self._conninfo = conninfo
        self._engine = create_engine(
            "postgresql+psycopg://",
            # Prepared statements would tie a transaction to the connection of a pooler between us and the server.
            creator=lambda: psycopg.connect(conninfo, prepare_threshold=None),
            pool_size=2,
            max_overflow=max(0, settings.connections - 2),
            pool_timeout=30,
            hide_parameters=True,
        )
        self._reached = False
        schema = settings.schema.replace('"', '""')
        # Set for the transaction alone, so that a pooler may give its connection to others afterwards.
        self._begin = (
            f"SET LOCAL statement_timeout = {_milliseconds(settings.statement_timeout)};"
            f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds(settings.idle_timeout)};"
            f"SET LOCAL lock_timeout = {_milliseconds(settings.lock_timeout)};"
            f'SET LOCAL search_path = "{schema}";'
            "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
        )
        weakref.finalize(self, self._engine.dispose)

    def transact(
        self,
        work: Callable[[Connection], T],
        doing: str,
        *,
        isolation: Isolation = "READ COMMITTED",
        read_only: bool = False,
        patience: float | None = None,
        again_on: frozenset[str] = frozenset(),
    ) -> T:
        """What `work` returns, done in one transaction, which is durable when this returns.

        `doing` completes "could not …" in messages. After a lost connection, a server that restarts, a serialization
        failure, or a code of `again_on`, all of it is done again for up to `patience` seconds (None: the settings').
        Since an answer can be lost after the commit, `work` must be such that doing it twice is doing it once. Raises
        DatabaseError, or what `work` raises, after rolling back.
        """
        backoff = self.settings.backoff
        patience = backoff.patience if patience is None else patience
        if not self._reached:
            patience = min(patience, FIRST_PATIENCE)

        passing = False

        def attempt() -> T:
            nonlocal passing
            try:
                with self._engine.connect() as connection:
                    self._reached = True
                    options: dict[str, Any] = {"isolation_level": isolation}
                    if read_only:
                        options["postgresql_readonly"] = True
                    connection = connection.execution_options(**options)
                    with connection.begin():
                        connection.exec_driver_sql(self._begin, execution_options={"no_parameters": True})
                        return work(connection)
            except (SQLAlchemyError, psycopg.Error) as problem:
                told = self._told(problem, doing, again_on)
                passing = isinstance(told, Transient)
                raise told from problem

        try:
            return retrying(
                attempt,
                replace(backoff, patience=patience),
                clock=self._clock,
                sleep=self._sleep,
                chance=self._chance,
            )
        except DatabaseError:
            if passing and patience >= backoff.patience:
                self._reached = False
            raise

    def transact_session(
        self, work: Callable[[Session], T], doing: str, *, isolation: Isolation = "READ COMMITTED"
    ) -> T:
        """As `transact`, with a session of the object-relational mapper. Objects stay usable afterwards."""
        from sqlalchemy.orm import Session  # lazy: plain SQL needs no mapper

        def inside(connection: Connection) -> T:
            with Session(connection, expire_on_commit=False) as session:
                found = work(session)
                session.flush()
                session.expunge_all()
                return found

        return self.transact(inside, doing, isolation=isolation)

    def notifications(self, channel: str, every: float) -> Iterator[str | None]:
        """What is told on a channel (NOTIFY), on a connection of its own; None first, when it listens and has heard
        itself (a pooler between may swallow what is told), and whenever nothing was told for `every` seconds. Raises
        DatabaseError when the connection is lost, or nothing is heard; nothing that was told meanwhile is told again.
        """
        try:
            with psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None) as connection:
                connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
                echo = f"{_ECHO}{os.urandom(8).hex()}"
                connection.execute("SELECT pg_notify(%s, %s)", (channel, echo))
                if not any(told.payload == echo for told in connection.notifies(timeout=every)):
                    raise DatabaseError(
                        "Changes are not heard",
                        f"{self.settings.where}: what is told on a channel (NOTIFY) does not arrive.",
                        "Connect without a pooler, or have it keep a session for each connection.",
                    )
                yield None
                while True:
                    quiet = True
                    for told in connection.notifies(timeout=every, stop_after=1):
                        quiet = False
                        if not told.payload.startswith(_ECHO):
                            yield told.payload
                    if quiet:
                        # A connection whose other end has vanished is silent, too.
                        connection.execute("SELECT 1")
                        yield None
        except psycopg.Error as problem:
            told_problem = self._told(problem, "listen for changes", frozenset())
            raise (told_problem.cause if isinstance(told_problem, Transient) else told_problem) from problem

    def close(self) -> None:
        """Close the connections that are not in use. The next use connects anew."""
        self._engine.dispose()

    def _told(self, problem: Exception, doing: str, again_on: frozenset[str]) -> Exception:
        """The failure to raise, inside a Transient when it may pass."""
        cause = problem.orig if isinstance(problem, DBAPIError) else problem
        if not isinstance(cause, psycopg.Error):
            return DatabaseError(
                "The database failed",
                f"{self.settings.where}: could not {doing}: {self._clean(str(problem))}.",
                "Try again; if it goes on, look at the log of the server.",
            )
        code = cause.sqlstate or ""
        text = self._clean(cause.diag.message_primary or str(cause))
        told = _described(self.settings.where, doing, code, text)
        passing = code in _TRANSIENT or code in again_on or code.startswith("08")
        if not code and isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
            passing = not (_DENIED.search(text) or _NO_DATABASE.search(text) or _is_tls(text))
        told.__cause__ = problem
        return Transient(told) if passing else told

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        lines = [line.strip().rstrip(".") for line in text.splitlines()]
        return "; ".join(line for line in lines if line and not line.startswith("Is the server running"))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _completed(settings: DatabaseSettings) -> tuple[str, tuple[str, ...]]:
    """The connection string with our defaults, and what is secret in it."""
    try:
        given = conninfo_to_dict(settings.conninfo)
    except psycopg.Error:
        raise failure(
            "Invalid connection string",
            f"The connection string of {settings.where} is neither a URL nor a list of settings.",  # it holds passwords
            remedy="Write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, or host=… dbname=… user=…; in a URL, "
            "encode special characters of names and passwords with %.",
        ) from None
    defaults = {
        name: value
        for name, value in _DEFAULTS.items()
        if name not in given and not os.environ.get(_VARIABLES.get(name, ""))
    }
    secrets = tuple(
        str(given[name]) for name in ("password", "sslpassword") if len(str(given.get(name, ""))) > 3
    )  # shorter ones would blot out words
    return make_conninfo(settings.conninfo, **defaults), secrets


def _is_tls(text: str) -> bool:
    # A server that goes away in the middle says so as well: "SSL connection has been closed unexpectedly", "server sent
    # an error response during SSL exchange" (that it is being shut down), "could not send SSL negotiation packet".
    return _TLS.search(text) is not None and _GOING_AWAY.search(text) is None


def _described(where: str, doing: str, code: str, text: str) -> DatabaseError:
    detail = f"{where}: could not {doing}: {text}."
    if code.startswith("28") or (not code and _DENIED.search(text)):
        return DatabaseError(
            "Access to the database was denied",
            detail,
            "Check the user and the password (in the connection string, PGUSER and PGPASSWORD, or ~/.pgpass) and "
            "what the server's pg_hba.conf allows.",
            code,
        )
    if code == "3D000" or (not code and _NO_DATABASE.search(text)):
        return DatabaseError(
            "No such database", detail, "Check its name, or make it with `createdb` (encoding UTF8).", code
        )
    if not code and _is_tls(text):
        return DatabaseError(
            "No secure connection to the database",
            detail,
            "Check sslmode, sslrootcert and the certificates; see libpq's manual.",
        )
    match code:
        case "42501":
            remedy = "Have the owner of the database grant the user what is missing (USAGE and CREATE on the schema)."
            return DatabaseError("Permission denied by the database", detail, remedy, code)
        case "53100" | "53200" | "53400":
            return DatabaseError("The database server is full", detail, "Give it room, then try again.", code)
        case "25006":
            remedy = "Connect to the primary; with several hosts in the connection string it is found by itself."
            return DatabaseError("The database takes no writes", detail, remedy, code)
        case "57014":
            remedy = "Try again; if it goes on, look what the server is busy with."
            return DatabaseError("The database took too long", detail, remedy, code)
        case "" | "53300" | "57P01" | "57P02" | "57P03" | "08000" | "08001" | "08003" | "08004" | "08006":
            remedy = "Check the address, and that the server runs and takes connections from here."
            return DatabaseError("The database cannot be reached", detail, remedy, code)
        case _:
            remedy = "Try again; if it goes on, look at the log of the server."
            return DatabaseError("The database failed", f"{detail[:-1]} (code {code}).", remedy, code)
