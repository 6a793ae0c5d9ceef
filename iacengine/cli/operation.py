"""Plan, approve, apply: what `plan`, `apply`, `destroy` and `refresh` are made of."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iacengine import engine
from iacengine.apply.outcome import Outcome
from iacengine.cli import exits
from iacengine.cli.failures import exit_code, print_diagnostics
from iacengine.cli.installing import module_options
from iacengine.cli.listening import listening
from iacengine.cli.options import Request, require_assignments
from iacengine.cli.prompts import approve
from iacengine.cli.terminal import Terminal
from iacengine.cli.variables import variable_sources
from iacengine.cli.views import phrases
from iacengine.cli.views.plan_text import plan_segments
from iacengine.cli.views.segments import CREATE, DELETE, styled
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, failure, some
from iacengine.plan.events import Listener
from iacengine.plan.model import Plan, PlanMode
from iacengine.state.model import OutputState

if TYPE_CHECKING:
    from iacengine.cli.views.ui_json import UiLines
    from iacengine.events.stream import EventStream

_PLAN_MARK = b'{"format":"iacengine-plan"'


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One run of a verb: what is asked, and where its output goes. `ui` is None when people read it.

    `run` is the id that the record of the run, its journal and its events have.
    """

    terminal: Terminal
    request: Request
    ui: UiLines | None
    verb: str
    run: str
    events: EventStream | None = None

    def say(self, text: str = "") -> None:
        """A line for people; nothing when a program reads."""
        if self.ui is None:
            self.terminal.line(text)

    def tell(self, type_: str, **fields: Any) -> None:
        """Tell those that listen for events."""
        if self.events is not None:
            self.events.emit({"type": type_, **fields})

    @contextmanager
    def listening(self, total: int = 0) -> Iterator[Listener]:
        """A listener for the time of a run; `total` is the number of steps, where it is known."""
        with listening(self.terminal, self.ui, total) as listener:
            yield listener if self.events is None else self.events.listening(listener)

    def warn(self, found: Diagnostic) -> None:
        """A warning that belongs to no plan."""
        if self.ui is not None:
            self.ui.diagnostics([found])
        else:
            self.terminal.flush()
            print_diagnostics([found], self.terminal)


def run(verb: str, terminal: Terminal, request: Request, body: Callable[[Operation], int]) -> int:
    """Run a verb; with `--json` its errors become lines too. The exit code."""
    require_assignments(request.variables)
    run_id = os.urandom(8).hex()
    if request.events:
        from iacengine.cli.event_output import run_with_events  # lazy: few runs are listened to

        return run_with_events(verb, terminal, request, run_id, body)
    return perform(Operation(terminal, request, None, verb, run_id), body)


def perform(operation: Operation, body: Callable[[Operation], int]) -> int:
    """Do what a verb does, with the lines of the machine-readable UI where they are asked for."""
    if not operation.request.as_json:
        return body(operation)
    from iacengine.cli.views.ui_json import UiLines  # lazy: for programs only

    ui = UiLines(sys.stdout.write)
    ui.version()
    try:
        return body(replace(operation, ui=ui))
    except DiagnosticsError as error:
        ui.diagnostics(error.diagnostics)
        return exit_code(error)


# --- planning -------------------------------------------------------------------------------------------------------


def mode_of(request: Request) -> PlanMode:
    if request.destroy and request.refresh_only:
        raise failure(
            "Incompatible options",
            "--destroy and --refresh-only cannot be used together: a refresh destroys nothing.",
            remedy="Leave one of them out.",
        )
    if request.refresh_only and not request.refresh:
        raise failure(
            "Incompatible options",
            "--refresh-only and --refresh=false cannot be used together: nothing would be left to do.",
            remedy="Leave one of them out.",
        )
    if request.destroy:
        return PlanMode.DESTROY
    return PlanMode.REFRESH_ONLY if request.refresh_only else PlanMode.NORMAL


def open_stack(request: Request, terminal: Terminal | None = None) -> engine.Engine:
    """The stack of a verb that plans; its modules are installed when they are not yet."""
    modules = module_options(terminal, frozen=request.frozen, checks_providers=True)
    return engine.open_stack(request.path, state_path=request.state, modules=modules)


def make_plan(operation: Operation, stack: engine.Engine, held: engine.Session | None = None) -> Plan:
    """Ask for missing variables and plan."""
    request = operation.request
    options = engine.PlanOptions(
        mode=mode_of(request),
        targets=request.targets,
        excludes=request.excludes,
        allow_deferral=request.allow_deferral,
        replace=request.replace,
        refresh=request.refresh,
        parallelism=request.parallelism,
        on_failure=request.on_failure,
        lock=request.lock,
        lock_timeout=request.lock_timeout,
    )
    sources = variable_sources(stack, request, operation.terminal)
    with operation.listening() as listener:
        plan = engine.plan(stack, options, sources, listener, held=held)
    tell_plan(operation, plan)
    return plan


