"""From what was planned and what was seen to what is kept: a known planned value stands, the rest is as seen."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.sets import make_set
from iacengine.lang.values import (
    ListValue,
    MapValue,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    map_children,
    same,
)


def settle(planned: Value, seen: Value) -> Value:
    """The planned value with everything unknown in it taken from what was seen.

    What was asked for is kept as it was written; if the API made something else of it, the next refresh says so.
    """
    kind = planned.__class__
    if kind is Unknown:
        return seen
    if is_wholly_known(planned):
        return planned
    if kind is dict:
        there = seen if seen.__class__ is dict else {}
        return {name: settle(child, there.get(name)) for name, child in planned.items()}
    if kind is ListValue or kind is tuple:
        found = list(seen) if seen.__class__ is kind else []
        items = [settle(item, found[index] if index < len(found) else None) for index, item in enumerate(planned)]
        return tuple(items) if kind is tuple else ListValue(planned.element_type, items)
    if kind is SetValue:
        remaining = list(seen) if seen.__class__ is SetValue else []
        return make_set(planned.element_type, [settle(item, _take(item, remaining)) for item in planned])
    if kind is MapValue:
        entries = seen.items if seen.__class__ is MapValue else {}
        return MapValue(
            planned.element_type, {key: settle(item, entries.get(key)) for key, item in planned.items.items()}
        )
    return planned


def _take(planned: Value, candidates: list[Value]) -> Value:
    """The first candidate that could be what was planned, taken from the list."""
    for index, candidate in enumerate(candidates):
        if _agrees(planned, candidate):
            return candidates.pop(index)
    return None


def _agrees(planned: Value, seen: Value) -> bool:
    if planned.__class__ is Unknown:
        return True
    if planned.__class__ is dict and seen.__class__ is dict:
        return all(_agrees(child, seen.get(name)) for name, child in planned.items())
    if planned.__class__ is seen.__class__ and isinstance(planned, ListValue | SetValue | tuple):
        left: Sequence[Value] = tuple(planned)
        right: Sequence[Value] = tuple(seen)
        return len(left) == len(right) and all(map(_agrees, left, right))
    return (is_null(planned) and _is_empty(seen)) or same(planned, seen)


def _is_empty(value: Value) -> bool:
    return is_null(value) or value == "" or value is False or (value.__class__ is int and value == 0)


def without_unknown(value: Value) -> Value:
    """The value with null in the place of everything unknown."""
    if value.__class__ is Unknown:
        return None
    return value if is_wholly_known(value) else map_children(value, without_unknown)
