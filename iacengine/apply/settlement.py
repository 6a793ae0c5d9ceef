"""Settling what an earlier run left, before anything else happens: first what was in flight, then what is to be undone.

An interrupted run is replayed, its operations in flight are looked up, and the state that results is written. When that
run was to leave nothing behind (`on_failure: rollback`) and had not begun its commit phase, the state says so, and the
way back is planned and applied like any other plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from iacengine.addresses import Mode
from iacengine.apply.ephemerals import AppliedEphemerals
from iacengine.apply.operations import new_deposed_key
from iacengine.apply.outcome import Outcome
from iacengine.apply.recovery import settle, stored_values, write_recovered
from iacengine.apply.run import RecoveryNeededError, apply_plan
from iacengine.config.model import Configuration
from iacengine.evaluation.provider_setup import ProviderSetup, SourceAddress
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity, error, some, warning
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value
from iacengine.plan.events import Listener, RollbackFinished, RollbackStarted, Warned
from iacengine.plan.model import Plan
from iacengine.plan.restoration import Surroundings, plan_restoration
from iacengine.plan.undoing import Ending, left_to_undo
from iacengine.provider.instances import Providers
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.model import PendingRollback, State
from iacengine.state.replay import Replay, replay


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What settling stands on. `new_providers` makes providers of its own, which nobody has told to stop."""

    configuration: Configuration
    backend: Backend
    lock: StateLock
    variables: Mapping[str, Value]
    new_providers: Callable[[], Providers]
    functions: Callable[[str], FunctionContext]
    source_address: SourceAddress
    parallelism: int
    timestamp: str
    listener: Listener


def settled_state(ground: Ground, *, undo: bool, remind: bool = True, refresh: bool = False) -> State | None:
    """The stored state, after what an interrupted run left is settled and written.

    With `undo` what is to be undone is undone as well; else, and where that has failed before, there is a warning (but
    for those who need no reminder): an apply that follows takes over, and leads either to what is wanted now or back to
    where the first run began. `refresh`: before that, what is there is looked up.
    Raises DiagnosticsError when a provider that has to be asked cannot be: nothing is lost then.
    """
    stored = ground.backend.read()
    entries = ground.backend.read_journal()
    if entries:
        stored = _settle(ground, stored, replay(stored, entries))
    if stored is None or stored.pending_rollback is None:
        return stored
    if not undo or stored.pending_rollback.paused:
        if remind:
            ground.listener(Warned(_pending_warning(stored.pending_rollback)))
        return stored
    try:
        undone = roll_back(ground, refresh=refresh)
    except DiagnosticsError as found:
        for problem in found.diagnostics:
            ground.listener(Warned(replace(problem, severity=Severity.WARNING)))
        return stored
    if undone.unsettled:  # nothing is written, and nobody may go on from here
        raise RecoveryNeededError(*(undone.diagnostics or [_interrupted()]))
    for problem in undone.diagnostics:
        ground.listener(Warned(replace(problem, severity=Severity.WARNING)))
    return undone.state


def roll_back(ground: Ground, *, refresh: bool = False) -> Outcome:
    """Undo the run that the stored state says is to be undone; `refresh`: what is there is looked up first.

    Raises DiagnosticsError when that cannot be planned."""
    stored = ground.backend.read()
    assert stored is not None, "something is to be undone"
    assert stored.pending_rollback is not None, "something is to be undone"
    pending = stored.pending_rollback
    with _asking(ground, stored) as around:
        made = plan_restoration(stored, None, around, ground.listener, new_deposed_key, refresh=refresh)
        total = sum(step.operation is not None for step in made.steps)
        ground.listener(RollbackStarted(pending.run, total))
        undone = _apply(ground, made, around.providers, "rollback")
        left = tuple(dict.fromkeys((*undone.failed, *undone.skipped)))
        ground.listener(RollbackFinished(pending.run, left, undone.renamed))
        return undone


