"""The mock cloud: one SQLite file that several threads and processes share.

The table `objects(type, id, token, attributes)` holds what exists, `attributes` as JSON in the form of state files; any
SQLite client may read and change it, which is how to simulate drift. `counters` counts operations for faults, `lags`
holds what reads still see under eventual consistency, `secrets` the SHA-256 digest of the last write-only password that
an object was given.

Every operation is one transaction. The file is not synced to the disk: it survives a process killed at any instant,
not a power cut.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_TABLES = (
    "CREATE TABLE IF NOT EXISTS objects(type TEXT, id TEXT PRIMARY KEY, token TEXT, attributes TEXT)",
    "CREATE UNIQUE INDEX IF NOT EXISTS objects_by_token ON objects(type, token)",
    "CREATE INDEX IF NOT EXISTS objects_by_name ON objects(type, json_extract(attributes, '$.name'))",
    "CREATE INDEX IF NOT EXISTS objects_by_network ON objects(json_extract(attributes, '$.network_id'))",
    "CREATE TABLE IF NOT EXISTS counters(pattern TEXT PRIMARY KEY, count INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS secrets(id TEXT PRIMARY KEY, digest TEXT)",
    "CREATE TABLE IF NOT EXISTS lags(id TEXT PRIMARY KEY, type TEXT, attributes TEXT, reads INTEGER, until REAL)",
)
_BUSY_TIMEOUT = 60.0  # seconds to wait for another process

Attributes = dict[str, Any]


class CloudError(Exception):
    """The cloud refuses an operation. `code` is what an API would name the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Lag:
    """How long reads still see the object as it was before a change: a number of reads, or seconds."""

    reads: int = 0
    seconds: float = 0.0


NO_LAG = Lag()


