"""The planner: one walk over the dependency graph, then the changes put in order as steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from iacengine.addresses import ConfigResource, Mode
from iacengine.config.model import Configuration
from iacengine.foundation.diagnostics import failure, warning
from iacengine.graph.build import build_graph
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value
from iacengine.plan.dependencies import keep_lost_dependencies
from iacengine.plan.events import Listener
from iacengine.plan.model import Action, Change, ModuleExpansion, OutputChange, Plan, PlanMode
from iacengine.plan.options import PlanRequestOptions
from iacengine.plan.order import order_steps
from iacengine.plan.outputs import output_changes
from iacengine.plan.walk import Walk
from iacengine.provider.instances import Providers
from iacengine.state.model import State


def make_plan(
    configuration: Configuration,
    stored: State | None,
    lineage: str,
    providers: Providers,
    variables: Mapping[str, Value],
    functions: FunctionContext,
    source_address: Callable[[str], str],
    options: PlanRequestOptions,
    listener: Listener,
) -> Plan:
    """What has to change so that the real things become what the configuration says.

    Raises DiagnosticsError with every error found. Warnings are in the plan.
    """
    _refuse_replacements(options)
    graph = build_graph(configuration)
    state = stored or State(lineage)
    walk = Walk(configuration, graph, state, providers, variables, functions, source_address, options, listener)
    try:
        walk.run()
    except KeyboardInterrupt:
        providers.stop()  # or closing would wait for reads that nobody needs any more
        raise
    finally:
        walk.close()
    walk.findings.raise_errors()
    return _plan(walk, stored)


def _refuse_replacements(options: PlanRequestOptions) -> None:
    if options.replace and options.mode is not PlanMode.NORMAL:
        raise failure(
            "Incompatible options",
            f"Objects cannot be replaced in a {options.mode.value} run.",
            remedy="Leave out --replace, or the other option.",
        )
    for target in options.replace:
        if target.resource is None or target.resource.mode is not Mode.MANAGED:
            raise failure(
                "Invalid address to replace",
                f"{target} is no resource, and only resources can be replaced.",
                remedy='Name an object, such as aws_vpc.main or aws_subnet.app["a"].',
            )


def _outputs(walk: Walk) -> dict[str, OutputChange]:
    """The changes of root outputs; none when only some objects are destroyed, for outputs are no part of those."""
    if walk.options.mode is PlanMode.DESTROY and (walk.options.targets or walk.options.excludes):
        return {}
    return output_changes(walk.working, walk.stored.state, walk.options.mode, walk.visited)


def _in_checks(configuration: Configuration) -> set[ConfigResource]:
    """The data sources that stand inside check blocks."""
    return {
        ConfigResource(module.path, check.data.address)
        for module in configuration.modules.values()
        for check in module.checks.values()
        if check.data is not None
    }


def _drift(walk: Walk) -> tuple[Change, ...]:
    """What changed outside. A refresh-only plan has no other place to tell of moves."""
    drift = list(walk.stored.drift)
    if walk.options.mode is PlanMode.REFRESH_ONLY:
        told = {change.address for change in drift}
        for address, origin in walk.moves.origins.items():
            found = walk.moves.state.current(address)
            value = walk.working.objects.get(address)
            if found is not None and address not in told and value is not None:
                moved = Change(
                    address, found.provider, Action.NO_OP, value, value, previous_address=origin, prior=found
                )
                drift.append(moved)
    return tuple(sorted(drift, key=lambda change: change.address.sort_key))


def _plan(walk: Walk, stored: State | None) -> Plan:
    """What the walk found out, as a plan."""
    if walk.deferred:
        detail = f"These are planned when the changes above are applied: {', '.join(sorted(walk.deferred))}."
        walk.findings.add(warning("Some blocks are deferred", detail))
    changes = tuple(sorted(walk.changes.values(), key=lambda change: (change.address.sort_key, change.deposed)))
    if walk.options.mode is PlanMode.NORMAL:
        kept = keep_lost_dependencies(walk.moves.state, walk.changes, walk.stored.changes)
        walk.stored.changes.update(kept)
    prior_state = walk.moves.state.with_objects(walk.stored.changes)
    steps = order_steps(
        walk.graph,
        changes,
        walk.moves.state,
        _in_checks(walk.configuration),
        commit_last=walk.options.on_failure == "rollback",
    )
    return Plan(
        configuration=walk.configuration,
        mode=walk.options.mode,
        lineage=walk.moves.state.lineage,
        base_serial=stored.serial if stored is not None else None,
        prior_state=prior_state,
        changes=changes,
        steps=steps,
        outputs=_outputs(walk),
        drift=_drift(walk),
        state_changes=walk.stored.changes,
        variables=dict(walk.working.variables),
        modules={key: ModuleExpansion(expansion.kind, expansion.keys) for key, expansion in walk.working.calls.items()},
        checks=walk.checks.results(),
        on_failure=walk.options.on_failure,
        targets=tuple(map(str, walk.options.targets)),
        excludes=tuple(map(str, walk.options.excludes)),
        deferred=tuple(sorted(walk.deferred)),
        timestamp=walk.options.timestamp,
        diagnostics=(*walk.findings.all, *walk.setup.warnings),
    )
