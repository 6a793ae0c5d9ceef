"""What all parts of one run over the steps of a plan share: what is there by now, and what happened to each step."""

from __future__ import annotations

from dataclasses import replace

from iacengine.addresses import ResourceInstance
from iacengine.apply.agenda import Agenda
from iacengine.apply.operations import Task, planned_object
from iacengine.apply.progress import Progress
from iacengine.apply.renaming import Renaming
from iacengine.apply.working import AppliedValues
from iacengine.evaluation.conditions import Status, judge
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings
from iacengine.lang.values import UNKNOWN, is_wholly_known
from iacengine.plan.events import Listener, StepFailed, StepSkipped
from iacengine.plan.model import Change, Plan
from iacengine.plan.new_names import through_data
from iacengine.provider.instances import Providers
from iacengine.state.journal_entries import Begun, Changed, JournalEntry, Operation
from iacengine.state.model import ObjectKey, ResourceObject


class Work:
    """One run. `objects` is the state as it becomes, `pending` what is to be written to the journal next.

    `deposed`: the key a replaced object got when its successor was made, by the number of the change. `undecided`:
    objects of which nobody could find out what became of them.
    """

    __slots__ = (
        "agenda", "deposed", "findings", "listener", "objects", "pending", "plan", "progress", "providers", "renaming",
        "undecided", "values",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, values: AppliedValues, providers: Providers, listener: Listener, findings: Findings
    ) -> None:
        self.plan = plan
        self.values = values
        self.providers = providers
        self.listener = listener
        self.findings = findings
        self.agenda = Agenda(plan.steps)
        self.progress = Progress()
        self.objects: dict[ObjectKey, ResourceObject] = dict(plan.prior_state.objects)
        self.pending: list[JournalEntry] = []
        self.deposed: dict[int, str] = {}
        self.renaming = Renaming(through_data(plan.target) if plan.target is not None else {})
        self.undecided: list[ResourceInstance] = []

    # --- what is there ---------------------------------------------------------------------------------------------

    def apply_changes(self, changes: dict[ObjectKey, ResourceObject | None]) -> None:
        for key, stored in changes.items():
            if stored is None:
                self.objects.pop(key, None)
            else:
                self.objects[key] = stored

    def change(self, changes: dict[ObjectKey, ResourceObject | None]) -> None:
        """A change of the state without a provider call."""
        if changes:
            self.apply_changes(changes)
            self.pending.append(Changed(changes))

    def begin(self, task: Task) -> None:
        """Let the journal know of a task before its provider does."""
        prior = self.objects.get((task.address, task.deposed if task.operation is Operation.DELETE else ""))
        commits = self.plan.steps[task.step].commits
        self.progress.committed |= commits
        planned = planned_object(task)
        if planned is not None and self.is_provisioned(task):
            planned = replace(planned, tainted=True, protected=False)  # what becomes of a create that is cut off here
        self.pending.append(
            Begun(
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
        )

    def is_provisioned(self, task: Task) -> bool:
        """True for a create whose object is ready only after its provisioners."""
        if task.operation is not Operation.CREATE or task.change.restores is not None:
            return False
        return any(not each.on_destroy for each in self.values.block(task.address).provisioners)

    # --- how steps end ---------------------------------------------------------------------------------------------

    def fail(
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
            self.agenda.blocked[number] = str(change.address)
            self._withhold(operation, change.address)
        self.agenda.finish(number)

    def _stand_as_before(self, change: Change) -> None:
        """Dependents see the object that is there, not the one that was planned."""
        if not is_wholly_known(self.values.object(change.address)):
            self.values.set_object(change.address, change.before)

    def skip(self, number: int, change: Change) -> None:
        """Leave out a step that awaits what failed."""
        operation = self.plan.steps[number].operation
        assert operation is not None
        self.progress.skipped.append(change.address)
        self._withhold(operation, change.address)
        because = f"{self.agenda.blocked[number]} failed"
        self.listener(StepSkipped(number, operation, change.address, because))
        self.agenda.finish(number)

    def skip_rest(self) -> None:
        """Leave out all that has not begun, at the end of a run that ends early."""
        done = set(self.progress.skipped)
        for number in self.agenda.left():
            step = self.plan.steps[number]
            if step.operation is not None:
                address = self.plan.changes[step.change].address
                self._withhold(step.operation, address)
                if address not in done:
                    done.add(address)
                    self.progress.skipped.append(address)

    def _withhold(self, operation: Operation, address: ResourceInstance) -> None:
        """What was to be made or changed is not as planned: outputs that refer to it stay as they were."""
        if operation in (Operation.CREATE, Operation.UPDATE, Operation.READ):
            self.values.set_object(address, UNKNOWN)

    def check_postconditions(self, change: Change, value: object) -> None:
        """Raise DiagnosticsError when an object is not as its block demands."""
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
