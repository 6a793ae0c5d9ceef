"""Equality as functions that search see it: nothing is converted, and an unknown may make the answer unknown."""

from __future__ import annotations

from iacengine.lang.sets import identity
from iacengine.lang.types import has_dynamic
from iacengine.lang.values import (
    ListValue,
    MapValue,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    type_of,
    unmark_deep,
)


def equal(a: Value, b: Value) -> bool | None:
    """Whether two values are equal; None when that is not known yet. Marks are looked through."""
    kind = a.__class__
    if kind is str or kind is int or kind is bool:
        if kind is b.__class__:
            return bool(a == b)
        if b.__class__ is not Unknown and b.__class__ in (str, int, bool):
            return False
    a, _ = unmark_deep(a)
    b, _ = unmark_deep(b)
    if a.__class__ is Unknown or b.__class__ is Unknown:
        return _with_unknown(a, b) if a.__class__ is Unknown else _with_unknown(b, a)
    if is_null(a) or is_null(b):
        return is_null(a) and is_null(b)
    if is_wholly_known(a) and is_wholly_known(b):
        return type_of(a) == type_of(b) and bool(identity(a) == identity(b))
    return _structures(a, b)


def _with_unknown(unknown: Unknown, other: Value) -> bool | None:
    refinement = unknown.refinement
    if is_null(other):
        return False if refinement.not_null else None
    if other.__class__ is Unknown or has_dynamic(unknown.type):
        return None
    if type_of(other) != unknown.type:
        return False
    if other.__class__ is str and not other.startswith(refinement.prefix):
        return False
    if other.__class__ in (ListValue, SetValue, MapValue):
        count = len(other)
        if count < refinement.length_min or (refinement.length_max is not None and count > refinement.length_max):
            return False
    return None


def _structures(a: Value, b: Value) -> bool | None:
    """Equality of two values of which one holds an unknown somewhere."""
    a_type, b_type = type_of(a), type_of(b)
    if a_type != b_type:
        return None if has_dynamic(a_type) or has_dynamic(b_type) else False
    if a.__class__ is SetValue:
        return None
    if a.__class__ is dict:
        pairs = [(a[name], b[name]) for name in sorted(a)]
    elif a.__class__ is MapValue:
        if a.items.keys() != b.items.keys():
            return False
        pairs = [(a.items[key], b.items[key]) for key in a.items]
    else:
        if len(a) != len(b):
            return False
        pairs = list(zip(a, b, strict=True))
    for left, right in pairs:
        answer = equal(left, right)
        if not answer:
            return answer
    return True
