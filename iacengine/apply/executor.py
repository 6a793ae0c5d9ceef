"""The executor: follows the steps of a plan, many at once, with a journal entry before and after each.

One thread (the caller's) decides and evaluates; provider calls run in a pool. Every round takes what is ready, writes
all entries of the round in one flush (what just ended, what is about to begin), and only then calls the providers.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from iacengine.addresses import ResourceInstance, parse_provider_reference
from iacengine.apply.interruption import heeding_interrupts
from iacengine.apply.operations import (
    Task,
    answer_problems,
    looked_up,
    perform,
    planned_object,
    prepare_delete,
    prepare_forward,
    prepare_restore,
    settled_object,
    unusable_answer,
)
from iacengine.apply.provisioning.stopping import Stopping
from iacengine.apply.reading import Reading
from iacengine.apply.renaming import Renaming
from iacengine.apply.working import AppliedValues
from iacengine.evaluation.conditions import Status, judge
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, Severity
from iacengine.lang.values import UNKNOWN, Value, is_wholly_known
from iacengine.plan.events import (
    Listener,
    ProvisionFinished,
    ProvisionOutput,
    ProvisionStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from iacengine.plan.managed import evaluate_config
from iacengine.plan.model import Change, ChangeCounts, Plan, PlanMode
from iacengine.plan.prior import stored_value
from iacengine.provider.instances import Providers
from iacengine.provider.protocol import ApplyResponse
from iacengine.schema.errors import SchemaError
from iacengine.state.journal_entries import Begun, Changed, Failed, JournalEntry, Operation, Succeeded
from iacengine.state.model import ObjectKey, ResourceObject

if TYPE_CHECKING:
    from iacengine.apply.provisioning.model import Provisioning

Job = Task | Reading
Answer = Any
"""What a call came to: an `ApplyResponse` for a task; the value, or a DiagnosticsError, for a reading; what went wrong
for a provisioner, and before that the lines it prints, as `ProvisionOutput`."""

Append = Callable[[list[JournalEntry]], None]

_LOCAL_ROUND = 256
"""How many calls a round may hold whose provider answers without I/O: they cost nothing but the flush."""

_UNHEARD = 10_000
"""How many lines of provisioners may wait to be told."""


class Interrupted(BaseException):
    """The user asked twice to stop: running calls were left alone, the journal tells of them."""


@dataclass(slots=True, eq=False)
class Progress:
    """What a run has done so far."""

    add: int = 0
    change: int = 0
    remove: int = 0
    forget: int = 0
    failed: list[ResourceInstance] = field(default_factory=list)
    skipped: list[ResourceInstance] = field(default_factory=list)
    interrupted: bool = False
    broken_off: bool = False
    """A step failed, and all is to be undone: no more steps are begun."""
    committed: bool = False
    """The commit phase has begun."""

    @property
    def is_ending(self) -> bool:
        return self.interrupted or self.broken_off

    def counts(self, imported: int) -> ChangeCounts:
        return ChangeCounts(self.add, self.change, self.remove, imported, self.forget)


class Executor:
    """One run over the steps of a plan. `objects` is the state as it becomes."""

    def __init__(
        self,
        plan: Plan,
        values: AppliedValues,
        providers: Providers,
        append: Append,
        parallelism: int,
        listener: Listener,
        findings: Findings,
    ) -> None:
        self.plan = plan
        self.values = values
        self.providers = providers
        self.listener = listener
        self.findings = findings
        self.progress = Progress()
        self.objects: dict[ObjectKey, ResourceObject] = dict(plan.prior_state.objects)
        self._append = append
        self._parallelism = parallelism
        self._pending: list[JournalEntry] = []
        self._results: queue.SimpleQueue[tuple[Job | Provisioning, Answer]] = queue.SimpleQueue()
        self._started: dict[int, float] = {}
        self._running = 0
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = [len(step.awaits) for step in plan.steps]
        self._dependents: list[list[int]] = [[] for _ in plan.steps]
        for number, step in enumerate(plan.steps):
            for awaited in step.awaits:
                self._dependents[awaited].append(number)
        self._ready: deque[int] = deque(number for number, count in enumerate(self._waiting) if not count)
        self._disturbable = True
        self._given_up = False
        self._broken = False
        self.stopping = Stopping()
        self._blocked: dict[int, str] = {}
        self._deposed: dict[int, str] = {}
        self._renaming = Renaming()

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
            self.providers.abandon()
            raise
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._flush()
        if self.progress.is_ending:
            self._skip_rest()

    @property
    def running(self) -> tuple[ResourceInstance, ...]:
        """Whose calls have begun and not ended."""
        return tuple(self.plan.changes[self.plan.steps[number].change].address for number in sorted(self._started))

    def _run(self) -> None:
        while True:
            self._round()
            if self._running:
                self._collect()
            elif not self._ready or self.progress.is_ending:
                return

    def _await_running(self) -> None:
        """Let the calls that run come to their end, and note what they answer, after something that ends the run."""
        self._broken = True
        while self._running:
            job, answer = self._next_result()
            self._running -= 1
            with contextlib.suppress(Exception):  # what ended the run is told, and the journal knows that this began
                self._take(job, answer)

    def _round(self) -> None:
        """Start what is ready, up to the parallelism; write the journal once, before the first call."""
        jobs: list[Job] = []
        local = 0
        while self._ready and not self.progress.is_ending and self._running + len(jobs) - local < self._parallelism:
            number = self._ready.popleft()
            job = self._prepare(number)
            if job is None:
                continue
            jobs.append(job)
            if isinstance(job, Task):
                self._pending.append(self._begun(job))
            local += job.provider.is_local
            if local >= _LOCAL_ROUND:
                break
        if jobs:
            self._flush()
        for job in jobs:
            self._start(job)

    def _provision(self, task: Task, index: int = 0) -> bool:
        """Start the provisioner at a place among those of a step; False when there is none. Raises DiagnosticsError."""
        from iacengine.apply.provisioning import course  # lazy: few objects have provisioners

        if task.operation is Operation.DELETE and (self._ending or self.plan.mode is PlanMode.ROLLBACK):
            return False
        job = course.prepare_provisioner(self.values, task, index, self.objects.get((task.address, "")))
        if job is None:
            return False
        if self._ending:
            raise DiagnosticsError(course.interrupted(task))
        self._flush()
        self._tell_started(task)
        self.listener(ProvisionStarted(task.step, task.address, job.provisioner.type))
        self._submit(job)
        return True

    @property
    def _ending(self) -> bool:
        return self.progress.is_ending or self._broken

    def _flush(self) -> None:
        """Write what is pending to the journal. When that fails it stays pending: the end of the run tries again."""
        if self._pending:
            with self._undisturbed():
                self._append(self._pending)
                self._pending = []

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
            self.listener(StepStarted(job.step, job.operation, job.address, _told_deposed(job), _id(job.change)))
        else:
            self.listener(StepStarted(job.step, Operation.READ, job.address))
        self._started[job.step] = monotonic()

    def _submit(self, job: Job | Provisioning) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._parallelism, thread_name_prefix="apply")
        self._running += 1
        self._pool.submit(self._work, job)

    def _work(self, job: Job | Provisioning) -> None:
        self._results.put((job, _call(job) if isinstance(job, Task | Reading) else self._run_provisioner(job)))

    def _run_provisioner(self, job: Provisioning) -> Answer:
        from iacengine.apply.provisioning.course import run_provisioner  # lazy: few objects have provisioners

        def say(line: str) -> None:
            while self._results.qsize() > _UNHEARD and not self._given_up:
                self.stopping.wait(0.01)  # it prints faster than anybody reads
            self._results.put((job, ProvisionOutput(job.step, job.task.address, job.provisioner.type, line)))

        return run_provisioner(job, say, self.stopping)

    def _take(self, job: Job | Provisioning, answer: Answer) -> None:
        """Note what the call of a step came to."""
        started = self._started.pop(job.step)
        if isinstance(job, Task):
            assert isinstance(answer, ApplyResponse), "a task is answered by apply"
            self._settle(job, answer, started)
        elif isinstance(job, Reading):
            self._settle_reading(job, answer, monotonic() - started)
        else:
            self._settle_provisioner(job, answer, started)

    def _collect(self) -> None:
        """Wait for one answer, then take all that are there."""
        if not self._ready:
            self._flush()
        job, answer = self._next_result()
        while True:
            self._running -= 1
            with self._undisturbed():
                self._take(job, answer)
            try:
                while isinstance((found := self._results.get_nowait())[1], ProvisionOutput):
                    self.listener(found[1])
                job, answer = found
            except queue.Empty:
                return

    def _next_result(self) -> tuple[Job | Provisioning, Answer]:
        while True:
            try:
                job, answer = self._results.get()
                if not isinstance(answer, ProvisionOutput):
                    return job, answer
                self.listener(answer)
            except KeyboardInterrupt:
                self.interrupt()

    def interrupt(self) -> None:
        """Stop starting steps; the second time give up waiting for those that run."""
        if self.progress.interrupted:
            self._given_up = True
            if self._disturbable:
                raise Interrupted
            return
        self.progress.interrupted = True
        _thread.start_new_thread(self._stop_running, ())  # it may take locks that this thread holds just now

    def _stop_running(self) -> None:
        self.stopping.ask()
        self.providers.stop()

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

    # --- before a step ---------------------------------------------------------------------------------------------

    def _prepare(self, number: int) -> Job | None:
        """What a ready step asks of its provider; None when it needs no call, and is done (or failed) with that."""
        step = self.plan.steps[number]
        if step.operation is None:
            self._finish(number)
            return None
        change = self.plan.changes[step.change]
        if number in self._blocked:
            self._skip(number, change)
            return None
        try:
            match step.operation:
                case Operation.CREATE | Operation.UPDATE:
                    return self._prepare_forward(number, step.operation, change)
                case Operation.DELETE:
                    task = self._prepare_delete(number, step.change, change)
                    return None if task is not None and self._provision(task) else task
                case Operation.READ:
                    return self._prepare_reading(number, change)
                case Operation.FORGET:
                    self._change(number, {(change.address, change.deposed): None})
                    self.progress.forget += 1
                    self._finish(number)
        except DiagnosticsError as found:
            placed = (each if each.range else replace(each, address=str(change.address)) for each in found.diagnostics)
            self._fail(number, change, tuple(placed), 0.0, told=False)
        return None

    def _prepare_restore(self, number: int, operation: Operation, change: Change) -> Task:
        reference = parse_provider_reference(change.provider)
        if not self.values.setup.of_stored(reference):
            raise DiagnosticsError(self.values.no_provider(change.address, reference))
        schema = self.values.schema(reference, change.address)
        renamed = self._renaming.of(change.dependencies)
        return prepare_restore(number, operation, change, self.providers.configured(reference), schema, renamed)

    def _prepare_forward(self, number: int, operation: Operation, change: Change) -> Task | None:
        if change.restores is not None:
            return self._prepare_restore(number, operation, change)
        block = self.values.block(change.address)
        reference = self.values.setup.of_block(change.address.module.path, block)
        schema = self.values.schema(reference, change.address)
        scope = self.values.scope(change.address, block)
        for condition in block.lifecycle.preconditions:
            verdict = judge(condition, scope, "Resource precondition failed")
            self.values.verdict("resource", str(change.address), verdict)
            if verdict.diagnostic is not None:
                raise DiagnosticsError(verdict.diagnostic)
        task = prepare_forward(number, operation, change, block, self.providers.configured(reference), schema, scope)
        if task is None:
            assert change.prior is not None
            self.values.set_object(change.address, change.before)
            self._change(number, self._refreshed_dependencies(change))
            self._finish(number)
            return None
        if task.deposed:
            self._deposed[self.plan.steps[number].change] = task.deposed
        return task

    def _refreshed_dependencies(self, change: Change) -> dict[ObjectKey, ResourceObject | None]:
        stored = self.objects.get((change.address, ""))
        if stored is None or stored.dependencies == change.dependencies:
            return {}
        return {stored.key: replace(stored, dependencies=change.dependencies)}

    def _prepare_delete(self, number: int, index: int, change: Change) -> Task | None:
        deposed = change.deposed or self._deposed.get(index, "")
        stored = self.objects.get((change.address, deposed))
        if stored is None:
            self._finish(number)
            return None
        reference = parse_provider_reference(stored.provider)
        if not self.values.setup.of_stored(reference):
            raise DiagnosticsError(self.values.no_provider(change.address, reference))
        schema = self.values.schema(reference, change.address)
        return prepare_delete(number, change, stored, self.providers.configured(reference), schema)

    def _begun(self, task: Task) -> Begun:
        prior = self.objects.get((task.address, task.deposed if task.operation is Operation.DELETE else ""))
        commits = self.plan.steps[task.step].commits
        self.progress.committed |= commits
        planned = planned_object(task)
        if planned is not None and self._is_provisioned(task):
            planned = replace(planned, tainted=True)  # what becomes of a create that is cut off here
        return Begun(
            task.step,
            task.operation,
            task.address,
            task.deposed,
            task.request.token,
            task.change.provider,
            prior,
            planned,
            commits,
        )

    def _is_provisioned(self, task: Task) -> bool:
        """True for a create whose object is ready only after its provisioners."""
        if task.operation is not Operation.CREATE or task.change.restores is not None:
            return False
        return any(not each.on_destroy for each in self.values.block(task.address).provisioners)

    def _prepare_reading(self, number: int, change: Change) -> Reading:
        block = self.values.block(change.address)
        reference = self.values.setup.of_block(change.address.module.path, block)
        schema = self.values.schema(reference, change.address)
        config, marks = evaluate_config(block, schema, self.values.scope(change.address, block))
        return Reading(number, change, block, self.providers.configured(reference), schema, config, marks)

    # --- after a step ----------------------------------------------------------------------------------------------

    def _settle(self, task: Task, response: ApplyResponse, started: float) -> None:
        elapsed = monotonic() - started
        problems = answer_problems(task, response)
        failed = any(found.is_error for found in problems)
        try:
            changes = self._state_changes(task, replace(response, diagnostics=problems))
        except (AttributeError, KeyError, TypeError, ValueError, SchemaError):
            problems, failed = (*problems, unusable_answer(task)), True
            changes = self._state_changes(task, replace(looked_up(task), diagnostics=problems))
        restored = changes.get((task.address, ""))
        if task.change.restores is not None and restored is not None:
            self._renaming.note(task.change.restores, restored)
        self._apply_changes(changes)
        if failed:
            message = next(found.summary for found in problems if found.is_error)
            self._pending.append(Failed(task.step, message, changes))
            self._fail(task.step, task.change, problems, elapsed)
            return
        self._pending.append(Succeeded(task.step, changes))
        self.findings.extend(problems)
        if self._is_provisioned(task):
            self._provision_next(task, 0, started)
        else:
            self._done(task, elapsed)

    def _provision_next(self, task: Task, index: int, started: float) -> None:
        """Go on with a step whose object was made, or that waits for its provisioners to delete it."""
        self._started[task.step] = started
        try:
            if self._provision(task, index):
                return
        except DiagnosticsError as found:
            self._started.pop(task.step, None)
            self._fail(task.step, task.change, found.diagnostics, monotonic() - started)
            return
        if task.operation is Operation.CREATE:
            self._started.pop(task.step, None)
            stored = self.objects[(task.address, "")]
            self._change(task.step, {stored.key: replace(stored, tainted=False)})
            self._done(task, monotonic() - started)
        elif self._ending:
            self._started.pop(task.step, None)
            self._ready.append(task.step)  # not begun: it is skipped with all that is left
        else:
            self._pending.append(self._begun(task))
            self._flush()
            self._start(task)

    def _settle_provisioner(self, job: Provisioning, problems: tuple[Diagnostic, ...], started: float) -> None:
        failed = any(found.is_error for found in problems)
        self.listener(ProvisionFinished(job.step, job.task.address, job.provisioner.type, failed))
        if failed and (self._ending or not job.provisioner.continues):
            self._fail(job.step, job.change, problems, monotonic() - started)
            return
        self.findings.extend(replace(found, severity=Severity.WARNING) for found in problems)
        self._provision_next(job.task, job.index + 1, started)

    def _done(self, task: Task, elapsed: float) -> None:
        """A step did what it was to do: tell it, judge what came of it, and let others go on."""
        self._count(task.operation)
        stored = self.objects.get((task.address, "")) if task.operation is not Operation.DELETE else None
        self.listener(
            StepFinished(
                task.step,
                task.operation,
                task.address,
                elapsed,
                _told_deposed(task),
                _text_id(stored.attributes) if stored is not None else None,
            )
        )
        try:
            if task.operation is not Operation.DELETE:
                self._postconditions(task.change, self.values.object(task.address))
        except DiagnosticsError as found:
            self._fail(task.step, task.change, found.diagnostics, elapsed, told=False)
            return
        self._finish(task.step)

    def _settle_reading(self, reading: Reading, value: Value | DiagnosticsError, elapsed: float) -> None:
        if isinstance(value, DiagnosticsError):
            if not self.values.note_unreadable(reading.address, value, self.findings):
                self._fail(reading.step, reading.change, value.diagnostics, elapsed)
                return
            value = reading.unread()
        stored = reading.stored(value)
        self.values.set_object(reading.address, value)
        self._change(reading.step, {stored.key: stored})
        self.listener(
            StepFinished(reading.step, Operation.READ, reading.address, elapsed, id=_text_id(stored.attributes))
        )
        try:
            self._postconditions(reading.change, value)
        except DiagnosticsError as found:
            self._fail(reading.step, reading.change, found.diagnostics, elapsed, told=False)
            return
        self._finish(reading.step)

    def _state_changes(self, task: Task, response: ApplyResponse) -> dict[ObjectKey, ResourceObject | None]:
        address = task.address
        failed = any(found.is_error for found in response.diagnostics)
        if task.operation is Operation.DELETE:
            if failed and response.state is None:
                return {}
            if response.state is None:
                if not task.deposed:
                    self.values.drop_object(address, keep=task.change.action.is_replace)
                return {(address, task.deposed): None}
            stored = self.objects[(address, task.deposed)]
            attributes, paths = stored_value(response.state, task.schema.block)
            left = replace(stored, attributes=attributes, sensitive_paths=paths or stored.sensitive_paths)
            return {left.key: left}
        found, value = settled_object(task, response, task.request.token)
        if found is None:
            return {}
        if self._is_provisioned(task):
            found = replace(found, tainted=True)
        changes: dict[ObjectKey, ResourceObject | None] = {found.key: found}
        before = self.objects.get((address, ""))
        if task.deposed and before is not None:
            changes[(address, task.deposed)] = replace(before, deposed=task.deposed)
        self.values.set_object(address, value)
        return changes

    def _apply_changes(self, changes: dict[ObjectKey, ResourceObject | None]) -> None:
        for key, stored in changes.items():
            if stored is None:
                self.objects.pop(key, None)
            else:
                self.objects[key] = stored

    def _change(self, number: int, changes: dict[ObjectKey, ResourceObject | None]) -> None:
        """A change of the state without a provider call."""
        if changes:
            self._apply_changes(changes)
            self._pending.append(Changed(changes))

    def _count(self, operation: Operation) -> None:
        match operation:
            case Operation.CREATE:
                self.progress.add += 1
            case Operation.UPDATE:
                self.progress.change += 1
            case Operation.DELETE:
                self.progress.remove += 1
            case Operation.READ | Operation.FORGET:
                pass

    def _postconditions(self, change: Change, value: object) -> None:
        if change.restores is not None:
            return
        block = self.values.block(change.address)
        if not block.lifecycle.postconditions:
            return
        scope = self.values.scope(change.address, block).with_names({("self",): value})
        for condition in block.lifecycle.postconditions:
            verdict = judge(condition, scope, "Resource postcondition failed")
            self.values.verdict("resource", str(change.address), verdict)
            if verdict.status in (Status.FAIL, Status.ERROR):
                assert verdict.diagnostic is not None
                raise DiagnosticsError(replace(verdict.diagnostic, address=str(change.address)))

    def _finish(self, number: int) -> None:
        for dependent in self._dependents[number]:
            self._waiting[dependent] -= 1
            if number in self._blocked:
                self._blocked.setdefault(dependent, self._blocked[number])
            if not self._waiting[dependent]:
                self._ready.append(dependent)

    def _fail(
        self, number: int, change: Change, diagnostics: tuple[Diagnostic, ...], elapsed: float, *, told: bool = True
    ) -> None:
        """Note a failure; what awaits the step is skipped, everything else goes on.

        With `on_failure: continue` a failed update blocks nothing: what is there still stands, and dependents use it.
        """
        self.findings.add(*diagnostics)
        self.progress.failed.append(change.address)
        operation = self.plan.steps[number].operation
        assert operation is not None
        if told:
            self.listener(StepFailed(number, operation, change.address, elapsed, diagnostics, change.deposed))
        if self.plan.on_failure == "rollback" and not self.plan.steps[number].commits:
            self.progress.broken_off = True
        if self.plan.on_failure == "continue" and operation is Operation.UPDATE:
            self._stand_as_before(change)
        else:
            self._blocked[number] = str(change.address)
            self._withhold(operation, change.address)
        self._finish(number)

    def _stand_as_before(self, change: Change) -> None:
        """Dependents see the object that is there, not the one that was planned."""
        if not is_wholly_known(self.values.object(change.address)):
            self.values.set_object(change.address, change.before)

    def _skip(self, number: int, change: Change) -> None:
        operation = self.plan.steps[number].operation
        assert operation is not None
        self.progress.skipped.append(change.address)
        self._withhold(operation, change.address)
        self.listener(StepSkipped(number, operation, change.address, f"{self._blocked[number]} failed"))
        self._finish(number)

    def _skip_rest(self) -> None:
        done, ready = set(self.progress.skipped), set(self._ready)
        for number, count in enumerate(self._waiting):
            step = self.plan.steps[number]
            if step.operation is not None and (count or number in ready):
                address = self.plan.changes[step.change].address
                self._withhold(step.operation, address)
                if address not in done:
                    done.add(address)
                    self.progress.skipped.append(address)

    def _withhold(self, operation: Operation, address: ResourceInstance) -> None:
        """What was to be made or changed is not as planned: outputs that refer to it stay as they were."""
        if operation in (Operation.CREATE, Operation.UPDATE, Operation.READ):
            self.values.set_object(address, UNKNOWN)


def _call(job: Job) -> Answer:
    return perform(job) if isinstance(job, Task) else job.read()


def _told_deposed(task: Task) -> str:
    return task.deposed if task.operation is Operation.DELETE else ""


def _text_id(attributes: object) -> str | None:
    found = attributes.get("id") if isinstance(attributes, dict) else None
    return found if isinstance(found, str) else None


def _id(change: Change) -> str | None:
    return _text_id(change.prior.attributes) if change.prior is not None else None
