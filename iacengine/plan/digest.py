"""The digest of a plan: equal plans of one state have the same, whatever file they are kept in. No secret is in it."""

from __future__ import annotations

import hashlib
from typing import Any

from iacengine.lang.values import EPHEMERAL, SENSITIVE, Marked, Value, map_children
from iacengine.plan.model import Change, Plan
from iacengine.plan.value_codec import encode_value
from iacengine.state.json_form import dump


def plan_digest(plan: Plan) -> str:
    """SHA-256, hexadecimal, over the state that the plan is bound to, what it does to which object, and its outputs.

    What is sensitive or ephemeral does not count, so that the digest gives no way to guess it; when the plan was made
    does not count either. The cost grows with what changes, not with the stack.
    """
    digest = hashlib.sha256()
    head = [plan.mode.value, plan.lineage, plan.base_serial, plan.on_failure, *map(list, (plan.targets, plan.excludes))]
    digest.update(dump(head)[0])
    for change in plan.changes:
        if change.is_effect or change.previous_address is not None or change.import_id is not None:
            digest.update(b"\n" + dump(_change(change))[0])
    for name, output in sorted(plan.outputs.items()):
        value = None if output.sensitive else encode_value(_told(output.after))
        digest.update(b"\n" + dump(["output", name, output.action.value, value])[0])
    return digest.hexdigest()


def _change(change: Change) -> list[Any]:
    return [
        str(change.address),
        change.deposed,
        change.provider,
        change.action.value,
        str(change.previous_address) if change.previous_address is not None else None,
        change.import_id,
        encode_value(_told(change.after)),
    ]


def _told(value: Value) -> Value:
    """The value with null in place of what nobody is to know."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value  # the most of them
    if kind is Marked:
        return None if SENSITIVE in value.marks or EPHEMERAL in value.marks else _told(value.value)
    return map_children(value, _told)
