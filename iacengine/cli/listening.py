"""What a run's events become: lines of JSON, a live view, or plain lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from iacengine.cli.failures import print_diagnostics
from iacengine.cli.terminal import Terminal, silence_broken_streams
from iacengine.plan.events import Event, Listener, StepStarted, Warned

if TYPE_CHECKING:
    from iacengine.cli.views.ui_json import UiLines


class _Progress(Protocol):
    def hear(self, event: Event) -> None: ...

    def close(self) -> None: ...


@contextmanager
def listening(terminal: Terminal, ui: UiLines | None, total: int = 0) -> Iterator[Listener]:
    """A listener for the time of a run. `total` is the number of steps, where it is known."""
    if ui is not None:
        from iacengine.cli.views.progress import Heartbeat  # lazy: a plan of constants hears nothing

        lines = ui

        def still(event: StepStarted, elapsed: int) -> None:
            with surviving():
                lines.still_running(event, elapsed)
                sys.stdout.flush()

        heartbeat = Heartbeat(still)

        def to_json(event: Event) -> None:
            heartbeat.hear(event)
            with heartbeat.lock:
                lines.event(event)
                sys.stdout.flush()

        try:
            yield _surviving(to_json)
        finally:
            heartbeat.close()
        return
    progress = _progress(terminal, total)

    def to_people(event: Event) -> None:
        if isinstance(event, Warned):
            print_diagnostics([event.diagnostic], terminal)
        else:
            progress.hear(event)

    try:
        yield _surviving(to_people)
    finally:
        progress.close()


@contextmanager
def surviving() -> Iterator[None]:
    """A run goes on to its end when nobody reads any more what is printed, in whatever thread that is."""
    try:
        yield
    except BrokenPipeError:
        silence_broken_streams()


def _surviving(listener: Listener) -> Listener:
    def hear(event: Event) -> None:
        with surviving():
            listener(event)

    return hear


def _progress(terminal: Terminal, total: int) -> _Progress:
    if terminal.live:
        from iacengine.cli.views.live import LiveProgress  # lazy: rich is for terminals

        return LiveProgress(total, color=terminal.color)
    from iacengine.cli.views.progress import PlainProgress  # lazy, as above

    def write(line: str) -> None:
        with surviving():
            sys.stdout.write(line)
            sys.stdout.flush()

    return PlainProgress(write)
