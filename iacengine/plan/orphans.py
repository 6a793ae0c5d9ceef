"""Objects that are stored but no longer wanted: deleted or forgotten; and all of them in a destroy plan."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from iacengine.addresses import ConfigResource, Mode, Resource, ResourceInstance, parse_provider_reference
from iacengine.config.model import ResourceBlock
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, some, warning
from iacengine.graph.nodes import Kind, Node
from iacengine.plan.managed import refuse_destroy
from iacengine.plan.model import Action, Change, PlanMode, Reason
from iacengine.plan.prior import PriorObject
from iacengine.state.model import ObjectKey, ResourceObject

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk


def plan_orphans(walk: Walk) -> None:
    """Plan the end of every stored object that no block wants. Nothing else is decided after this."""
    taken_up: Set[ObjectKey] = frozenset()
    if walk.stored.state.pending_rollback is not None:
        from iacengine.plan.difference import taken_up_by  # lazy: only after a run that did not end well

        taken_up = dict.fromkeys(taken_up_by(walk.stored.state)).keys()
    for found in sorted(walk.stored.state.objects.values(), key=lambda each: (each.address.sort_key, each.deposed)):
        try:
            _plan_orphan(walk, found, is_taken_up=found.key in taken_up)
        except DiagnosticsError as problem:
            walk.findings.add(*problem.diagnostics)
    _refuse_double_lives(walk)
    forgotten = [change for key in taken_up if (change := walk.changes.get(key)) and change.action is Action.FORGET]
    if forgotten:
        walk.findings.add(_only_taken_up(forgotten))


def _plan_orphan(walk: Walk, found: ResourceObject, *, is_taken_up: bool) -> None:
    address = found.address
    destroying = walk.options.mode is PlanMode.DESTROY
    node = Node(Kind.RESOURCE, address.module.path, address.resource)
    if not destroying and not found.deposed and (_is_wanted(walk, address) or walk.is_deferred(address)):
        return
    if not walk.selection.has_stored(address, node):
        return
    if address.resource.mode is not Mode.MANAGED:
        walk.stored.changes[found.key] = None
        return
    prior = _prior(walk, found)
    if prior is None:
        return
    if walk.options.mode is PlanMode.REFRESH_ONLY:
        return
    is_forgotten = not destroying and _is_forgotten(walk, address)
    is_forgotten |= is_taken_up and (destroying or not _is_wanted(walk, address))
    action = Action.FORGET if is_forgotten else Action.DELETE
    block = _block(walk, address)
    if action is Action.DELETE and not found.deposed:
        refuse_destroy(found, block)
    reason = None
    if not destroying and not found.deposed:
        reason = _reason(walk, address, block)
    walk.changes[found.key] = Change(
        address=address,
        provider=found.provider,
        action=action,
        before=prior.marked,
        after=None,
        reason=reason,
        deposed=found.deposed,
        previous_address=walk.moves.origins.get(address) if not destroying and not found.deposed else None,
        prior=prior.stored,
        dependencies=found.dependencies,
        create_before_destroy=found.create_before_destroy,  # what is stored counts, whatever its block says by now
    )


def loses_objects(walk: Walk, node: Node) -> bool:
    """True when a visited block has stored objects that it wants no more."""
    if node.kind is not Kind.RESOURCE or walk.options.mode is not PlanMode.NORMAL:
        return False
    assert isinstance(node.name, Resource)
    return node.name.mode is Mode.MANAGED and any(
        not _is_wanted(walk, address) for address in walk.stored.of_block(ConfigResource(node.module, node.name))
    )


def _is_wanted(walk: Walk, address: ResourceInstance) -> bool:
    """True when a block wants the object, or when its block could not be planned and so cannot tell."""
    node = Node(Kind.RESOURCE, address.module.path, address.resource)
    if node in walk.failed or (node in walk.graph and node not in walk.visited):
        return True
    expansion = walk.working.resources.get((address.module, address.resource))
    if expansion is None or not _module_exists(walk, address):
        return False
    return address.key in expansion.values


def _module_exists(walk: Walk, address: ResourceInstance) -> bool:
    path = address.module.path
    return path in walk.configuration.modules and address.module in walk.working.module_instances(path)


def _block(walk: Walk, address: ResourceInstance) -> ResourceBlock | None:
    module = walk.configuration.modules.get(address.module.path)
    return module.resources.get(address.resource) if module is not None else None


def _prior(walk: Walk, found: ResourceObject) -> PriorObject | None:
    """The object after refresh; None when it is gone already."""
    reference = parse_provider_reference(found.provider)
    if not walk.setup.of_stored(reference):
        raise DiagnosticsError(
            error(
                "Provider configuration not present",
                f"{found.address} was made with the provider configuration {reference}, which is declared nowhere now, "
                "so it cannot be deleted.",
                remedy="Declare the provider configuration again until the object is deleted.",
                address=str(found.address),
            )
        )
    type_ = found.address.resource.type
    if walk.providers.resource_schema(reference.source, found.address.resource.mode, type_) is None:
        raise DiagnosticsError(
            error(
                "Resource type not present",
                f"{found.address} is in the state, but its provider {reference.source} has no resource type "
                f'"{type_}" (any more), so it cannot be looked up and not be deleted.',
                remedy="Use the version of the provider that made it; or delete it by hand, and forget it with "
                f"`iac state rm {found.address}`.",
                address=str(found.address),
            )
        )
    return walk.stored.now(found, reference)


def _is_forgotten(walk: Walk, address: ResourceInstance) -> bool:
    """True when a `removed` block says to keep the object; one that says so wins over others for the same object."""
    for module in walk.configuration.modules.values():
        depth = len(module.path)
        if not module.removed or address.module.path[:depth] != module.path:
            continue
        inner = ResourceInstance(type(address.module)(address.module.steps[depth:]), address.resource, address.key)
        if any(not removed.destroy and removed.source.contains(inner) for removed in module.removed):
            return True
    return False


def _refuse_double_lives(walk: Walk) -> None:
    """What is imported to one address may not be destroyed under another."""
    imported = {
        _known_as(change): change.address for change in walk.changes.values() if change.import_id and change.prior
    }
    for change in walk.changes.values() if imported else ():
        address = imported.get(_known_as(change)) if change.action is Action.DELETE and change.prior else None
        if address is not None:
            problem = error(
                "Imported object would be destroyed",
                f"{address} imports what the state has as {change.address}, which no block wants any more, so that it "
                "would be destroyed.",
                remedy=f"Write a moved block from {change.address} to {address} in place of the import block.",
                address=str(address),
            )
            walk.findings.add(problem)


def _known_as(change: Change) -> tuple[str, str, object]:
    id_ = change.prior.attributes.get("id") if change.prior is not None else None
    return (change.address.resource.type, change.provider, id_ or str(change.address))


def _only_taken_up(forgotten: Sequence[Change]) -> Diagnostic:
    names = some(change.address for change in forgotten)
    return warning(
        "Imported by a run that is not done",
        f"{names}: only a run that is still to be undone had imported it; it is forgotten and not destroyed.",
        remedy="To destroy it, import it in a run that comes to its end, and take it out in the next.",
    )


def _reason(walk: Walk, address: ResourceInstance, block: ResourceBlock | None) -> Reason:
    if block is None:
        if address in walk.moves.origins:
            return Reason.DELETE_BECAUSE_NO_MOVE_TARGET
        return Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG
    if not _module_exists(walk, address):
        return Reason.DELETE_BECAUSE_NO_MODULE
    kind = "count" if block.repetition.has_count else "for_each" if block.repetition.has_for_each else "single"
    if kind == "count" and isinstance(address.key, int):
        return Reason.DELETE_BECAUSE_COUNT_INDEX
    if kind == "for_each" and isinstance(address.key, str):
        return Reason.DELETE_BECAUSE_EACH_KEY
    return Reason.DELETE_BECAUSE_WRONG_REPETITION
