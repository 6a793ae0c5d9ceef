"""Whether the steps of a plan can be undone when the apply fails later on."""

from __future__ import annotations

from enum import Enum

from iacengine.lang.values import Marked, Value, is_null
from iacengine.plan.model import Change, Plan, Step
from iacengine.state.journal_entries import Operation


class Reversibility(Enum):
    """`REVERSIBLE`: undone without a trace. `LOSSY`: undone, but under a new id, or without data that is not kept.
    `IRREVERSIBLE`: never undone; such steps come last."""

    REVERSIBLE = "reversible"
    LOSSY = "lossy"
    IRREVERSIBLE = "irreversible"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


def reversibility(step: Step, change: Change) -> Reversibility:
    """Of one step, whose change this is."""
    match step.operation:
        case Operation.DELETE:
            return Reversibility.IRREVERSIBLE if step.commits else Reversibility.LOSSY
        case Operation.UPDATE if _holds_what_is_not_kept(change):
            return Reversibility.LOSSY
        case _:
            return Reversibility.REVERSIBLE


def worst_by_change(plan: Plan) -> dict[int, Reversibility]:
    """For each change that has a step which is not simply undone, by its index: what that step is."""
    worst: dict[int, Reversibility] = {}
    for step in plan.steps:
        if step.operation is not None:
            found = reversibility(step, plan.changes[step.change])
            if found is not Reversibility.REVERSIBLE:
                worst[step.change] = found
    return worst


def _holds_what_is_not_kept(change: Change) -> bool:
    """True when write-only values are sent: what was there before is not known, so it cannot be sent again."""
    config, after = _entries(change.config), _entries(change.after)
    return any(not is_null(value) and is_null(after.get(name)) for name, value in config.items())


def _entries(value: Value) -> dict[str, Value]:
    plain = value.value if isinstance(value, Marked) else value
    return plain if isinstance(plain, dict) else {}