def plan_return(ground: Ground, stored: State, serial: int, *, on_failure: str, refresh: bool) -> Plan:
    """The plan that leads back to the version with this serial. Raises DiagnosticsError when it is not kept."""
    target = ground.backend.read_version(serial)
    with _asking(ground, stored) as around:
        return plan_restoration(
            stored,
            target,
            around,
            ground.listener,
            new_deposed_key,
            on_failure=on_failure,
            refresh=refresh,
            protecting=True,
        )


def apply_return(ground: Ground, made: Plan, command: str) -> Outcome:
    """Apply a plan that leads back to an earlier state."""
    providers = ground.new_providers()
    try:
        return _apply(ground, made, providers, command)
    finally:
        providers.close()


def _apply(ground: Ground, made: Plan, providers: Providers, command: str) -> Outcome:
    return apply_plan(
        made,
        ground.backend,
        ground.lock,
        providers,
        ground.functions(made.timestamp),
        ground.source_address,
        ground.parallelism,
        ground.listener,
        command=command,
    )


@contextmanager
def _asking(ground: Ground, state: State) -> Iterator[Surroundings]:
    """Providers configured by what is stored alone: planning configures others by what it finds out itself."""
    asked = ground.new_providers()
    try:
        working = stored_values(ground.configuration, ground.variables, ground.functions(""), state, asked)
        setup = ProviderSetup(ground.configuration, working, asked, ground.source_address)
        ephemerals = AppliedEphemerals(working, setup, asked, ground.listener)
        try:
            yield Surroundings(
                ground.configuration, ground.variables, working, setup, asked, ground.parallelism, ground.timestamp
            )
        finally:
            ephemerals.close()
    finally:
        asked.close()


def _settle(ground: Ground, stored: State | None, replayed: Replay) -> State | None:
    if not replayed.runs or replayed.state is None:
        ground.backend.clear_journal(ground.lock)
        return stored
    state: State | None = replayed.state
    if replayed.in_flight:
        with _asking(ground, replayed.state) as around:
            state = settle(replayed, around.setup, around.providers, ground.listener)
    assert state is not None, "the replayed state exists"
    base_serial = stored.serial if stored is not None else None
    state = replace(state, pending_rollback=_to_be_undone(replayed, stored or State(state.lineage), state))
    return write_recovered(state, base_serial, ground.backend, ground.lock)


def _to_be_undone(replayed: Replay, stored: State, state: State) -> PendingRollback | None:
    """What is to be undone after the last run, by what it said in the journal and what was to be undone before it.

    `stored` is the state below the journal, `state` what has become of it."""
    last = replayed.runs[-1]
    ending = Ending(
        last.opened.run,
        stored,
        stored.with_objects(last.prepared.changes),
        last.prepared.moves,
        failed=last.outcome != "complete",
        committed=last.committed,
        settles=last.opened.settles,
        undoes=last.opened.on_failure == "rollback",
        destroyed=last.destroyed,
    )
    return left_to_undo(ending, state)


def _interrupted() -> Diagnostic:
    return error(
        "Interrupted",
        "Undoing an earlier run was interrupted, and what became of some objects is not known yet.",
        remedy="The next `iac apply`, or `iac recover`, finds out.",
    )


def _pending_warning(pending: PendingRollback) -> Diagnostic:
    how = "could not be undone" if pending.paused else "is still to be undone"
    changed = (change.address for change in pending.changes if change.address.resource.mode is Mode.MANAGED)
    left = some(changed)
    named = f": {left}" if left else ""
    return warning(
        "An earlier run is not undone",
        f"The run {pending.run} failed or was interrupted, and what it had done {how}{named}.",
        remedy="Go on with an apply: it takes over, and if it fails all is undone, back to before that run. Or undo it "
        f"now with `iac recover{' --retry' if pending.paused else ''}`, or keep what is there with `iac recover "
        "--keep`.",
    )
