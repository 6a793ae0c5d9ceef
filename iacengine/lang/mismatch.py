"""Why a value of one type cannot be of another, in words."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.types import DYNAMIC, ListType, MapType, ObjectType, SetType, TupleType, Type, friendly_name
from iacengine.lang.unify import can_convert


def mismatch(found: Type, wanted: Type) -> str:
    """Why a value of one type cannot be of the other, in words: `string required, but have tuple`."""
    match wanted:
        case ObjectType() if isinstance(found, ObjectType):
            missing = [n for n in wanted.attributes if n not in found.attributes and n not in wanted.optional]
            if missing:
                return missing_message(missing)
            for name, child in wanted.attributes.items():
                inner = found.attributes.get(name, child)
                if inner != child and not can_convert(inner, child):
                    return f'attribute "{name}": {mismatch(inner, child)}'
        case ListType() | SetType() if isinstance(found, TupleType):
            if wanted.element is DYNAMIC:
                return f"all {wanted.kind} elements must have the same type"
            for index, inner in enumerate(found.elements):
                if inner != wanted.element and not can_convert(inner, wanted.element):
                    return f"element {index}: {mismatch(inner, wanted.element)}"
        case MapType() if isinstance(found, ObjectType):
            if wanted.element is DYNAMIC:
                return "all map elements must have the same type"
            for name, inner in found.attributes.items():
                if inner != wanted.element and not can_convert(inner, wanted.element):
                    return f'element "{name}": {mismatch(inner, wanted.element)}'
        case ListType() | SetType() if isinstance(found, ListType | SetType):
            return f"incorrect {wanted.kind} element type: {mismatch(found.element, wanted.element)}"
        case MapType() if isinstance(found, MapType):
            return f"incorrect map element type: {mismatch(found.element, wanted.element)}"
        case TupleType() if isinstance(found, TupleType) and len(found.elements) != len(wanted.elements):
            return f"a tuple of {len(wanted.elements)} elements is required, but this one has {len(found.elements)}"
        case _:
            pass
    return f"{friendly_name(wanted)} required, but have {friendly_name(found)}"


def missing_message(missing: Sequence[str]) -> str:
    """Which required attributes are not there."""
    if len(missing) == 1:
        return f'attribute "{missing[0]}" is required'
    *first, last = [f'"{name}"' for name in missing]
    return f"attributes {', '.join(first)} and {last} are required"
