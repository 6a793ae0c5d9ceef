"""Planning a stack."""

from __future__ import annotations

from dataclasses import replace

from iacengine.addresses import parse_target
from iacengine.engine.model import Engine, PlanOptions, Session, VariableSources, on_failure_of
from iacengine.engine.opening import remarks
from iacengine.engine.recovering import settled_state
from iacengine.engine.sessions import session
from iacengine.engine.surroundings import function_context, new_lineage, now
from iacengine.engine.validating import check
from iacengine.engine.variables import collected_variables
from iacengine.foundation.diagnostics import Findings, failure, warning
from iacengine.plan.events import Listener, Warned, ignore
from iacengine.plan.model import Plan, PlanMode
from iacengine.provider.discovery import source_address
from iacengine.provider.instances import Providers
from iacengine.state.model import State


def plan(
    engine: Engine,
    options: PlanOptions,
    variables: VariableSources,
    listener: Listener = ignore,
    *,
    held: Session | None = None,
) -> Plan:
    """Plan, after settling what an interrupted run left; under the lock that is held, or one of its own."""
    if held is not None:
        return _plan(engine, options, variables, listener, held)
    with session(
        engine,
        "iac plan",
        parallelism=options.parallelism,
        lock=options.lock,
        lock_timeout=options.lock_timeout,
        applies=False,
        warn=lambda found: listener(Warned(found)),
    ) as own:
        return _plan(engine, options, variables, listener, own)


def _plan(engine: Engine, options: PlanOptions, variables: VariableSources, listener: Listener, held: Session) -> Plan:
    from iacengine.plan.options import PlanRequestOptions  # lazy: verbs that only read state plan nothing
    from iacengine.plan.planner import make_plan

    findings = Findings()
    findings.extend(engine.warnings)
    findings.extend(remarks(engine.backend))
    findings.extend(check(engine, held.providers))
    collected = collected_variables(engine, variables, findings)
    values = collected.values
    request = PlanRequestOptions(
        mode=options.mode,
        targets=tuple(map(parse_target, options.targets)),
        excludes=tuple(map(parse_target, options.excludes)),
        replace=tuple(map(parse_target, options.replace)),
        refresh=options.refresh,
        on_failure=on_failure_of(engine, options),
        timestamp=now(),
        parallelism=options.parallelism,
        allow_deferral=options.allow_deferral,
    )
    undo = held.applies and options.mode is PlanMode.REFRESH_ONLY  # an apply takes over what is to be undone
    stored = settled_state(engine, values, held, listener, options.parallelism, undo=undo)
    made = make_plan(
        engine.configuration,
        stored,
        stored.lineage if stored is not None else new_lineage(),
        held.providers,
        values,
        function_context(request.timestamp, planning=True),
        source_address,
        request,
        listener,
    )
    declared = engine.configuration.root.variables
    if held.recorder is not None:
        held.recorder.planned(made)
    return replace(
        made,
        diagnostics=tuple(dict.fromkeys((*findings.all, *made.diagnostics))),
        ephemeral_variables=tuple(sorted(name for name in collected.given if declared[name].ephemeral)),
    )


def next_wave(plan: Plan, state: State, providers: Providers, parallelism: int, listener: Listener) -> Plan:
    """What a plan deferred, planned with what is known after it was applied. Raises when that is still nothing."""
    from iacengine.plan.options import PlanRequestOptions  # lazy: few plans defer anything
    from iacengine.plan.planner import make_plan

    request = PlanRequestOptions(
        targets=tuple(map(parse_target, plan.targets)),
        excludes=tuple(map(parse_target, plan.excludes)),
        refresh=False,
        on_failure=plan.on_failure,
        timestamp=plan.timestamp,
        parallelism=parallelism,
        allow_deferral=True,
    )
    made = make_plan(
        plan.configuration,
        state,
        state.lineage,
        providers,
        plan.variables,
        function_context(plan.timestamp, planning=True),
        source_address,
        request,
        listener,
    )
    if made.deferred == plan.deferred and not made.steps:
        raise failure(
            "Deferred blocks cannot be planned",
            f"After everything else was applied, it is still not known what instances these have: "
            f"{', '.join(made.deferred)}.",
            remedy="Use keys that are known from the configuration.",
        )
    counts = made.counts()
    detail = f"{counts.add} to add, {counts.change} to change, {counts.remove} to destroy."
    listener(Warned(warning("Planned what had been deferred", detail)))
    return made
