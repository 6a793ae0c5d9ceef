"""The executor: follows the steps of a plan, many at once, with a journal entry before and after each.

One thread (the caller's) decides and evaluates; provider calls run in a pool. Every round takes what is ready, writes
all entries of the round in one flush (what just ended, what is about to begin), and only then calls the providers.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from iacengine.addresses import ResourceInstance, parse_provider_reference
from iacengine.apply.interruption import heeding_interrupts
from iacengine.apply.operations import Task, Undecided, perform, perform_again, with_what_is_there
from iacengine.apply.preparing import Job, prepare
from iacengine.apply.progress import Progress
from iacengine.apply.provisioning.stopping import Stopping
from iacengine.apply.reading import Reading
from iacengine.apply.retries import Answer, Retries, failure_of
from iacengine.apply.settling import done, settle, settle_reading, text_id, told_deposed
from iacengine.apply.work import Work
from iacengine.apply.working import AppliedValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, Severity, has_errors, warning
from iacengine.plan.events import (
    Listener,
    ProvisionFinished,
    ProvisionOutput,
    ProvisionStarted,
    StepRetrying,
    StepStarted,
    Warned,
)
from iacengine.plan.model import Change, Plan, PlanMode
from iacengine.provider.instances import Providers
from iacengine.provider.pace import Pace
from iacengine.provider.protocol import ApplyResponse
from iacengine.state.journal_entries import JournalEntry, Operation
from iacengine.state.model import ObjectKey, ResourceObject

if TYPE_CHECKING:
    from iacengine.apply.provisioning.model import Provisioning

Append = Callable[[list[JournalEntry]], None]

_LOCAL_ROUND = 256
"""How many calls a round may hold whose provider answers without I/O: they cost nothing but the flush."""

_UNHEARD = 10_000
"""How many lines of provisioners may wait to be told."""


class Interrupted(BaseException):
    """The user asked twice to stop: running calls were left alone, the journal tells of them."""


class Executor:
    """One run over the steps of a plan. `require` raises LockLostError when its lock is surely held no more."""

    def __init__(
        self,
        plan: Plan,
        values: AppliedValues,
        providers: Providers,
        append: Append,
        require: Callable[[], None],
        parallelism: int,
        listener: Listener,
        findings: Findings,
    ) -> None:
        self.work = Work(plan, values, providers, listener, findings)
        self.stopping = Stopping()
        self._append = append
        self._require = require
        self._parallelism = parallelism
        self._results: queue.SimpleQueue[tuple[Job | Provisioning, Answer] | None] = queue.SimpleQueue()
        self._retries = Retries()
        self._last: set[int] = set()
        self._paces: dict[str, Pace] = {}
        self._calls: dict[int, tuple[int, float]] = {}
        self._started: dict[int, float] = {}
        self._running = 0
        self._pool: ThreadPoolExecutor | None = None
        self._disturbable = True
        self._given_up = False
        self._broken = False

    @property
    def progress(self) -> Progress:
        return self.work.progress

    @property
    def objects(self) -> dict[ObjectKey, ResourceObject]:
        """The state as it becomes."""
        return self.work.objects

    # --- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Execute every step that can be. Raises Interrupted when told twice to stop."""
        try:
            with heeding_interrupts(self.interrupt):
                try:
                    self._run()
                except Exception:
                    self._await_running()
                    raise
        except Interrupted:
            self.stopping.kill()
            self.work.providers.abandon()
            raise
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._flush()
        if self.work.progress.is_ending:
            self.work.skip_rest()

    @property
    def running(self) -> tuple[ResourceInstance, ...]:
        """Whose calls have begun and not ended."""
        return tuple(
            self.work.plan.changes[self.work.plan.steps[number].change].address for number in sorted(self._started)
        )

    def _run(self) -> None:
        told = False
        while True:
            self._round()
            if self._running and self.work.progress.interrupted and not told:
                told = True
                self.work.listener(Warned(_waiting(self._running)))
            if self._running or self._retries:
                self._collect()
            elif self.work.progress.is_ending or not (self.work.agenda.ready or self.work.agenda.has_held):
                return

    def _await_running(self) -> None:
        """Let the calls that run come to their end, and note what they answer, after something that ends the run.

        What waits to be tried again is left alone: the journal knows that it began.
        """
        self._broken = True
        while self._running:
            found = self._next_result(None)
            if found is None:
                continue
            self._running -= 1
            with contextlib.suppress(Exception):  # what ended the run is told, and the journal knows that this began
                self._take(*found)

    def _round(self) -> None:
        """Start what is ready, up to the parallelism; write the journal once, before the first call."""
        work, agenda = self.work, self.work.agenda
        if self._retries or agenda.has_held:
            self._try_again()
        ready, progress = agenda.ready, work.progress
        changes, steps = work.plan.changes, work.plan.steps
        jobs: list[Job] = []
        local = 0
        while ready and not progress.is_ending and self._running + len(jobs) - local < self._parallelism:
            number = ready.popleft()
            if steps[number].operation is not None:
                pace = self._pace(changes[steps[number].change].provider)
                if pace.limit < pace.most and not pace.room(monotonic()):
                    agenda.hold(number, pace)
                    continue
            job = prepare(work, number, self._provision)
            if job is None:
                continue
            jobs.append(job)
            if isinstance(job, Task):
                work.begin(job)
            if not job.provider.is_local:
                self._begin_call(job)
                continue
            local += 1
            if local >= _LOCAL_ROUND:
                break
        if jobs:
            self._flush()
        for job in jobs:
            self._start(job)

    def _try_again(self) -> None:
        """Make calls again whose time has come, as far as there is room."""
        if self.work.progress.is_ending:
            for retrying in self._retries.give_up():
                if not self._look_up(retrying.job, retrying.answer):
                    with self._undisturbed():
                        self._take(retrying.job, retrying.answer, last=True)
            return
        self._retries.move_due()
        for provider in [*self._retries.due]:
            pace = self._pace(provider)
            for _ in range(min(pace.room(monotonic()), len(self._retries.due[provider]))):
                if self._running >= self._parallelism:
                    break
                job = self._retries.take(provider)
                self._begin_call(job)
                again = partial(perform_again, absent=self._retries.absent)
                self._submit(job, again if self._retries.may_be_done(job) else None)
        self.work.agenda.release(monotonic())

    def _look_up(self, job: Job, answer: Answer) -> bool:
        """Have it looked up what an operation did all the same that is not tried again; False when it did nothing."""
        if not self._retries.may_be_done(job) or answer.state is not None:
            return False
        self._last.add(job.step)
        self._submit(job, partial(with_what_is_there, answer=answer))
        return True

    def _pace(self, provider: str) -> Pace:
        pace = self._paces.get(provider)
        if pace is None:
            pace = self._paces[provider] = self.work.providers.pace(provider)
        return pace

    def _begin_call(self, job: Job) -> None:
        self._calls[job.step] = (self._pace(job.change.provider).begin(), monotonic())

    def _provision(self, task: Task, index: int = 0) -> bool:
        """Start the provisioner at a place among those of a step; False when there is none. Raises DiagnosticsError."""
        from iacengine.apply.provisioning import course  # lazy: few objects have provisioners

        if task.operation is Operation.DELETE and (self._ending or self.work.plan.mode is PlanMode.ROLLBACK):
            return False
        job = course.prepare_provisioner(self.work.values, task, index, self.work.objects.get((task.address, "")))
        if job is None:
            return False
        if self._ending:
            raise DiagnosticsError(course.interrupted(task))
        self._flush()
        self._tell_started(task)
        self.work.listener(ProvisionStarted(task.step, task.address, job.provisioner.type))
        self._submit(job)
        return True

    @property
    def _ending(self) -> bool:
        return self.work.progress.is_ending or self._broken

    def _flush(self) -> None:
        """Write what is pending to the journal. When that fails it stays pending: the end of the run tries again."""
        if self.work.pending:
            with self._undisturbed():
                self._append(self.work.pending)
                self.work.pending = []

    def _start(self, job: Job) -> None:
        self._tell_started(job)
        if job.provider.is_local:
            with self._undisturbed():
                self._take(job, _call(job))
            return
        self._submit(job)

    def _tell_started(self, job: Job) -> None:
        if job.step in self._started:  # by its provisioners, which come before
            return
        if isinstance(job, Task):
            self.work.listener(StepStarted(job.step, job.operation, job.address, told_deposed(job), _id(job.change)))
        else:
            self.work.listener(StepStarted(job.step, Operation.READ, job.address))
        self._started[job.step] = monotonic()

    def _submit(self, job: Job | Provisioning, call: Callable[[Any], Answer] | None = None) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._parallelism, thread_name_prefix="apply")
        self._require()  # a process that was frozen, or waited to try again, may have lost its lock meanwhile
        self._running += 1
        if call is None:
            call = _call if isinstance(job, Task | Reading) else self._run_provisioner
        self._pool.submit(self._work, job, call)

    def _work(self, job: Job | Provisioning, call: Callable[[Any], Answer]) -> None:
        self._results.put((job, call(job)))

    def _run_provisioner(self, job: Provisioning) -> Answer:
        from iacengine.apply.provisioning.course import run_provisioner  # lazy: few objects have provisioners

        def say(line: str) -> None:
            while self._results.qsize() > _UNHEARD and not self._given_up:
                self.stopping.wait(0.01)  # it prints faster than anybody reads
            self._results.put((job, ProvisionOutput(job.step, job.task.address, job.provisioner.type, line)))

        return run_provisioner(job, say, self.stopping)

    def _take(self, job: Job | Provisioning, answer: Answer, *, last: bool = False) -> None:
        """Note what the call of a step came to. `last`: it is not made again."""
        if isinstance(job, Task | Reading) and not job.provider.is_local:
            if not last and not self._is_final(job, answer):
                return
            answer = self._retries.end(job.step, answer)
        started = self._started.pop(job.step)
        if isinstance(job, Task):
            assert isinstance(answer, ApplyResponse | Undecided), "a task is answered by apply"
            if settle(self.work, job, answer, monotonic() - started):
                self._provision_next(job, 0, started)
        elif isinstance(job, Reading):
            settle_reading(self.work, job, answer, monotonic() - started)
        else:
            self._settle_provisioner(job, answer, started)

    def _is_final(self, job: Job, answer: Answer) -> bool:
        """False for an answer that is not what the step comes to: the call is made again."""
        if job.step in self._last:
            self._last.discard(job.step)
            return True
        number, began = self._calls.pop(job.step)
        pace = self._pace(job.change.provider)
        failure = failure_of(answer)
        throttled = failure.throttled if failure is not None else getattr(answer, "throttled", False)
        pace.end(number, throttled=throttled)
        if failure is None:
            return True
        source = parse_provider_reference(job.change.provider).source
        policy = self.work.providers.retry_policy(source, job.address.resource.type)
        retrying = self._retries.wait(job, answer, failure, policy, began, ending=self._ending)
        if retrying is None:
            return self._broken or not self._look_up(job, answer)
        if failure.throttled:
            pace.hold(retrying.due)
        operation = job.operation if isinstance(job, Task) else Operation.READ
        deposed = told_deposed(job) if isinstance(job, Task) else ""
        self.work.listener(
            StepRetrying(
                job.step,
                operation,
                job.address,
                retrying.wait,
                failure.because,
                retrying.attempt,
                retrying.attempts,
                deposed,
            )
        )
        return False

    def _collect(self) -> None:
        """Wait for one answer, or until a call is to be made again; then take all answers that are there."""
        if not self.work.agenda.ready:
            self._flush()
        found = self._next_result(self._retries.next_due())
        while found is not None:
            self._running -= 1
            with self._undisturbed():
                self._take(*found)
            found = self._next_result(0.0)

    def _next_result(self, timeout: float | None) -> tuple[Job | Provisioning, Answer] | None:
        """The next answer; None when there is none in time (None: forever), or the run is to look about."""
        while True:
            try:
                found = self._results.get(timeout != 0.0, timeout or None)
                if found is None or not isinstance(found[1], ProvisionOutput):
                    return found
                self.work.listener(found[1])
            except queue.Empty:
                return None
            except KeyboardInterrupt:
                self.interrupt()

    def interrupt(self) -> None:
        """Stop starting steps; the second time give up waiting for those that run."""
        if self.work.progress.interrupted:
            self._given_up = True
            if self._disturbable:
                raise Interrupted
            return
        self.work.progress.interrupted = True
        self._results.put(None)  # who waits for another try is to wake up
        _thread.start_new_thread(self._stop_running, ())  # it may take locks that this thread holds just now

    def _stop_running(self) -> None:
        self.stopping.ask()
        self.work.providers.stop()

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """While inside, nobody gives up: what is noted and written here is noted and written whole."""
        before, self._disturbable = self._disturbable, False
        try:
            yield
        finally:
            self._disturbable = before
        if self._given_up and before:
            raise Interrupted

    # --- provisioners ----------------------------------------------------------------------------------------------

    def _provision_next(self, task: Task, index: int, started: float) -> None:
        """Go on with a step whose object was made, or that waits for its provisioners to delete it."""
        self._started[task.step] = started
        try:
            if self._provision(task, index):
                return
        except DiagnosticsError as found:
            self._started.pop(task.step, None)
            self.work.fail(task.step, task.change, found.diagnostics, monotonic() - started)
            return
        if task.operation is Operation.CREATE:
            self._started.pop(task.step, None)
            stored = self.work.objects[(task.address, "")]
            self.work.change({stored.key: replace(stored, tainted=False, protected=task.change.protected)})
            done(self.work, task, monotonic() - started)
        elif self._ending:
            self._started.pop(task.step, None)
            self.work.agenda.ready.append(task.step)  # not begun: it is skipped with all that is left
        else:
            self.work.begin(task)
            self._flush()
            if not task.provider.is_local:
                self._begin_call(task)
            self._start(task)

    def _settle_provisioner(self, job: Provisioning, problems: tuple[Diagnostic, ...], started: float) -> None:
        failed = has_errors(problems)
        self.work.listener(ProvisionFinished(job.step, job.task.address, job.provisioner.type, failed))
        if failed and (self._ending or not job.provisioner.continues):
            self.work.fail(job.step, job.change, problems, monotonic() - started)
            return
        self.work.findings.extend(replace(found, severity=Severity.WARNING) for found in problems)
        self._provision_next(job.task, job.index + 1, started)


def _call(job: Job) -> Answer:
    return perform(job) if isinstance(job, Task) else job.read()


def _waiting(running: int) -> Diagnostic:
    return warning(
        "Interrupted: waiting for what has begun",
        f"{running} operation{'s are' if running != 1 else ' is'} still running; nothing else is started.",
        remedy="To wait for nothing, interrupt once more: the journal tells the next command what had begun.",
    )


def _id(change: Change) -> str | None:
    return text_id(change.prior.attributes) if change.prior is not None else None
