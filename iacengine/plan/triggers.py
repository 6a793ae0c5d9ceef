"""`replace_triggered_by`: an object is replaced because another one changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iacengine.addresses import Mode, Resource, ResourceInstance
from iacengine.config.model import ResourceBlock
from iacengine.config.source import explain
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.references import Index, Reference
from iacengine.lang.values import Value, is_wholly_known, same, unmark
from iacengine.plan.model import Action, Change
from iacengine.schema.values import get_path

if TYPE_CHECKING:
    from iacengine.plan.walk import Walk


def triggered(walk: Walk, block: ResourceBlock, scope: AnyScope, address: ResourceInstance) -> bool:
    """True when something that `replace_triggered_by` names is updated or replaced in this plan."""
    for raw in block.lifecycle.replace_triggered_by:
        text = str(raw).removeprefix("${").removesuffix("}")
        try:
            expression = parse_expression(text)
            for reference in expression.references[:1]:
                if _fires(walk, reference, scope, address):
                    return True
        except ExpressionError as found:
            raise DiagnosticsError(explain(found, block.origin.at("lifecycle", "replace_triggered_by"))) from None
    return False


def _fires(walk: Walk, reference: Reference, scope: AnyScope, address: ResourceInstance) -> bool:
    if reference.subject[0] != "resource":
        return False
    resource = Resource(Mode.MANAGED, reference.subject[1], reference.subject[2])
    expansion = walk.working.resources.get((address.module, resource))
    if expansion is None:
        return False
    steps = list(reference.remaining)
    keys = expansion.keys
    first = steps[0] if steps else None
    if isinstance(first, Index) and expansion.kind != "single":
        keys = (first.key,)
        del steps[0]
    path = tuple(step.key if isinstance(step, Index) else step for step in steps)
    for key in keys:
        change = walk.changes.get((ResourceInstance(address.module, resource, key), ""))
        if change is not None and _changes_at(change, path):
            return True
    return False


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