def tell_plan(operation: Operation, plan: Plan) -> None:
    """Tell those that listen for events what is planned."""
    if operation.events is not None:
        from iacengine.events.document import counts_document, diagnostic_document  # lazy, as above

        operation.tell(
            "planned",
            mode=plan.mode.value,
            changes=counts_document(plan.counts()),
            applyable=plan.applyable,
            serial=plan.base_serial,
            diagnostics=[diagnostic_document(found) for found in plan.diagnostics],
        )


def show_plan(operation: Operation, plan: Plan) -> None:
    """Print the plan and its warnings."""
    if operation.ui is not None:
        operation.ui.plan(plan)
        operation.ui.diagnostics(plan.diagnostics)
        return
    terminal = operation.terminal
    segments = plan_segments(plan, width=terminal.width, show_sensitive=operation.request.show_sensitive)
    terminal.write(styled(segments, color=terminal.color))
    terminal.flush()
    warn(operation, plan)


def warn(operation: Operation, plan: Plan) -> None:
    if plan.diagnostics:
        operation.terminal.flush()
        sys.stderr.write("\n")
        print_diagnostics(plan.diagnostics, operation.terminal)


# --- applying -------------------------------------------------------------------------------------------------------


def plan_and_apply(operation: Operation) -> int:
    """Plan a stack, ask, and apply; all under one lock, so that nobody changes the state in between."""
    request = operation.request
    if operation.ui is not None and not request.auto_approve:
        raise _approval_impossible("--json is used")  # before anything is looked up
    stack = open_stack(request, operation.terminal)
    with session(operation, stack) as held:
        return _plan_and_apply(operation, stack, held)


def session(operation: Operation, stack: engine.Engine) -> AbstractContextManager[engine.Session]:
    """The hold of the state for a verb that changes something."""
    request = operation.request
    return engine.session(
        stack,
        f"iac {operation.verb}",
        parallelism=request.parallelism,
        lock_timeout=request.lock_timeout,
        run=operation.run,
        warn=operation.warn,
    )


def _plan_and_apply(operation: Operation, stack: engine.Engine, held: engine.Session) -> int:
    return approve_and_carry_out(operation, stack, make_plan(operation, stack, held), held)


def approve_and_carry_out(operation: Operation, stack: engine.Engine, plan: Plan, held: engine.Session) -> int:
    """Show a plan, ask, and apply it; the exit code."""
    request = operation.request
    if operation.ui is not None and not request.auto_approve:
        raise _approval_impossible("--json is used")
    show_plan(operation, plan)
    if not plan.applyable and not plan.settles_rollback:
        if operation.ui is None:
            operation.say()
        outputs = dict(plan.prior_state.outputs)
        return _conclude(operation, Outcome(plan.prior_state, plan.counts()), plan.mode, outputs, nothing=True)
    if plan.applyable and not request.auto_approve:
        if not request.ask:
            raise _approval_impossible("--input=false is used")
        if not approve(_question(plan.mode, str(stack.configuration.directory)), operation.terminal):
            operation.say(f"\nNot approved: {operation.verb} was not started, and nothing was changed.")
            return exits.ERROR
    return carry_out(operation, stack, plan, held)


def carry_out(operation: Operation, stack: engine.Engine, plan: Plan, held: engine.Session | None = None) -> int:
    """Apply a plan that is approved; the exit code."""
    request = operation.request
    operation.say()
    total = sum(step.operation is not None for step in plan.steps)
    with operation.listening(total) as listener:
        outcome = engine.apply(
            stack,
            plan,
            parallelism=request.parallelism,
            lock_timeout=request.lock_timeout,
            listener=listener,
            command=f"iac {operation.verb}",
            held=held,
            run=operation.run,
            warn=operation.warn,
        )
    if operation.events is not None:
        from iacengine.apply.record import outcome_word  # lazy, as above
        from iacengine.events.document import counts_document, diagnostic_document

        operation.tell(
            "applied",
            outcome=outcome_word(outcome),
            changes=counts_document(outcome.counts),
            serial=outcome.state.serial,
            failed=[str(address) for address in outcome.failed],
            skipped=[str(address) for address in outcome.skipped],
            diagnostics=[diagnostic_document(found) for found in outcome.diagnostics],
        )
    return _conclude(operation, outcome, plan.mode, dict(outcome.state.outputs))


