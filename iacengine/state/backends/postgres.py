"""State in a PostgreSQL database, where everything can be read with SQL.

Settings, named as in Terraform's backend of this kind where it has them:

| setting | meaning |
| --- | --- |
| `conn_str` (`PG_CONN_STR`) | URL or connection string; without it, the `PG*` variables say where the database is |
| `schema_name` (`PG_SCHEMA_NAME`) | the schema of the tables; "iacengine" by default |
| `stack` | the name of the stack in that schema; "default" by default |
| `skip_schema_creation`, `skip_table_creation` (`PG_SKIP_…`) | don't make the schema, or the tables |
| `skip_index_creation` | taken for the sake of blocks written for Terraform: indexes come with the tables |
| `versions` | how many earlier states are kept |
| `lease` | seconds that a lock lasts unless it is renewed |

All table names begin with `iac_`, so that Terraform's own may lie in the same schema.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from iacengine.foundation.database import UNIQUE_VIOLATION, Database, DatabaseSettings
from iacengine.foundation.database_schema import ensure_tables
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.base import VERSIONS_KEPT, LockInfo, StateLock, StateVersion
from iacengine.state.backends.postgres_journal import append_rows, clear_rows
from iacengine.state.backends.postgres_journal import read_rows as read_journal_rows
from iacengine.state.backends.postgres_lock import PostgresLock, break_row, fence, holder_of, new_lease, take_row
from iacengine.state.backends.postgres_migrations import SCRIPTS
from iacengine.state.backends.postgres_states import encode, read_rows, read_versions, write_rows
from iacengine.state.backends.postgres_tables import LOCK, RUN, STACK
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.json_form import dump
from iacengine.state.lease import LEASE_SECONDS
from iacengine.state.lock import LockHeldError, lock_lost, no_such_lock
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord, run_record_from_json, run_record_to_json
from iacengine.state.versions import no_such_version

T = TypeVar("T")

RUNS_KEPT = 1000

_SETTINGS = (
    "conn_str",
    "schema_name",
    "stack",
    "skip_schema_creation",
    "skip_table_creation",
    "skip_index_creation",
    "versions",
    "lease",
)
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0  # seconds between looks at a lock that is held
_SHORTEST_IDLE = 10.0  # seconds: a transaction that is idle longer is that of a frozen or lost client


def open_backend(settings: BackendSettings) -> PostgresBackend:
    """The backend of a `postgres` or `pg` block."""
    settings.refuse_others(_SETTINGS)
    conninfo = settings.text("conn_str", "PG_CONN_STR", default="") or ""
    place = ("PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE", "PGUSER")
    if not conninfo and not any(settings.environment.get(name) for name in place):
        settings.required("conn_str", "PG_CONN_STR")
    schema = settings.text("schema_name", "PG_SCHEMA_NAME", default="iacengine") or ""
    stack = settings.text("stack", default="default") or ""
    for name, value in (("schema_name", schema), ("stack", stack)):
        longest = 63 if name == "schema_name" else 255
        if not value or "\0" in value or len(value.encode("utf-8", "backslashreplace")) > longest:
            raise settings.wrong(
                name, f'The setting "{name}" must be a name of 1 to {longest} bytes.', "Give it another name."
            )
    _flag(settings, "skip_index_creation")
    lease = settings.number("lease", LEASE_SECONDS, least=0.1)
    where = f"{_place(conninfo)}, schema {schema}, stack {stack}"
    try:
        database = Database(
            DatabaseSettings(conninfo, where, schema, idle_timeout=max(lease / 3, _SHORTEST_IDLE)),
        )
    except DiagnosticsError as invalid:
        raise DiagnosticsError(*(settings.place(found, "conn_str") for found in invalid.diagnostics)) from None
    return PostgresBackend(
        database,
        stack,
        versions=int(settings.number("versions", VERSIONS_KEPT)),
        lease=lease,
        make_schema=not _flag(settings, "skip_schema_creation"),
        make_tables=not _flag(settings, "skip_table_creation"),
    )


def _flag(settings: BackendSettings, name: str) -> bool:
    """A setting that is true or false, or its variable, such as PG_SKIP_TABLE_CREATION."""
    given = settings.environment.get(f"PG_{name.upper()}")
    return settings.boolean(name, given is not None and given.lower() in ("1", "t", "true"))


def _place(conninfo: str) -> str:
    """The server and the database, as far as they can be told without connecting; never a secret."""
    try:
        given = conninfo_to_dict(conninfo)
    except Exception:  # told by whoever connects
        return "postgres"
    if service := given.get("service") or os.environ.get("PGSERVICE"):
        return f"postgres (service {service})"
    host = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST") or "localhost"
    port = given.get("port") or os.environ.get("PGPORT") or "5432"
    name = given.get("dbname") or os.environ.get("PGDATABASE") or given.get("user") or os.environ.get("PGUSER") or ""
    if str(host).startswith("/"):
        return f"postgres {name} at {host}"
    return f"postgres {host}:{port}/{name}"


class PostgresBackend:
    """The state of one stack in a database. Tables and the stack's row are made when they are first needed."""

    def __init__(
        self,
        database: Database,
        stack: str,
        *,
        versions: int = VERSIONS_KEPT,
        lease: float = LEASE_SECONDS,
        make_schema: bool = True,
        make_tables: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database, self._stack = database, stack
        self._versions, self._lease = versions, lease
        self._make_schema, self._make_tables = make_schema, make_tables
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._named = database.settings.where
        self._ready = False
        self._stack_id: int | None = None

    def describe(self) -> str:
        return self._named

    # --- state ------------------------------------------------------------------------------------------------------

    def read(self) -> State | None:
        return self._read(lambda connection, stack: read_rows(connection, stack, self._named), None, "read the state")

    def write(self, state: State, expected_serial: int | None, lock: StateLock) -> None:
        """As the protocol says. The lineage must stay and the serial grow, or replay could not tell runs apart."""
        held = self._held(lock)
        encoded = encode(state)

        def work(connection: Connection) -> None:
            fence(connection, held)
            write_rows(connection, held.stack_id, self._named, encoded, expected_serial, self._versions)

        with held.mutex:
            self._database.transact(work, "write the state", again_on=frozenset({UNIQUE_VIOLATION}))

    def versions(self) -> Sequence[StateVersion]:
        return self._read(read_versions, [], "read the versions of the state")

    def read_version(self, serial: int) -> State:
        def work(connection: Connection, stack: int) -> State | None:
            return read_rows(connection, stack, self._named, serial)

        found = self._read(work, None, "read a version of the state") if 0 <= serial < 2**63 else None
        if found is None:
            raise no_such_version(self._named, serial, self.versions())
        return found

    # --- journal ----------------------------------------------------------------------------------------------------

    def read_journal(self) -> Sequence[JournalEntry]:
        def work(connection: Connection, stack: int) -> tuple[JournalEntry, ...]:
            return read_journal_rows(connection, stack, self._named)

        return self._read(work, (), "read the journal")

    def append(self, entries: Sequence[JournalEntry], lock: StateLock) -> None:
        held = self._held(lock)
        if entries:
            with held.mutex:
                append_rows(self._database, entries, held)

    def clear_journal(self, lock: StateLock) -> None:
        held = self._held(lock)
        with held.mutex:
            clear_rows(self._database, held)

    # --- lock -------------------------------------------------------------------------------------------------------

    def lock(self, info: LockInfo, timeout: float) -> PostgresLock:
        stack = self._make_stack()
        deadline = self._clock() + timeout
        wait = _FIRST_WAIT
        while True:
            asked = self._clock()
            ours, holder = self._database.transact(
                lambda connection: take_row(connection, stack, info, self._lease), "take the lock"
            )
            if ours:
                lease = new_lease(self._database, stack, holder, self._named, self._lease, asked, self._clock)
                return PostgresLock(lease, self._named, stack)
            left = deadline - self._clock()
            if left <= 0:
                raise LockHeldError(self._named, holder)
            self._sleep(min(wait * (0.5 + self._chance() / 2), left))
            wait = min(wait * 2, _LONGEST_WAIT)

    def lock_holder(self) -> LockInfo | None:
        return self._read(holder_of, None, "look at the lock")

    def break_lock(self, lock_id: str) -> None:
        self._ensure_tables()
        stack = self._find_stack()
        if stack is None:
            raise no_such_lock(self._named, lock_id, None)
        self._database.transact(lambda connection: break_row(connection, stack, lock_id, self._named), "break the lock")

    # --- runs -------------------------------------------------------------------------------------------------------

    def record_run(self, record: RunRecord) -> None:
        stack = self._make_stack()
        values = {
            "started": record.started,
            "outcome": record.outcome,
            "body": dump(run_record_to_json(record))[0].decode(),
        }
        kept = insert(RUN).values(stack_id=stack, id=record.id, **values)
        kept = kept.on_conflict_do_update(index_elements=[RUN.c.stack_id, RUN.c.id], set_=values)
        mine = RUN.c.stack_id == stack
        newest = select(RUN.c.started, RUN.c.id).where(mine).order_by(RUN.c.started.desc(), RUN.c.id.desc())

        def work(connection: Connection) -> None:
            connection.execute(kept)
            last = connection.execute(newest.offset(RUNS_KEPT - 1).limit(1)).one_or_none()
            if last is not None:
                older = tuple_(RUN.c.started, RUN.c.id) < tuple_(last.started, last.id)
                connection.execute(delete(RUN).where(mine & older))

        self._database.transact(work, "record the run")

    def runs(self, limit: int | None = None) -> Sequence[RunRecord]:
        def work(connection: Connection, stack: int) -> list[RunRecord]:
            asked = select(RUN.c.body).where(RUN.c.stack_id == stack).order_by(RUN.c.started.desc(), RUN.c.id.desc())
            found: list[RunRecord] = []
            for body in connection.execute(asked.limit(limit)).scalars():
                try:
                    found.append(run_record_from_json(json.loads(body)))
                except (KeyError, TypeError, ValueError):  # changed by hand, or of another version: no reason to fail
                    continue
            return found[::-1]

        return self._read(work, [], "read the records of runs")

    def close(self) -> None:
        self._database.close()

    # --- shared -----------------------------------------------------------------------------------------------------

    def _held(self, lock: StateLock) -> PostgresLock:
        if not isinstance(lock, PostgresLock) or lock.place != self._named:
            raise lock_lost(self._named, "the lock given is not one on this state")
        lock.require()
        return lock

    def _read(self, work: Callable[[Connection, int], T], nothing: T, doing: str) -> T:
        """What `work` reads of this stack, all of one moment; `nothing` when there is no such stack."""
        self._ensure_tables()
        stack = self._find_stack()
        if stack is None:
            return nothing
        return self._database.transact(
            lambda connection: work(connection, stack), doing, isolation="REPEATABLE READ", read_only=True
        )

    def _ensure_tables(self) -> None:
        if not self._ready:
            ensure_tables(self._database, SCRIPTS, make_schema=self._make_schema, make_tables=self._make_tables)
            self._ready = True

    def _find_stack(self) -> int | None:
        if self._stack_id is None:
            asked = select(STACK.c.id).where(STACK.c.name == self._stack)
            self._stack_id = self._database.transact(
                lambda connection: connection.execute(asked).scalar(), "look for the stack", read_only=True
            )
        return self._stack_id

    def _make_stack(self) -> int:
        """The row of the stack and that of its lock."""
        self._ensure_tables()
        found = self._find_stack()
        if found is not None:
            return found

        def work(connection: Connection) -> int:
            connection.execute(insert(STACK).values(name=self._stack).on_conflict_do_nothing())
            made: int = connection.execute(select(STACK.c.id).where(STACK.c.name == self._stack)).scalar_one()
            connection.execute(insert(LOCK).values(stack_id=made).on_conflict_do_nothing())
            return made

        self._stack_id = self._database.transact(work, "make the stack")
        return self._stack_id
