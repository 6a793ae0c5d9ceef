"""Applying a plan from end to end: journal opened, steps executed, outputs evaluated, state written, journal closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from iacengine.addresses import ModuleInstance, ResourceInstance
from iacengine.apply.ephemerals import AppliedEphemerals
from iacengine.apply.executor import Executor, Interrupted
from iacengine.apply.outcome import Outcome
from iacengine.apply.working import AppliedValues
from iacengine.config.model import Condition
from iacengine.evaluation.conditions import judge
from iacengine.evaluation.provider_setup import SourceAddress
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, Severity, error, failure
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.types import type_to_json
from iacengine.lang.values import is_null, is_wholly_known, type_of, unmark_deep
from iacengine.plan.difference import taken_up_by
from iacengine.plan.events import Listener
from iacengine.plan.model import Action, ChangeCounts, Plan, PlanMode
from iacengine.plan.new_names import renamed_outputs, renamed_reads
from iacengine.plan.undoing import Ending, left_to_undo
from iacengine.provider.instances import Providers
from iacengine.schema.values import encode_type
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.journal_entries import Changed, Closed, JournalEntry, Opened
from iacengine.state.lock import LockLostError
from iacengine.state.model import ObjectKey, OutputState, PendingRollback, ResourceObject, State
from iacengine.state.spool import kept_here, spool_of


def apply_plan(
    plan: Plan,
    backend: Backend,
    lock: StateLock,
    providers: Providers,
    functions: FunctionContext,
    source_address: SourceAddress,
    parallelism: int,
    listener: Listener,
    *,
    command: str = "apply",
    run: str = "",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Outcome:
    """Apply a plan under a lock that is held. Raises DiagnosticsError when the plan is stale; what goes wrong with
    single steps is in the outcome. The journal is left for the next run only when this one is cut off. `run` is the id
    that the journal has for it ("": one is made up)."""
    stored = backend.read()
    refuse_stale(plan, stored)
    if not _is_needed(plan):
        return Outcome(plan.prior_state, ChangeCounts())
    below = stored or State(plan.lineage)
    applying = _Run(plan, below, backend, lock, providers, functions, source_address, parallelism, listener)
    applying.open(command, run, clock())
    return applying.execute()


def refuse_stale(plan: Plan, stored: State | None) -> None:
    """Raise DiagnosticsError when the state is not the one the plan was made from."""
    if stored is not None and plan.base_serial is not None and stored.lineage != plan.lineage:
        raise failure(
            "Plan of another state",
            f"The plan was made for the state with lineage {plan.lineage}, and this one has lineage {stored.lineage}.",
            remedy="Apply the plan where it was made, or make a new one here.",
        )
    serial = stored.serial if stored is not None else None
    if serial != plan.base_serial:
        before = "no state" if plan.base_serial is None else f"serial {plan.base_serial}"
        now = "none" if serial is None else f"serial {serial}"
        raise failure(
            "Saved plan is stale",
            f"The state has changed since the plan was made: it was made from {before}, and now there is {now}.",
            remedy="Make a new plan.",
        )


def _is_needed(plan: Plan) -> bool:
    return (
        bool(plan.steps)
        or plan.settles_rollback
        or bool(plan.state_changes)
        or any(change.action is not Action.NO_OP for change in plan.outputs.values())
        or plan.checks != plan.prior_state.checks
    )


def _moves(plan: Plan) -> tuple[tuple[ResourceInstance, ResourceInstance], ...]:
    """What the plan moves, from and to, deposed objects along with the current one."""
    moves = ((change.previous_address, change.address) for change in plan.changes)
    return tuple(dict.fromkeys((source, target) for source, target in moves if source is not None))


class RecoveryNeededError(DiagnosticsError):
    """A run could not write down all that it did; what is left is told."""


def _all_in_the_journal() -> Diagnostic:
    return error(
        "The state is as it was before this run",
        "What the run did, and how it ended, is in the journal.",
        remedy="When the state can be written again, run `iac recover`, or any other command that changes something: "
        "it makes the state of the journal first.",
    )


class _Run:
    def __init__(
        self,
        plan: Plan,
        stored: State,
        backend: Backend,
        lock: StateLock,
        providers: Providers,
        functions: FunctionContext,
        source_address: SourceAddress,
        parallelism: int,
        listener: Listener,
    ) -> None:
        self.plan = plan
        self.stored = stored
        self.backend = backend
        self.lock = lock
        self.findings = Findings()
        self.values = AppliedValues(plan, providers, functions, source_address)
        self.ephemerals = AppliedEphemerals(
            self.values.working,
            self.values.setup,
            providers,
            listener,
            lambda address, verdict: self.values.verdict("resource", address, verdict),
        )
        self.executor = Executor(
            plan, self.values, providers, self.append, lock.require, parallelism, listener, self.findings
        )

    def append(self, entries: list[JournalEntry]) -> None:
        self.backend.append(entries, self.lock)

    def open(self, command: str, run: str, now: datetime) -> None:
        plan = self.plan
        opened = Opened(
            run or os.urandom(8).hex(),
            plan.lineage,
            plan.base_serial or 0,
            self.lock.info.fencing_token,
            command,
            now.isoformat(timespec="seconds"),
            on_failure=plan.on_failure,
            settles=plan.settles_rollback,
        )
        entries: list[JournalEntry] = [opened]
        if plan.state_changes:
            entries.append(Changed(dict(plan.state_changes), prepares=True, moves=_moves(plan)))
        self.run = opened.run
        self.append(entries)
        self.opened = opened

    def execute(self) -> Outcome:
        try:
            self.executor.run()
        except Interrupted:
            return replace(self._outcome(self._state()), unsettled=self.executor.running)
        except DiagnosticsError as found:
            self.ephemerals.close()
            raise self._spooled(found, self.executor.work.pending) from found
        except BaseException:
            self.ephemerals.close()
            raise
        undecided = tuple(self.executor.work.undecided)
        try:
            state = self._state() if undecided else self._finish()
        finally:
            self.ephemerals.close()
        return replace(self._outcome(state), unsettled=undecided)

    def _spooled(self, problem: DiagnosticsError, entries: Sequence[JournalEntry]) -> DiagnosticsError:
        """What to raise after the journal could not be written, what is left for it being kept on this machine."""
        spool = spool_of(str(self.plan.configuration.directory), os.environ)
        try:
            kept = spool.keep(self.backend, self.opened, entries)
        except DiagnosticsError as found:
            return RecoveryNeededError(*problem.diagnostics, *found.diagnostics)
        if kept is None:
            return problem
        lost = isinstance(problem, LockLostError)
        return RecoveryNeededError(*problem.diagnostics, kept_here(*kept, lost=lost))

    def _finish(self) -> State:
        """Outputs and checks, then the state in one piece, then the end of the journal."""
        if self.plan.mode is PlanMode.ROLLBACK:
            state = self._restored()
        else:
            self._judge_variables()
            self._judge_unchanged()
            self._judge_checks()
            state = replace(self._state(), outputs=self._outputs(), checks=self.values.check_results())
        ended = self._undone(state) if self.plan.undoes_rollback and not self._failed else {}
        state = state.with_objects(ended) if ended else state
        state = replace(state, pending_rollback=self._pending_rollback(state))
        outcome = "complete"
        if self._failed:
            outcome = "interrupted" if self.executor.progress.interrupted else "failed"
        ending: list[JournalEntry] = [Changed(ended, dict(state.outputs), state.checks), Closed(outcome)]
        try:
            self.append(ending)
        except DiagnosticsError as found:
            raise self._spooled(found, ending) from found
        try:
            self.backend.write(state, self.plan.base_serial, self.lock)
        except DiagnosticsError as found:
            raise RecoveryNeededError(*found.diagnostics, _all_in_the_journal()) from found
        self.backend.clear_journal(self.lock)
        return state

    @property
    def _failed(self) -> bool:
        return bool(self.findings.errors or self.executor.progress.interrupted)

    def _restored(self) -> State:
        """The state after a plan that led back to an earlier one, whose outputs count again if all went well."""
        state, target = self._state(), self.plan.target
        assert target is not None, "a plan of this mode has a target"
        if self._failed:
            return state
        outputs = renamed_outputs(target.outputs, self.executor.work.renaming.ids)
        return replace(state, outputs=outputs, checks=target.checks)

    def _undone(self, state: State) -> dict[ObjectKey, ResourceObject | None]:
        """What changes in the state when all is undone: what the run had taken up is forgotten, and what data sources
        had read has the ids of what was made again."""
        return renamed_reads(state.objects, self.executor.work.renaming.ids) | dict.fromkeys(taken_up_by(state))

    def _pending_rollback(self, state: State) -> PendingRollback | None:
        """What is still to be undone after this run, which led to a state."""
        plan = self.plan
        ending = Ending(
            self.run,
            self.stored,
            plan.prior_state,
            _moves(plan),
            failed=self._failed,
            committed=self.executor.progress.committed,
            settles=plan.settles_rollback,
            undoes=plan.on_failure == "rollback",
            destroyed=self.executor.progress.destroyed,
        )
        pending = left_to_undo(ending, state)
        if pending is not None and plan.undoes_rollback:
            return replace(pending, paused=bool(self.findings.errors))
        return pending

    def _state(self) -> State:
        prior = self.plan.prior_state
        return replace(prior, serial=(self.plan.base_serial or 0) + 1, objects=self.executor.objects)

    def _outcome(self, state: State) -> Outcome:
        progress = self.executor.progress
        imported = sum(1 for change in self.plan.changes if change.import_id is not None)
        return Outcome(
            state,
            progress.counts(imported),
            self.findings.all,
            tuple(progress.failed),
            tuple(progress.skipped),
            progress.interrupted,
            renamed=tuple(dict.fromkeys(self.executor.work.renaming.objects)),
        )

    # --- outputs and checks ----------------------------------------------------------------------------------------

    def _outputs(self) -> dict[str, OutputState]:
        """The root outputs as they are now; one that cannot be told (something behind it failed) stays as it was."""
        outputs = dict(self.plan.prior_state.outputs)
        root = self.values.working.scope(ModuleInstance())
        for name, change in self.plan.outputs.items():
            if change.action is Action.DELETE and (
                name not in root.module.outputs or self.plan.mode is PlanMode.DESTROY
            ):
                if not self.findings.errors:
                    outputs.pop(name, None)
                continue
            try:
                # A refresh-only plan has no changes that would tell how blocks expand; and what it says stays true.
                is_known = self.plan.mode is PlanMode.REFRESH_ONLY and is_wholly_known(change.after)
                value = change.after if is_known else self.values.working.output(root, name)
            except DiagnosticsError as found:
                if not self.findings.errors:
                    self.findings.add(*found.diagnostics)
                continue
            if not is_wholly_known(value):
                continue
            output = root.module.outputs[name]
            for condition in output.preconditions:
                self._judge(
                    condition, root, "Module output value precondition failed", "output_value", f"output.{name}"
                )
            plain, _ = unmark_deep(value)
            if is_null(plain):
                outputs.pop(name, None)
                continue
            type_ = type_of(plain)
            outputs[name] = OutputState(encode_type(plain, type_), type_to_json(type_), output.sensitive)
        return outputs

    def _judge(self, condition: Condition, scope: AnyScope, what: str, kind: str, address: str) -> None:
        verdict = judge(condition, scope, what)
        self.values.verdict(kind, address, verdict)
        if verdict.diagnostic is not None:
            self.findings.add(verdict.diagnostic)

    def _judge_variables(self) -> None:
        """Validations that planning could not decide, because they refer to what was not known yet."""
        undecided = {result.address for result in self.plan.checks if result.status == "unknown"}
        for module in self.plan.configuration.modules.values():
            for variable in module.variables.values():
                for instance in self.values.working.module_instances(module.path) if variable.validations else ():
                    address = f"{instance}.var.{variable.name}" if not instance.is_root else f"var.{variable.name}"
                    if address in undecided:
                        scope = self.values.working.scope(instance)
                        for condition in variable.validations:
                            self._judge(condition, scope, "Invalid value for variable", "var", address)

    def _judge_unchanged(self) -> None:
        """Conditions of objects that did not change, where planning could not decide them."""
        undecided = {result.address for result in self.plan.checks if result.status == "unknown"}
        for change in self.plan.changes:
            if change.action is not Action.NO_OP or change.deposed or str(change.address) not in undecided:
                continue
            block = self.values.block(change.address)
            scope = self.values.scope(change.address, block)
            with_self = scope.with_names({("self",): self.values.object(change.address)})
            for conditions, inner, what in (
                (block.lifecycle.preconditions, scope, "Resource precondition failed"),
                (block.lifecycle.postconditions, with_self, "Resource postcondition failed"),
            ):
                for condition in conditions:
                    self._judge(condition, inner, what, "resource", str(change.address))

    def _judge_checks(self) -> None:
        if self.plan.mode is PlanMode.DESTROY:
            return
        for module in self.plan.configuration.modules.values():
            for check in module.checks.values():
                for instance in self.values.working.module_instances(module.path):
                    scope = self.values.working.scope(instance)
                    prefix = f"{instance}." if not instance.is_root else ""
                    for condition in check.assertions:
                        verdict = judge(condition, scope, "Check block assertion failed", severity=Severity.WARNING)
                        self.values.verdict("check", f"{prefix}check.{check.name}", verdict)
                        if verdict.diagnostic is not None:
                            self.findings.add(replace(verdict.diagnostic, severity=Severity.WARNING))
