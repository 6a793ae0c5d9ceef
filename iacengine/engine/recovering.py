"""Settling what an earlier run left, and going back to an earlier state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from iacengine.addresses import ResourceInstance, parse_resource_instance
from iacengine.engine.model import DEFAULT_PARALLELISM, Engine, PlanOptions, Session, VariableSources, on_failure_of
from iacengine.engine.reading import read_state
from iacengine.engine.surroundings import function_context, new_providers, now
from iacengine.engine.variables import root_variables
from iacengine.foundation.diagnostics import Diagnostic, Findings, failure, near_match, some, warning
from iacengine.lang.values import Value
from iacengine.plan.events import Listener, Warned, ignore
from iacengine.plan.model import Plan
from iacengine.provider.discovery import source_address
from iacengine.state.backends.base import StateLock
from iacengine.state.model import PendingRollback, State

if TYPE_CHECKING:
    from iacengine.apply.settlement import Ground


def settled_state(
    engine: Engine,
    variables: Mapping[str, Value],
    held: Session,
    listener: Listener,
    parallelism: int = DEFAULT_PARALLELISM,
    *,
    undo: bool = False,
    remind: bool = True,
    refresh: bool = False,
) -> State | None:
    """The stored state, after what an interrupted run left is settled and written; without a lock only in memory.

    `remind`: there is a warning when something is still to be undone. `refresh`: before it is undone, what is there is
    looked up.
    """
    lock, recorder = held.lock, held.recorder
    if lock is None or recorder is None:
        return read_state(engine)
    stored = engine.backend.read()
    recorder.stands_on(stored.serial if stored is not None else None)
    interrupted = bool(engine.backend.read_journal())
    if not interrupted and (stored is None or stored.pending_rollback is None):
        return stored
    from iacengine.apply.settlement import settled_state  # lazy: only after a run that did not end well

    if interrupted or undo:
        recorder.start()
    ground = ground_of(engine, variables, lock, recorder.listening(listener), parallelism)
    settled = settled_state(ground, undo=undo, remind=remind, refresh=refresh)
    pending = settled is not None and settled.pending_rollback is not None
    recorder.recovered(settled.serial if settled is not None else None, pending=pending)
    return settled


def ground_of(
    engine: Engine, variables: Mapping[str, Value], lock: StateLock, listener: Listener, parallelism: int
) -> Ground:
    from iacengine.apply.settlement import Ground  # lazy, as above

    return Ground(
        engine.configuration,
        engine.backend,
        lock,
        variables,
        lambda: new_providers(engine, parallelism),
        function_context,
        source_address,
        parallelism,
        now(),
        listener,
    )


def recover(
    engine: Engine,
    variables: VariableSources,
    held: Session,
    listener: Listener = ignore,
    *,
    action: str = "undo",
    skip: Sequence[str] = (),
    parallelism: int = DEFAULT_PARALLELISM,
) -> State | None:
    """Settle what an earlier run left. Raises DiagnosticsError.

    `action`: `undo` what is to be undone unless that has failed before, `retry` that too, or `keep` what is there.
    `skip`: addresses that stay as they are.
    """
    assert held.lock is not None, "recovery needs the lock"
    values = root_variables(engine, variables, Findings())
    undo = action == "undo" and not skip
    stored = settled_state(engine, values, held, listener, parallelism, undo=undo, remind=undo)
    pending = stored.pending_rollback if stored is not None else None
    if stored is None or pending is None or undo:
        return stored
    from iacengine.plan.undoing import left_out  # lazy: only after a run that did not end well

    left, others = left_out(stored, [_to_skip(text, stored, pending) for text in skip])
    if others:
        listener(Warned(_left_out_as_well(others)))
    left = None if action == "keep" or left is None else replace(left, paused=False)
    stored = replace(stored, serial=stored.serial + 1, pending_rollback=left)
    engine.backend.write(stored, stored.serial - 1, held.lock)
    if held.recorder is not None:
        held.recorder.did("", "keep" if left is None else "retry")
        held.recorder.recovered(stored.serial, pending=left is not None)
    if left is None:
        return stored
    return settled_state(engine, values, held, listener, parallelism, undo=True, refresh=True)


def _left_out_as_well(others: Sequence[ResourceInstance]) -> Diagnostic:
    return warning("What is needed is left out as well", f"What is to be left as it is needs {some(others)}.")


def _to_skip(text: str, stored: State, pending: PendingRollback) -> ResourceInstance:
    """The object that is to be left as it is. Raises DiagnosticsError when there is none."""
    address = parse_resource_instance(text)
    known = {*(key[0] for key in stored.objects), *(change.address for change in pending.changes)}
    if address not in known:
        meant = near_match(text, sorted(map(str, known)))
        raise failure(
            "Nothing to leave out",
            f"{text} is not among the objects of the state, nor among those that are to be made again.",
            remedy=f"Did you mean {meant}?" if meant else "Look at what there is with `iac state list`.",
        )
    return address


def plan_rollback(
    engine: Engine,
    serial: int,
    options: PlanOptions,
    variables: VariableSources,
    held: Session,
    listener: Listener = ignore,
) -> Plan:
    """The plan that leads back to the version of the state with this serial. Raises when it is not kept."""
    from iacengine.apply.settlement import plan_return  # lazy: only this verb needs it

    assert held.lock is not None, "the way back is planned under the lock"
    values = root_variables(engine, variables, Findings())
    stored = settled_state(engine, values, held, listener, options.parallelism, undo=True)
    if stored is None:
        raise failure(
            "No state", f"{engine.backend.describe()}: there is no state, so there is no version to return to."
        )
    ground = ground_of(engine, values, held.lock, listener, options.parallelism)
    made = plan_return(ground, stored, serial, on_failure=on_failure_of(engine, options), refresh=options.refresh)
    if held.recorder is not None:
        held.recorder.planned(made)
    return made
