"""Unknown values, compared without what is known of them."""

from __future__ import annotations

from iacengine.lang.values import NO_REFINEMENT, Null, Unknown, Value, is_null, map_children, same


def unrefined(value: Value) -> Value:
    """The value with every unknown in it bare, and every null inside it untyped; the same object if nothing changed."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is Unknown:
        return value if value.refinement is NO_REFINEMENT or value.refinement == NO_REFINEMENT else Unknown(value.type)
    if kind is Null:
        return None
    return map_children(value, unrefined)


def alike(a: Value, b: Value) -> bool:
    """True when both are the same value, whatever is known of unknowns in them and of the types of nulls."""
    if a is b:
        return True
    kind = a.__class__
    if kind is b.__class__ and (kind is str or kind is int or kind is bool):
        return bool(a == b)
    if is_null(a) or is_null(b):
        return is_null(a) and is_null(b)
    return same(a, b) or same(unrefined(a), unrefined(b))  # mostly they are the same as they stand
