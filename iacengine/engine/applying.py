"""Applying a plan, in waves, and undoing it when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from iacengine.engine.model import DEFAULT_PARALLELISM, Engine, Session
from iacengine.engine.planning import next_wave
from iacengine.engine.recovering import ground_of, settled_state
from iacengine.engine.sessions import session
from iacengine.engine.surroundings import function_context
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError
from iacengine.plan.events import Listener, ignore
from iacengine.plan.model import Plan
from iacengine.provider.discovery import source_address
from iacengine.state.backends.base import StateLock

if TYPE_CHECKING:
    from iacengine.apply.outcome import Outcome


def apply(
    engine: Engine,
    plan: Plan,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
    lock_timeout: float = 0.0,
    listener: Listener = ignore,
    command: str = "iac apply",
    held: Session | None = None,
    run: str = "",
    warn: Callable[[Diagnostic], None] = lambda _: None,
) -> Outcome:
    """Apply a plan, under the lock that is held, or one of its own (then `run` and `warn` are as in `session`).

    Raises when the plan is stale; failures of steps are in the outcome.
    """
    if held is not None and held.lock is not None:
        return _apply(engine, plan, parallelism, listener, command, held)
    with session(engine, command, parallelism=parallelism, lock_timeout=lock_timeout, run=run, warn=warn) as own:
        return _apply(engine, plan, parallelism, listener, command, own)


def _apply(
    engine: Engine,
    plan: Plan,
    parallelism: int,
    listener: Listener,
    command: str,
    held: Session,
) -> Outcome:
    from iacengine.apply.run import apply_plan, refuse_stale  # lazy: planning needs none of it
    from iacengine.plan.digest import plan_digest

    lock, recorder, providers = held.lock, held.recorder, held.providers
    assert lock is not None, "what applies is locked"
    assert recorder is not None, "what is locked is recorded"
    if engine.backend.read_journal():
        refuse_stale(plan, settled_state(engine, plan.variables, held, listener, parallelism))
    recorder.begins(plan, plan_digest(plan))
    listener = recorder.listening(listener)
    functions = function_context(plan.timestamp)
    outcome: Outcome | None = None
    while True:
        wave = apply_plan(
            plan,
            engine.backend,
            lock,
            providers,
            functions,
            source_address,
            parallelism,
            listener,
            command=command,
            run=recorder.id,
        )
        outcome = wave if outcome is None else outcome.followed_by(wave)
        if not wave.ok or not plan.deferred:
            break
        plan = next_wave(plan, wave.state, providers, parallelism, listener)
    if not outcome.ok:
        outcome = _undone(engine, plan, outcome, lock, listener, parallelism)
    recorder.ended(outcome)
    return outcome


def _undone(
    engine: Engine, plan: Plan, outcome: Outcome, lock: StateLock, listener: Listener, parallelism: int
) -> Outcome:
    """The outcome of a run that failed, after what it had done is undone where that is what is wanted."""
    pending = outcome.state.pending_rollback
    if outcome.unsettled or pending is None or pending.paused:
        return outcome
    from iacengine.apply.settlement import roll_back  # lazy: only after a run that failed

    try:
        return outcome.rolled_back(roll_back(ground_of(engine, plan.variables, lock, listener, parallelism)))
    except DiagnosticsError as found:
        return replace(outcome, diagnostics=(*outcome.diagnostics, *found.diagnostics))
