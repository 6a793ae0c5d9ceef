"""The stream of one run's events: numbered, timed, handed to an outlet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from iacengine.events.document import SCHEMA, event_document
from iacengine.events.outlet import FileOutlet, Losses, Outlet, PipeSink, QueueOutlet, is_pipe, open_file
from iacengine.events.sink import open_sink
from iacengine.foundation.diagnostics import Diagnostic, warning
from iacengine.plan.events import Event, Listener

CLOSE_TIMEOUT = 5.0
"""Seconds that the end of a run waits for a sink to take what is left."""


def utc_now() -> str:
    """The time as RFC 3339, UTC, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventStream:
    """Tells what happens in a run. Nothing here fails, or waits for anybody, before `close`."""

    def __init__(self, outlet: Outlet, run: str, *, now: Callable[[], str] = utc_now) -> None:
        self._outlet, self._run, self._now = outlet, run, now
        self._sequence = 0
        self._lock = threading.Lock()

    def emit(self, document: dict[str, Any]) -> None:
        """Tell a document, which has a `type`."""
        with self._lock:
            self._sequence += 1
            head = {"schema": SCHEMA, "run": self._run, "sequence": self._sequence, "time": self._now()}
            try:
                line = orjson.dumps(head | document)
            except TypeError:  # a lone surrogate
                line = orjson.dumps(head | {"type": document["type"], "unreadable": True})
            self._outlet.put(line)

    def hear(self, event: Event) -> None:
        self.emit(event_document(event))

    def listening(self, listener: Listener) -> Listener:
        """A listener that tells everything here too."""

        def hear(event: Event) -> None:
            self.hear(event)
            listener(event)

        return hear

    def close(self, timeout: float = CLOSE_TIMEOUT) -> Diagnostic | None:
        """Hand over what still waits; a warning when not everything has arrived."""
        return _told(self._outlet.close(timeout))


def open_stream(target: str, run: str, standard_output: int) -> EventStream:
    """The stream of a run to a target: a file, `-` (the descriptor of standard output), or the URL of a sink.

    Raises DiagnosticsError when there can be no such target. A server that cannot be reached is told of at the end.
    """
    return EventStream(_outlet(target, run, standard_output), run)


def _outlet(target: str, run: str, standard_output: int) -> Outlet:
    if target == "-":
        return FileOutlet(standard_output, "standard output", owned=False)
    if "://" in target:
        return QueueOutlet(open_sink(target), run)
    descriptor = open_file(target)
    return QueueOutlet(PipeSink(descriptor, target), run) if is_pipe(descriptor) else FileOutlet(descriptor, target)


def _told(losses: Losses) -> Diagnostic | None:
    if not losses.lost:
        return None
    count = f"{losses.lost} event{'' if losses.lost == 1 else 's'}"
    return warning(
        "Events were lost",
        f"{losses.where} did not get {count} of this run: {losses.why}.",
        remedy="The run itself is not affected, and its record has every step: see `iac runs show`.",
    )
