"""Planning many managed objects at once: bodies evaluated, providers asked in one call each, answers recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iacengine.addresses import ProviderReference, ResourceInstance
from iacengine.config.model import ResourceBlock
from iacengine.config.source import locate
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import DiagnosticsError, has_errors
from iacengine.graph.nodes import Kind, Node
from iacengine.plan import managed
from iacengine.plan.model import Action, PlanMode
from iacengine.plan.prior import PriorObject
from iacengine.provider.checks import check_planned
from iacengine.provider.protocol import PlanRequest, PlanResponse, Provider
from iacengine.provider.redaction import redacted
from iacengine.schema import Schema
from iacengine.schema.values import mark_with_paths
from iacengine.state.model import ResourceObject

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk


class PlanTask:
    """One object on its way through a batch."""

    __slots__ = ("address", "again", "desired", "prior", "provider", "request", "response", "scope", "second")

    def __init__(
        self,
        desired: managed.Desired | None,
        request: PlanRequest | None,
        provider: Provider,
        scope: AnyScope,
        address: ResourceInstance,
        prior: PriorObject | None,
    ) -> None:
        self.desired = desired
        self.request = request
        self.provider = provider
        self.scope = scope
        self.address = address
        self.prior = prior
        self.second: PlanRequest | None = None
        self.response: PlanResponse | None = None
        self.again: PlanResponse | None = None


def prepare(
    walk: Walk,
    node: Node,
    address: ResourceInstance,
    block: ResourceBlock,
    reference: ProviderReference,
    schema: Schema,
    scope: AnyScope,
) -> PlanTask:
    prior = walk.stored.current(address, reference)
    if walk.options.mode is PlanMode.REFRESH_ONLY:
        if prior is not None:
            declared = {*prior.stored.dependencies, *walk.dependencies.of(node)}
            kept = prior.stored.protected
            _note(walk, prior.stored, tuple(sorted(declared)), walk.creates_before_destroy(node), protected=kept)
        return PlanTask(None, None, walk.providers.configured(reference), scope, address, prior)
    import_id = None
    if prior is None:
        prior, import_id = walk.imports.take(address, reference, schema)
    previous = walk.moves.origins.get(address)
    walk.checks.conditions(block.lifecycle.preconditions, scope, "Resource precondition failed", address)
    config, marks = managed.evaluate_config(block, schema, scope)
    provider = walk.providers.configured(reference)
    invalid = provider.validate_resource(address.resource.type, config)
    if invalid:
        shown = redacted(invalid, mark_with_paths(config, marks))
        placed = [found.at(*locate(block.origin)) for found in shown]
        walk.findings.extend(placed)
        if has_errors(placed):
            raise DiagnosticsError(*placed)
    desired = managed.Desired(
        address=address,
        block=block,
        provider=reference,
        schema=schema,
        config=config,
        marks=marks,
        prior=prior,
        create_before_destroy=node in walk._create_before_destroy,
        dependencies=walk.dependencies.of(node),
        forced=walk.options.forces_replacement(address),
        trigger=_triggered(walk, block, scope, address),
        import_id=import_id,
        previous_address=previous,
    )
    return PlanTask(desired, managed.prepare(desired), provider, scope, address, prior)


def _triggered(walk: Walk, block: ResourceBlock, scope: AnyScope, address: ResourceInstance) -> bool:
    if not block.lifecycle.replace_triggered_by:
        return False
    from iacengine.plan.triggers import triggered  # lazy: it needs the parser, which plain references do without

    return triggered(walk, block, scope, address)


def plan_batch(walk: Walk, batch: list[PlanTask]) -> None:
    """Ask the providers for plans, many at once; ask again for replacements; record the changes."""
    asked = [task for task in batch if task.request is not None]
    responses = _ask(asked)
    again = []
    for task, response in zip(asked, responses, strict=True):
        task.response = response
        assert task.desired is not None
        assert task.request is not None
        if managed.must_replace(task.desired, task.request, response):
            task.second = managed.request_for(task.desired, None)
            again.append(task)
    for task, response in zip(again, _ask(again, second=True), strict=True):
        task.again = response
    for task in batch:
        node = Node(Kind.RESOURCE, task.address.module.path, task.address.resource)
        try:
            _record(walk, task)
        except DiagnosticsError as found:
            walk.fail(node, found)


def _record(walk: Walk, task: PlanTask) -> None:
    if task.desired is None:
        if task.prior is not None:
            walk.working.set_object(task.address, task.prior.marked)
        return
    assert task.request is not None
    assert task.response is not None
    desired, request, response = task.desired, task.request, task.again or task.response
    _check_answer(walk, task, desired, response)
    change = managed.decide(desired, request, task.response, task.again)
    walk.changes[(change.address, "")] = change
    if change.action is Action.NO_OP and change.prior is not None:
        _note(walk, change.prior, change.dependencies, change.create_before_destroy, protected=change.protected)
    if change.is_effect:
        walk.changing.add(Node(Kind.RESOURCE, change.address.module.path, change.address.resource))
    walk.working.set_object(change.address, change.after)
    postconditions = desired.block.lifecycle.postconditions
    if postconditions:
        scope = task.scope.with_names({("self",): change.after})
        walk.checks.conditions(postconditions, scope, "Resource postcondition failed", change.address)


def _note(
    walk: Walk,
    stored: ResourceObject,
    dependencies: tuple[str, ...],
    create_before_destroy: bool,
    *,
    protected: bool,
) -> None:
    """What stays as it is may be destroyed in another order from now on, or not at all: that is stored all the same."""
    if (stored.dependencies, stored.create_before_destroy, stored.protected) != (
        dependencies,
        create_before_destroy,
        protected,
    ):
        walk.stored.changes[stored.key] = replace(
            stored, dependencies=dependencies, create_before_destroy=create_before_destroy, protected=protected
        )


def _check_answer(walk: Walk, task: PlanTask, desired: managed.Desired, response: PlanResponse) -> None:
    name = desired.provider.source
    final = task.second or task.request
    assert final is not None
    told = redacted(response.diagnostics, mark_with_paths(desired.config, desired.marks))
    problems = [replace(found, address=str(task.address)) for found in told]
    if not has_errors(problems):
        problems += check_planned(
            desired.schema.block,
            final.prior,
            final.config,
            response.planned,
            provider=name,
            legacy=response.legacy_type_system,
        )
    placed = [found.at(*locate(desired.block.origin)) for found in problems]
    if has_errors(placed):
        raise DiagnosticsError(*placed)
    walk.findings.extend(placed)


def _ask(tasks: list[PlanTask], *, second: bool = False) -> list[PlanResponse]:
    """The providers' plans for the tasks, in their order; each provider is asked once."""
    by_provider: dict[int, list[int]] = {}
    for index, task in enumerate(tasks):
        by_provider.setdefault(id(task.provider), []).append(index)
    answers: list[PlanResponse | None] = [None] * len(tasks)
    for indexes in by_provider.values():
        provider = tasks[indexes[0]].provider
        requests = [tasks[index].second if second else tasks[index].request for index in indexes]
        try:
            responses = provider.plan([request for request in requests if request is not None])
        except DiagnosticsError as found:
            responses = [PlanResponse(None, diagnostics=found.diagnostics) for _ in indexes]
        for index, response in zip(indexes, responses, strict=True):
            answers[index] = response
    return [answer for answer in answers if answer is not None]
