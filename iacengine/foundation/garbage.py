"""Python's cyclic garbage collector, kept out of bulk work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = (50_000, 20, 20)


def collect_rarely() -> None:
    """For a process that runs one command: look for garbage after many more new objects than Python would.

    Loading modules makes some 100,000 objects, nearly all of which stay; Python looks at the young ones every 700.
    """
    gc.set_threshold(*_RARELY)


def skip_last_collection() -> None:
    """Call before the process ends: Python then does not search what the system is about to take back anyway.

    Its last searches cost half as much as loading all modules did. Files are still flushed, and `atexit` runs.
    """
    gc.freeze()


@contextmanager
def collection_paused() -> Iterator[None]:
    """Don't look for garbage while many objects are made that all stay: looking would take half of the time or more."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
