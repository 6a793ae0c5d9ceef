"""`replace_triggered_by`: an object is replaced because another one changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iacengine.addresses import Mode, Resource, ResourceInstance
from iacengine.config.model import Origin, ResourceBlock
from iacengine.config.source import explain, locate
from iacengine.evaluation.scope import AnyScope, Expansion
from iacengine.foundation.diagnostics import DiagnosticsError, error, near_match
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.mentions import chain, resolve
from iacengine.lang.parser import parse_expression as parse_tree
from iacengine.lang.references import Index, Step
from iacengine.lang.syntax import Attribute, Variable
from iacengine.lang.syntax import Index as IndexNode
from iacengine.lang.values import Value, is_wholly_known, same, unmark
from iacengine.plan.model import Action, Change
from iacengine.schema.values import get_path

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk


def triggered(walk: Walk, block: ResourceBlock, scope: AnyScope, address: ResourceInstance) -> bool:
    """True when something that `replace_triggered_by` names is updated or replaced in this plan."""
    fires = False
    for index, raw in enumerate(block.lifecycle.replace_triggered_by):
        text = str(raw).removeprefix("${").removesuffix("}")
        origin = block.origin.at("lifecycle", "replace_triggered_by", index)
        try:
            resource, steps = _read(text, scope)
        except ExpressionError as found:
            raise DiagnosticsError(explain(found, origin)) from None
        if resource == block.address:
            raise _own_trigger(address, resource, origin)
        fires = _fires(walk, resource, steps, address, origin) or fires
    return fires


def _read(text: str, scope: AnyScope) -> tuple[Resource, list[Step]]:
    """The resource block a trigger names, and the steps after it; indexes such as `[each.key]` are evaluated."""
    node = parse_tree(text)
    assert isinstance(node, Attribute | IndexNode), "the configuration was checked"
    root, written = chain(node)
    assert isinstance(root, Variable), "the configuration was checked"
    subject, used = resolve(root, written)
    steps: list[Step] = []
    for step in written[used:]:
        if isinstance(step, Attribute):
            steps.append(step.name)
        else:
            start, end = step.key.span
            steps.append(Index(unmark(parse_expression(text[start:end]).evaluate(scope))[0]))
    return Resource(Mode.MANAGED, subject[1], subject[2]), steps


def _fires(walk: Walk, resource: Resource, steps: list[Step], address: ResourceInstance, origin: Origin) -> bool:
    expansion = walk.working.resources.get((address.module, resource))
    if expansion is None:
        return False
    keys = expansion.keys
    first = steps[0] if steps else None
    if isinstance(first, Index) and expansion.kind != "single":
        keys = (first.key,)
        steps = steps[1:]
        if first.key not in expansion.values:
            raise _no_instance(ResourceInstance(address.module, resource, first.key), expansion, origin)
    path = tuple(step.key if isinstance(step, Index) else step for step in steps)
    for key in keys:
        change = walk.changes.get((ResourceInstance(address.module, resource, key), ""))
        if change is not None and _changes_at(change, path):
            return True
    return False


def _own_trigger(address: ResourceInstance, resource: Resource, origin: Origin) -> DiagnosticsError:
    return DiagnosticsError(
        error(
            "Object triggers itself",
            f"{address} is to be replaced when {resource} changes, which is its own block: whether it changes is only "
            "decided here.",
            remedy="Name another resource, or give the attribute that matters to triggers_replace of a terraform_data "
            "resource and name that.",
        ).at(*locate(origin))
    )


def _no_instance(address: ResourceInstance, expansion: Expansion, origin: Origin) -> DiagnosticsError:
    near = near_match(str(address.key), [str(key) for key in expansion.keys])
    if expansion.kind == "count":
        remedy = f"It has {len(expansion.keys)}, counted from 0."
    else:
        remedy = f'Did you mean the one with the key "{near}"?' if near else "Name an instance that there is."
    detail = f"{address} triggers the replacement, and there is no such instance."
    return DiagnosticsError(error("Trigger without an instance", detail, remedy=remedy).at(*locate(origin)))


def _changes_at(change: Change, path: tuple[str | int, ...]) -> bool:
    if change.action is not Action.UPDATE and not change.action.is_replace:
        return False
    if not path:
        return True
    before, after = _at(change.before, path), _at(change.after, path)
    return not is_wholly_known(after) or not same(unmark(before)[0], unmark(after)[0])


def _at(value: Value, path: tuple[str | int, ...]) -> Value:
    try:
        return get_path(value, path)
    except (KeyError, IndexError, TypeError):
        return None