class Cloud:
    """The objects in one file. Each thread has a connection of its own; the file is made on first use."""

    def __init__(self, path: str, lag: Lag = NO_LAG, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._lag = lag
        self._clock = clock
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        # Threads of this process queue here; SQLite's own waiting, for other processes, is by sleeping.
        self._writing = threading.Lock()

    def create(self, type_: str, id_: str, token: str, attributes: Attributes) -> Attributes:
        """Make an object. The same token again answers the object that is there. Raises CloudError."""
        with self._transaction() as connection:
            found = connection.execute(
                "SELECT attributes FROM objects WHERE type = ? AND token = ?", (type_, token)
            ).fetchone()
            if found is not None and token:
                return _load(found[0])
            _require_network(connection, attributes)
            connection.execute(
                "INSERT INTO objects VALUES (?, ?, ?, ?)",
                (type_, id_, token or None, orjson.dumps(attributes).decode()),
            )
            self._remember(connection, type_, id_, None)
        return attributes

    def update(self, type_: str, id_: str, attributes: Attributes) -> None:
        """Replace the attributes of an object. Raises CloudError, with code NotFound when there is none."""
        with self._transaction() as connection:
            before = _existing(connection, type_, id_)
            if before is None:
                raise CloudError("NotFound", f"There is no {type_} with the id {id_}.")
            if attributes.get("network_id") != _load(before).get("network_id"):
                _require_network(connection, attributes)
            connection.execute(
                "UPDATE objects SET attributes = ? WHERE id = ?", (orjson.dumps(attributes).decode(), id_)
            )
            self._remember(connection, type_, id_, before)

    def delete(self, type_: str, id_: str) -> None:
        """Remove an object; fine when there is none. Raises CloudError when something still uses it."""
        with self._transaction() as connection:
            before = _existing(connection, type_, id_)
            if before is None:
                return
            user = connection.execute(
                "SELECT type, id FROM objects WHERE json_extract(attributes, '$.network_id') = ? ORDER BY id LIMIT 1",
                (id_,),
            ).fetchone()
            if user is not None:
                raise CloudError("DependencyViolation", f"{type_} {id_} is still used by {user[0]} {user[1]}.")
            connection.execute("DELETE FROM objects WHERE id = ?", (id_,))
            self._remember(connection, type_, id_, before)

    def read(self, ids: Sequence[str]) -> dict[str, tuple[str, Attributes]]:
        """Type and attributes of the objects that exist, in one query; as reads see them, when they lag."""
        wanted = orjson.dumps(list(ids)).decode()
        rows = self._connection().execute(
            "SELECT id, type, attributes FROM objects WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
        )
        found = {id_: (type_, _load(attributes)) for id_, type_, attributes in rows}
        if self._lag != NO_LAG:
            self._show_past(ids, found)
        return found

    def find(self, type_: str, token: str) -> Attributes | None:
        """The object that an operation's token made."""
        row = (
            self._connection()
            .execute("SELECT attributes FROM objects WHERE type = ? AND token = ?", (type_, token))
            .fetchone()
        )
        return None if row is None else _load(row[0])

    def named(self, type_: str, name: str) -> list[Attributes]:
        """The objects of a type with a name, by id."""
        rows = self._connection().execute(
            "SELECT attributes FROM objects WHERE type = ? AND json_extract(attributes, '$.name') = ? ORDER BY id",
            (type_, name),
        )
        return [_load(row[0]) for row in rows]

    def is_settled(self, id_: str) -> bool:
        """True when reads no longer see the past of an object. Asking counts as a read."""
        if self._lag == NO_LAG:
            return True
        with self._transaction() as connection:
            return self._past(connection, id_) is None

    def count(self, pattern: str) -> int:
        """Count one more operation that matches a pattern, durably; answers how many there were, this one included."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO counters VALUES (?, 0)", (pattern,))
            connection.execute("UPDATE counters SET count = count + 1 WHERE pattern = ?", (pattern,))
            row = connection.execute("SELECT count FROM counters WHERE pattern = ?", (pattern,)).fetchone()
        return int(row[0])

    def keep_secret(self, id_: str, secret: str) -> None:
        """Note that an object was given a secret: nobody can read it again, but compare it."""
        with self._transaction() as connection:
            digest = hashlib.sha256(secret.encode()).hexdigest()
            connection.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (id_, digest))

    def close(self) -> None:
        """Close every thread's connection."""
        connections, self._connections = self._connections, []
        self._local = threading.local()
        for connection in connections:
            connection.close()

    # --- connections

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._writing:
                connection = _open(self.path)
                self._connections.append(connection)
            self._local.connection = connection
        return connection

    # --- eventual consistency

    def _remember(self, connection: sqlite3.Connection, type_: str, id_: str, before: str | None) -> None:
        """Let reads see the object as it was before, for a while."""
        if self._lag != NO_LAG:
            until = self._clock() + self._lag.seconds if self._lag.seconds else None
            connection.execute(
                "INSERT OR REPLACE INTO lags VALUES (?, ?, ?, ?, ?)", (id_, type_, before, self._lag.reads, until)
            )

    def _past(self, connection: sqlite3.Connection, id_: str) -> _Past | None:
        """What a read still sees of an object instead of the present; None when it sees the present."""
        row = connection.execute("SELECT type, attributes, reads, until FROM lags WHERE id = ?", (id_,)).fetchone()
        if row is None:
            return None
        type_, attributes, reads, until = row
        if reads <= 0 and (until is None or self._clock() >= until):
            connection.execute("DELETE FROM lags WHERE id = ?", (id_,))
            return None
        connection.execute("UPDATE lags SET reads = reads - 1 WHERE id = ?", (id_,))
        return _Past(type_, None if attributes is None else _load(attributes))

    def _show_past(self, ids: Sequence[str], found: dict[str, tuple[str, Attributes]]) -> None:
        with self._transaction() as connection:
            for id_ in ids:
                past = self._past(connection, id_)
                if past is not None:
                    found.pop(id_, None)
                    if past.attributes is not None:
                        found[id_] = (past.type, past.attributes)


@dataclass(frozen=True, slots=True)
class _Past:
    """An object as it was before a change; `attributes` None: it did not exist."""

    type: str
    attributes: Attributes | None


def _load(attributes: str) -> Attributes:
    return orjson.loads(attributes)


def _open(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode to the file, which is made with its folder when it is not there."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            _begin_wal(connection)
        if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'secrets'").fetchone()[0] == 0:
            connection.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                connection.execute(table)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_wal(connection: sqlite3.Connection) -> None:
    """Change the journal mode. SQLite does not wait for other processes here, so this does."""
    deadline = time.monotonic() + _BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _existing(connection: sqlite3.Connection, type_: str, id_: str) -> str | None:
    row = connection.execute("SELECT attributes FROM objects WHERE id = ? AND type = ?", (id_, type_)).fetchone()
    return None if row is None else row[0]


def _require_network(connection: sqlite3.Connection, attributes: Attributes) -> None:
    network = attributes.get("network_id")
    if network is not None and _existing(connection, "mock_network", network) is None:
        raise CloudError("InvalidNetwork.NotFound", f"There is no mock_network with the id {network}.")
