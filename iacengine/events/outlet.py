"""Outlets: what takes events from a run and never holds it up.

A file is written at once, so that an event is there when the next thing happens. Anything that may be slow or away is
fed by a thread of its own from a queue of limited length; what does not fit, or cannot be handed over, is counted.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from iacengine.events.sink import EventSink, SinkError
from iacengine.foundation.diagnostics import failure

LIMIT = 10_000
"""How many events may wait."""

_BATCH = 500
_PAUSES = (0.1, 0.3, 1.0, 3.0)
"""Seconds between attempts; the last one again and again."""

_LAST_TRIES = 3
_LAST_PAUSE = 0.1
"""What is away when a run ends is tried so many times more, so many seconds apart."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of the events: how many did not arrive for sure, where, and why."""

    lost: int
    where: str
    why: str = ""


class Outlet(Protocol):
    """Takes the events of one run."""

    def put(self, event: bytes) -> None:
        """Take one event: a JSON text without a newline. Raises nothing, and does not wait."""

    def close(self, timeout: float) -> Losses:
        """Hand over what still waits, for at most so many seconds."""


class FileOutlet:
    """Appends lines to an open file, one write each."""

    def __init__(self, descriptor: int, where: str, *, owned: bool = True) -> None:
        self._descriptor, self._where, self._owned = descriptor, where, owned
        self._lost, self._why = 0, ""

    def put(self, event: bytes) -> None:
        rest = event + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as problem:
            self._lost += 1
            self._why = self._why or problem.strerror or "it cannot be written"

    def close(self, timeout: float) -> Losses:
        if self._owned:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        return Losses(self._lost, self._where, self._why)


class QueueOutlet:
    """Feeds a sink from a thread. Every event is sent at least once, in order, or counted as lost."""

    def __init__(
        self,
        sink: EventSink,
        run: str,
        *,
        limit: int = LIMIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sink, self._run, self._limit = sink, run, limit
        self._clock, self._sleep = clock, sleep
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._dropped, self._why = 0, ""
        self._deadline: float | None = None
        self._closing = threading.Event()
        self._last_tries = _LAST_TRIES
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    def put(self, event: bytes) -> None:
        with self._changed:
            if len(self._waiting) >= self._limit:
                self._dropped += 1
                self._why = self._why or "it takes them more slowly than they come"
                return
            self._waiting.append(event)
            self._changed.notify()

    def close(self, timeout: float) -> Losses:
        with self._changed:
            self._deadline = self._clock() + timeout
            self._closing.set()
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            lost = self._dropped + len(self._waiting)
            why = self._why or ("it did not answer in time" if lost else "")
        return Losses(lost, self._sink.describe(), why)

    def _work(self) -> None:
        attempt = 0
        while True:
            with self._changed:
                while not self._waiting and self._deadline is None:
                    self._changed.wait()
                batch = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
            if not batch:
                self._sink.close()
                return
            try:
                self._sink.send(self._run, batch)
            except SinkError as problem:
                if not self._try_again(str(problem), _PAUSES[min(attempt, len(_PAUSES) - 1)]):
                    self._sink.close()
                    return
                attempt += 1
                continue
            attempt = 0
            with self._changed:
                for _ in batch:
                    self._waiting.popleft()

    def _try_again(self, why: str, pause: float) -> bool:
        """Wait a while, or until the run ends; False when there is no more time."""
        self._why = why
        if not self._closing.is_set():
            self._closing.wait(pause)
            return True
        self._last_tries -= 1
        if self._last_tries > 0:
            self._sleep(_LAST_PAUSE)
        return self._last_tries > 0 and (self._deadline is None or self._clock() < self._deadline)


def open_file(path: str) -> int:
    """Open a file to append to, made for its owner alone. Raises DiagnosticsError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        pipe = stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - text in
    except OSError:
        pipe = False
    try:
        descriptor = os.open(path, flags | (os.O_NONBLOCK if pipe else 0), 0o600)
    except OSError as problem:
        why = "nobody reads this pipe" if pipe else problem.strerror
        raise failure(
            "Events cannot be written",
            f"{path}: {why}. Nothing was done.",
            remedy="Name a file in a folder that exists and that you may write to.",
        ) from None
    return descriptor


def is_pipe(descriptor: int) -> bool:
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode)


class PipeSink:
    """Hands events to whoever reads a named pipe."""

    def __init__(self, descriptor: int, where: str) -> None:
        os.set_blocking(descriptor, True)
        self._descriptor, self._where = descriptor, where

    def describe(self) -> str:
        return self._where

    def send(self, run: str, events: Sequence[bytes]) -> None:
        rest = b"".join(event + b"\n" for event in events)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as problem:
            raise SinkError(problem.strerror) from None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
