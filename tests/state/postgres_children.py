"""Processes that work on a state in PostgreSQL. Run by test_postgres_backend: postgres_children.py ROLE SETTINGS…

`holder`: takes the lock, says so, waits for a line, and tries to write all it can, by a clock that stands still.
`writers COUNT ROUNDS`: so many processes at once, each of which writes so many states.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any

from iacengine.foundation.database import Database, DatabaseSettings
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.postgres import PostgresBackend, open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Changed, Opened
from iacengine.state.lock import lock_claim
from iacengine.state.model import State


def hold(settings: dict[str, Any]) -> None:
    database = Database(DatabaseSettings(settings["conn_str"], "the test", settings["schema_name"]))
    backend = PostgresBackend(database, settings["stack"], lease=0.3, clock=lambda: 0.0)
    lock = backend.lock(lock_claim("frozen"), 0)
    opened = Opened("frozen", "lineage-1", 1, lock.info.fencing_token, "frozen", "2026-01-01T00:00:00Z")
    backend.append([opened], lock)
    print("held", flush=True)
    sys.stdin.readline()
    lock.require()
    attempts = (
        lambda: backend.write(State("lineage-1", 2), 1, lock),
        lambda: backend.append([Changed({})], lock),
        lambda: backend.clear_journal(lock),
    )
    for attempt in attempts:
        lock.lease._lost = None  # what the server said before is forgotten: it has to say it again
        try:
            attempt()
            print("written", flush=True)
        except DiagnosticsError as refused:
            print(type(refused).__name__, flush=True)


def write_often(settings: dict[str, Any], count: int, rounds: int) -> None:
    children = []
    for child in range(count):
        pid = os.fork()
        if pid == 0:
            write_rounds(settings, child, rounds)
            os._exit(0)
        children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    sys.exit(len(failed))


def write_rounds(settings: dict[str, Any], child: int, rounds: int) -> None:
    backend = open_backend(BackendSettings("postgres", settings))
    for _ in range(rounds):
        lock = backend.lock(lock_claim(f"child {child}"), 120)
        state = backend.read()
        serial = state.serial if state is not None else None
        opened = Opened("r", "lineage-1", serial or 0, lock.info.fencing_token, "c", "2026-01-01T00:00:00Z")
        backend.append([opened], lock)
        state = replace(state or State("lineage-1", 0), serial=(serial or 0) + 1)
        backend.write(state, serial, lock)
        backend.clear_journal(lock)
        lock.release()
    backend.close()


if __name__ == "__main__":
    role, given, *numbers = sys.argv[1:]
    if role == "holder":
        hold(json.loads(given))
    else:
        write_often(json.loads(given), *map(int, numbers))
