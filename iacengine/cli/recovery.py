"""What `recover` and `rollback` do."""

from __future__ import annotations

from iacengine import engine
from iacengine.cli import exits
from iacengine.cli.operation import Operation, approve_and_carry_out, open_stack, session, tell_plan
from iacengine.cli.variables import variable_sources
from iacengine.plan.events import Event, Recovered, RollbackStarted


def recover(operation: Operation, action: str, skip: tuple[str, ...]) -> int:
    """Settle what an earlier run left; the exit code."""
    request = operation.request
    stack = open_stack(request)
    happened: list[Event] = []
    with (
        session(operation, stack) as held,
        operation.listening() as listener,
    ):

        def hear(event: Event) -> None:
            if isinstance(event, Recovered | RollbackStarted):
                happened.append(event)
            listener(event)

        before = engine.read_state(stack)
        left = before is not None and before.pending_rollback is not None
        interrupted = bool(stack.backend.read_journal())
        sources = variable_sources(stack, request, operation.terminal)
        state = engine.recover(stack, sources, held, hear, action=action, skip=skip, parallelism=request.parallelism)
    pending = state is not None and state.pending_rollback is not None
    settled = sum(isinstance(event, Recovered) for event in happened)
    undone = any(isinstance(event, RollbackStarted) for event in happened) and not pending
    if operation.ui is not None:
        summary = {
            "interrupted": interrupted,
            "settled": settled,
            "undone": undone,
            "left": pending,
            "serial": state.serial if state is not None else None,
        }
        operation.ui.line("recovery_summary", _said(interrupted, left, undone, pending), recovery=summary)
    else:
        operation.say(_said(interrupted, left, undone, pending))
    return exits.RECOVERY_NEEDED if pending else exits.DONE


def _said(interrupted: bool, left: bool, undone: bool, pending: bool) -> str:
    if pending:
        return "Something is left that is neither done nor undone."
    if undone:
        return "What the last run had done is undone."
    if interrupted:
        return "The interrupted run is settled: the state holds what it had done."
    return "What is there is kept." if left else "There is nothing to recover."


def roll_back_to(operation: Operation, serial: int) -> int:
    """Plan the way back to a version of the state, ask, and apply; the exit code."""
    request = operation.request
    stack = open_stack(request)
    sources = variable_sources(stack, request, operation.terminal)
    options = engine.PlanOptions(
        refresh=request.refresh, parallelism=request.parallelism, on_failure=request.on_failure
    )
    with session(operation, stack) as held:
        with operation.listening() as listener:
            plan = engine.plan_rollback(stack, serial, options, sources, held, listener)
        tell_plan(operation, plan)
        return approve_and_carry_out(operation, stack, plan, held)
