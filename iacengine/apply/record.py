"""The record of a run, made of what is heard of it: written when the run has the lock, and again when it has ended.

A record is for people who ask later who did what. The run does not depend on it: one that cannot be written is a
warning. A run that is killed leaves a record that says `running`, until the next one under the lock knows better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from iacengine.apply.outcome import Outcome
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, warning
from iacengine.plan.events import (
    Event,
    Listener,
    Recovered,
    RollbackFinished,
    RollbackStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from iacengine.plan.model import Plan
from iacengine.state.backends.base import Backend, LockInfo
from iacengine.state.run_record import RunRecord, StepRecord

Warn = Callable[[Diagnostic], None]


def utc_now() -> str:
    """The time as RFC 3339, UTC, in milliseconds: finer than runs follow each other."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunRecorder:
    """Hears what happens in one run under a lock, and keeps its record on the backend.

    `warn` is told when that fails. Nothing is written before `start`, and nothing ever when that is not called.
    """

    def __init__(
        self,
        backend: Backend,
        holder: LockInfo,
        command: str,
        warn: Warn,
        *,
        run: str = "",
        now: Callable[[], str] = utc_now,
    ) -> None:
        self._backend = backend
        self._warn = warn
        self._now = now
        self._started = False
        self._steps: list[StepRecord] = []
        self._running: dict[int, tuple[str, str]] = {}
        self._before_rollback: int | None = None
        self._undoing: tuple[int, dict[str, list[int]]] = (-1, {})
        self._skipped: set[str] = set()
        self._settled = False
        self.record = RunRecord(
            run or holder.id, command, holder.owner, holder.host, holder.pid, now(), outcome="running"
        )

    @property
    def id(self) -> str:
        return self.record.id

    def start(self) -> None:
        """Write that the run goes on, and of the one before that it does not any more. Later calls do nothing."""
        if self._started:
            return
        self._started = True
        self._keep(self._end_former)
        self._keep(lambda: self._backend.record_run(self.record))

    def _end_former(self) -> None:
        """Runs that record themselves hold the lock one after the other: at most the last one may have died."""
        for former in self._backend.runs(1):
            if former.outcome == "running" and former.id != self.id:
                self._backend.record_run(replace(former, outcome="interrupted", ended=former.ended or self._now()))

    def _keep(self, write: Callable[[], None]) -> None:
        try:
            write()
        except DiagnosticsError as found:
            why = " ".join(f"{one.summary}: {one.detail}" if one.detail else one.summary for one in found.diagnostics)
            self._warn(warning("The run is not recorded", f"{why} The run itself goes on as if it were."))

    # --- what happens ----------------------------------------------------------------------------------------------

    def stands_on(self, serial: int | None) -> None:
        """The serial of the state that the run found (None: there was none); the first that is told counts."""
        if self.record.serial_before is None and self.record.serial_after is None:
            self.record = replace(self.record, serial_before=serial, serial_after=serial)

    def led_to(self, serial: int | None) -> None:
        """The serial of the state as it is now."""
        self.record = replace(self.record, serial_after=serial)

    def planned(self, plan: Plan) -> None:
        """A plan was made, and is now to be approved where it does anything."""
        self.stands_on(plan.base_serial)
        self.led_to(plan.base_serial)
        outcome = "declined" if plan.applyable else "complete"
        self.record = replace(
            self.record, outcome="recovered" if self._settled else outcome, on_failure=plan.on_failure
        )

    def begins(self, plan: Plan, digest: str) -> None:
        """A plan is applied from here on; of several waves the first tells what was planned."""
        self.stands_on(plan.base_serial)
        self.record = replace(
            self.record,
            outcome="running",
            on_failure=plan.on_failure,
            plan_digest=self.record.plan_digest or digest,
        )

    def ended(self, outcome: Outcome) -> None:
        """How the apply came to its end."""
        first = next((found.summary for found in outcome.diagnostics if found.is_error), "")
        self.record = replace(
            self.record,
            outcome=outcome_word(outcome),
            serial_after=outcome.state.serial,
            error=self.record.error or first,
        )
        for address in dict.fromkeys(map(str, outcome.skipped)):
            if address not in self._skipped:
                self._steps.append(StepRecord(address, "", "skipped"))  # a run that was broken off does not look closer

    def recovered(self, serial: int | None, *, pending: bool) -> None:
        """What an earlier run had left is settled, or (`pending`) some of it is left."""
        outcome = "paused" if pending else "recovered" if self._settled else "complete"
        self.record = replace(self.record, outcome=outcome, serial_after=serial)

    def did(self, address: str, operation: str) -> None:
        """Something was done to an object without a provider, such as `move`."""
        self._steps.append(StepRecord(address, operation, "done"))

    def listening(self, listener: Listener) -> Listener:
        """A listener that hears everything for the record too."""

        def hear(event: Event) -> None:
            self.hear(event)
            listener(event)

        return hear

    def hear(self, event: Event) -> None:
        """Note what an event says of a step."""
        match event:
            case StepStarted():
                self._running[event.step] = (str(event.address), event.operation.value)
            case StepFinished():
                self._running.pop(event.step, None)
                self._done(StepRecord(str(event.address), event.operation.value, "done", event.elapsed))
            case StepFailed():
                self._running.pop(event.step, None)
                error = next((found.summary for found in event.diagnostics if found.is_error), "")
                failed = StepRecord(str(event.address), event.operation.value, "failed", event.elapsed, error)
                self._steps.append(failed)
            case StepSkipped():
                self._skipped.add(str(event.address))
                self._steps.append(StepRecord(str(event.address), event.operation.value, "skipped"))
            case Recovered():
                self._settled = True
                self._steps.append(StepRecord(str(event.address), f"recover {event.operation.value}", "done"))
            case RollbackStarted():
                self._settled = True
                self._before_rollback = len(self._steps)
            case RollbackFinished():
                self._before_rollback = None
            case _:
                pass

    def _done(self, step: StepRecord) -> None:
        self._steps.append(step)
        if self._before_rollback is None:
            return
        for index in self._of_address().get(step.address, ()):
            self._steps[index] = replace(self._steps[index], outcome="undone")

    def _of_address(self) -> dict[str, list[int]]:
        """Where the finished steps of each address stand that a rollback undoes."""
        assert self._before_rollback is not None, "a rollback goes on"
        if self._undoing[0] != self._before_rollback:
            places: dict[str, list[int]] = {}
            for index, step in enumerate(self._steps[: self._before_rollback]):
                if step.outcome == "done":
                    places.setdefault(step.address, []).append(index)
            self._undoing = (self._before_rollback, places)
        return self._undoing[1]

    # --- the end ---------------------------------------------------------------------------------------------------

    def close_at_once(self) -> None:
        """Write the record of something that was done and over before there was a place to record it."""
        self._started = True
        self.close()

    def close(self, problem: BaseException | None = None) -> None:
        """Write how the run ended; `problem` is what broke it off."""
        if not self._started:
            return
        if problem is not None:
            self._broken_off(problem)
        left = [StepRecord(address, operation, "unsettled") for address, operation in self._running.values()]
        outcome = "complete" if self.record.outcome == "running" else self.record.outcome
        self.record = replace(self.record, outcome=outcome, ended=self._now(), steps=(*self._steps, *left))
        self._keep(lambda: self._backend.record_run(self.record))

    def _broken_off(self, problem: BaseException) -> None:
        if isinstance(problem, DiagnosticsError):
            error = next((found.summary for found in problem.diagnostics if found.is_error), "")
        else:
            error = "" if isinstance(problem, KeyboardInterrupt) else type(problem).__name__
        outcome = "interrupted" if isinstance(problem, KeyboardInterrupt) else "failed"
        self.record = replace(self.record, outcome=outcome, error=self.record.error or error)


@contextmanager
def recording(recorder: RunRecorder) -> Iterator[RunRecorder]:
    """See to it that the record is written again, however the run ends."""
    try:
        yield recorder
    except BaseException as problem:
        recorder.close(problem)
        raise
    recorder.close()


def outcome_word(outcome: Outcome) -> str:
    """How an apply ended, in the words of `RunRecord`."""
    if outcome.unsettled and outcome.interrupted:
        return "interrupted"
    if outcome.is_rolled_back:
        return "rolled back"
    if outcome.needs_recovery:
        return "paused"
    if outcome.interrupted:
        return "interrupted"
    return "complete" if outcome.ok else "failed"
