"""A holder of a short lease that is frozen and continued. Run by test_http_backend: frozen_holder.py ADDRESS."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.journal_entries import Closed, Opened
from iacengine.state.lock import LockLostError, lock_claim
from iacengine.state.model import State


def main(address: str) -> None:
    backend = open_backend(BackendSettings("http", {"address": address, "lease": 1}))
    lock = backend.lock(lock_claim("iac apply"), 0)
    state = State("lineage-1", 1)
    backend.write(state, None, lock)
    backend.append([Opened("run", "lineage-1", 1, lock.info.fencing_token, "iac apply", "now")], lock)
    print("holding", flush=True)
    sys.stdin.readline()
    lock.lease.require = lambda: None  # type: ignore[attr-defined]  # as if frozen right after it
    attempt("write", lambda: backend.write(replace(state, serial=6), 5, lock))
    attempt("append", lambda: backend.append([Closed("complete")], lock))
    attempt("clear", lambda: backend.clear_journal(lock))


def attempt(what: str, call: Callable[[], None]) -> None:
    try:
        call()
    except LockLostError:
        print(f"{what}:lost", flush=True)
    else:
        print(f"{what}:done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
