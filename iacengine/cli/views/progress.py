"""A running apply as lines, one for each start and end, and one every ten seconds for what takes longer."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from typing import Final

from iacengine.cli.views import phrases
from iacengine.plan.events import (
    EphemeralFinished,
    EphemeralStarted,
    Event,
    ProvisionFinished,
    ProvisionOutput,
    ProvisionStarted,
    ReadFinished,
    ReadStarted,
    Recovered,
    RefreshFinished,
    RefreshStarted,
    RollbackFinished,
    RollbackStarted,
    StepFailed,
    StepFinished,
    StepRetrying,
    StepSkipped,
    StepStarted,
    Warned,
)
from iacengine.state.journal_entries import Operation

INTERVAL: Final = 10.0
"""Seconds after which a step that still runs is mentioned, again and again."""

StillRunning = Callable[[StepStarted, int], None]


def elapsed_text(seconds: float) -> str:
    """`0s`, `59s`, `1m5s`, `2h0m3s`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    text = f"{whole % 60}s"
    if whole >= 60:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def event_line(event: Event) -> str | None:
    """The line of an event; None when it deserves none."""
    match event:
        case StepStarted():
            id_ = f" [id={event.id}]" if event.id and event.operation is not Operation.CREATE else ""
            return f"{_address(event)}: {phrases.STARTED[event.operation]}{id_}"
        case StepRetrying():
            return f"{_address(event)}: {phrases.retrying(event)}"
        case StepFinished():
            id_ = f" [id={event.id}]" if event.id and event.operation is not Operation.DELETE else ""
            after = elapsed_text(event.elapsed)
            return f"{_address(event)}: {phrases.FINISHED[event.operation]} after {after}{id_}"
        case StepFailed():
            return f"{_address(event)}: {phrases.ERRORED[event.operation]} after {elapsed_text(event.elapsed)}"
        case StepSkipped():
            return f"{event.address}: Skipped ({event.because})"
        case ProvisionStarted():
            return f"{event.address}: Provisioning with '{event.provisioner}'..."
        case ProvisionOutput():
            return f"{event.address} ({event.provisioner}): {event.line}"
        case ProvisionFinished():
            return None
        case RefreshStarted():
            return f"{event.type}: Refreshing {event.total} object{'s' if event.total != 1 else ''}..."
        case RefreshFinished() | ReadStarted() | ReadFinished():
            return None
        case EphemeralStarted():
            return f"{event.address}: {phrases.EPHEMERAL[event.action]}..."
        case EphemeralFinished():
            how = "errored" if event.failed else "complete"
            return f"{event.address}: {phrases.EPHEMERAL[event.action]} {how} after {elapsed_text(event.elapsed)}"
        case Recovered():
            return f"{event.address}: Recovered an interrupted {event.operation.value}: {event.outcome}"
        case RollbackStarted():
            if not event.total:
                return "\nThe apply did not come to its end, and nothing has to be undone."
            steps = "1 step" if event.total == 1 else f"{event.total} steps"
            return f"\nThe apply did not come to its end: undoing what it did, in {steps}..."
        case RollbackFinished():
            if event.left:
                return "Not all is undone."
            return "All is undone, some under a new id." if event.renamed else "All is as it was before."
        case Warned():
            return None


def still_line(event: StepStarted, elapsed: int) -> str:
    id_ = f"id={event.id}, " if event.id else ""
    return f"{_address(event)}: {phrases.RUNNING[event.operation]} [{id_}{elapsed_text(elapsed)} elapsed]"


def _address(event: StepStarted | StepRetrying | StepFinished | StepFailed) -> str:
    return f"{event.address} (deposed object {event.deposed})" if event.deposed else str(event.address)


class Heartbeat:
    """Calls `still_running` for steps that run longer than the interval, from a thread that sleeps in between.

    The thread starts with the first step and ends with `close`. `still_running` is called under `lock`, which the
    caller takes for its own output too.
    """

    def __init__(
        self,
        still_running: StillRunning,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._still_running = still_running
        self._interval = interval
        self._clock = clock
        self._running: dict[int, tuple[StepStarted, float]] = {}
        self._due: list[tuple[float, int, float]] = []  # when, step, started at
        self._thread: threading.Thread | None = None
        self._closed = False

    def hear(self, event: Event) -> None:
        """Follow what runs."""
        if isinstance(event, StepStarted):
            now = self._clock()
            with self._changed:
                self._running[event.step] = (event, now)
                heapq.heappush(self._due, (now + self._interval, event.step, now))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
                    self._thread.start()
                elif len(self._due) == 1:
                    self._changed.notify()
        elif isinstance(event, StepFinished | StepFailed | StepSkipped):
            with self.lock:
                self._running.pop(event.step, None)

    def tell_due(self) -> float | None:
        """Mention every step that is due; the seconds until the next one is, or None when nothing is awaited."""
        now = self._clock()
        while self._due:
            when, step, started = self._due[0]
            current = self._running.get(step)
            if current is None or current[1] != started:
                heapq.heappop(self._due)  # it ended
            elif when > now:
                return when - now
            else:
                heapq.heapreplace(self._due, (when + self._interval, step, started))
                self._still_running(current[0], round(when - started))
        return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                self._changed.wait(self.tell_due())


class PlainProgress:
    """Prints a line for each event, and an empty one at the end of them."""

    def __init__(self, write: Callable[[str], object], heartbeat_interval: float = INTERVAL) -> None:
        self._write = write
        self._wrote = False
        self._heartbeat = Heartbeat(self._still, interval=heartbeat_interval)

    def hear(self, event: Event) -> None:
        self._heartbeat.hear(event)
        line = event_line(event)
        if line is not None:
            with self._heartbeat.lock:
                self._write(line + "\n")
                self._wrote = True

    def close(self) -> None:
        self._heartbeat.close()
        if self._wrote:
            self._write("\n")

    def _still(self, event: StepStarted, elapsed: int) -> None:
        self._write(still_line(event, elapsed) + "\n")