def _conclude(
    operation: Operation,
    outcome: Outcome,
    mode: PlanMode,
    outputs: dict[str, OutputState],
    *,
    nothing: bool = False,
) -> int:
    """Say how the apply ended; the exit code."""
    terminal, ui = operation.terminal, operation.ui
    destroyed = operation.verb == "destroy"
    if ui is not None:
        ui.diagnostics(outcome.diagnostics)
        if outcome.ok:
            ui.applied(outcome.counts, operation="destroy" if destroyed else "apply")
            if not destroyed or outputs:
                ui.outputs(outputs, show_sensitive=operation.request.show_sensitive)
        return _code(outcome)
    if not nothing or not outcome.ok:
        summary = phrases.applied_summary(
            outcome.counts,
            destroyed=destroyed or mode is PlanMode.DESTROY,
            complete=outcome.ok,
            undone=outcome.is_rolled_back,
        )
        terminal.line(styled([(summary, CREATE if outcome.ok else DELETE)], color=terminal.color))
    if outcome.ok and outputs:
        from iacengine.cli.views.output_text import outputs_text  # lazy: many stacks have none

        terminal.write("\nOutputs:\n\n" + outputs_text(outputs, show_sensitive=operation.request.show_sensitive))
    terminal.flush()
    if outcome.diagnostics:
        sys.stderr.write("\n")
        print_diagnostics(outcome.diagnostics, terminal)
    if not outcome.ok:
        _say_what_is_left(outcome, "iac destroy" if destroyed else "iac apply")
    return _code(outcome)


def _say_what_is_left(outcome: Outcome, command: str) -> None:
    lines = []
    if outcome.unsettled and outcome.interrupted:
        lines.append(f"Interrupted while these were being changed: {some(outcome.unsettled)}.")
    elif outcome.unsettled:
        lines.append(f"What became of these could not be found out: {some(outcome.unsettled)}.")
    elif outcome.interrupted:
        lines.append("Interrupted: what had begun was finished, and nothing else was started.")
    if outcome.failed:
        lines.append(f"Failed: {some(outcome.failed)}.")
    failed = set(outcome.failed)
    skipped = [address for address in outcome.skipped if address not in failed]
    if skipped:
        lines.append(f"Not done, because of that: {some(skipped)}.")
    lines.append(_what_now(outcome, command))
    sys.stderr.write("\n" + "\n".join(lines) + "\n")


def _what_now(outcome: Outcome, command: str) -> str:
    if outcome.is_rolled_back:
        assert outcome.rollback is not None, "it is rolled back"
        if outcome.waves:
            return (
                "What the last wave had done is undone. What the waves before it had done is in the state; run "
                f"`{command}` again to go on from there."
            )
        if outcome.rollback.renamed:
            return (
                "What had been done is undone. What had been deleted is made again, under a new id: "
                f"{some(outcome.rollback.renamed)}."
            )
        return "What had been done is undone: everything is as it was before."
    if outcome.unsettled:
        return f"The journal has all of it; the next `{command}`, or `iac recover`, finds out what became of them."
    if outcome.rollback is not None:
        left = some((*outcome.rollback.failed, *outcome.rollback.skipped))
        return (
            f"Not undone: {left or 'some of what had been done'}. Try again with `iac recover --retry`, leave one out "
            "with `iac recover --skip ADDRESS`, or keep what is there with `iac recover --keep`."
        )
    if outcome.state.pending_rollback is not None:
        return "What was done could not be undone; it is in the state. Try again with `iac recover --retry`."
    return f"What was done is in the state; run `{command}` again to go on from here."


def _code(outcome: Outcome) -> int:
    if outcome.needs_recovery:
        return exits.RECOVERY_NEEDED
    if outcome.is_rolled_back:
        return exits.ROLLED_BACK
    if outcome.interrupted:
        return exits.INTERRUPTED
    return exits.DONE if outcome.ok else exits.ERROR


def _question(mode: PlanMode, where: str) -> str:
    match mode:
        case PlanMode.DESTROY:
            return f"Do you really want to destroy everything of the stack in {where}? This cannot be undone."
        case PlanMode.REFRESH_ONLY:
            return "Do you want to take up these changes in the state? No real object is changed."
        case PlanMode.ROLLBACK:
            return "Do you want to go back to that version of the state? What was made since is destroyed."
        case PlanMode.NORMAL:
            return "Do you want to do this?"


def _approval_impossible(why: str) -> DiagnosticsError:
    return failure(
        "Plan file or auto-approve required",
        f"Approval cannot be asked for, because {why}.",
        remedy="Apply a saved plan (`iac plan --out FILE`, `iac apply FILE`), or add --auto-approve.",
    )


def is_plan_file(path: str) -> bool:
    """True for a file that `iac plan --out` wrote, by its content; and for one that is neither that nor a stack file,
    so that reading it as a plan says what is wrong with it."""
    file = Path(path)
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        start = opened.read(64)
    return start.startswith(_PLAN_MARK) or not file.name.endswith((".yaml", ".yml", ".json"))
