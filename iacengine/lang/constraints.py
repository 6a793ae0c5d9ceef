"""Type constraints of variables: types that values are made to have, with defaults for what they leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from iacengine.lang.convert import ConversionError, convert, make_list, make_map
from iacengine.lang.sets import make_set
from iacengine.lang.types import DYNAMIC, ObjectType, TupleType, Type
from iacengine.lang.unify import unify
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_unknown,
    mark,
    type_of,
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values of optional attributes of one type: `values` of its own, `children` of its parts.

    A child's key is the attribute's name, the index of a tuple's element, or "" for all elements of a collection.
    """

    type: Type
    values: Mapping[str, Value] = field(default_factory=dict)
    children: Mapping[str | int, Defaults] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeConstraint:
    """A type that values are made to have, and what stands in for attributes they leave out."""

    type: Type
    defaults: Defaults | None = None

    def apply(self, value: Value) -> Value:
        """The value with defaults filled in (for an attribute that is absent or null) and converted to the type.

        Raises ConversionError.
        """
        if self.defaults is not None:
            value = fill_defaults(value, self.defaults)
        return convert(value, self.type)


ANY = TypeConstraint(DYNAMIC)


@lru_cache(maxsize=1024)
def parse_type_constraint(text: str) -> TypeConstraint:
    """The constraint a text names. Raises ExpressionError with the span of what is no type in it."""
    from iacengine.lang.type_parser import read_type  # lazy: a stack without variables reads no types

    return TypeConstraint(*read_type(text))


# --- filling in -----------------------------------------------------------------------------------------------------


def fill_defaults(value: Value, defaults: Defaults) -> Value:
    """The value with defaults in place of absent and null attributes, at every depth.

    The result may have yet another type than before, and is meant to be converted. A null or unknown stays as it is.
    """
    if is_null(value) or is_unknown(value) or not (defaults.values or defaults.children):
        return value
    if value.__class__ is Marked:
        return mark(fill_defaults(value.value, defaults), value.marks)
    kind = value.__class__
    if kind is tuple:
        return tuple(_fill_items(value, defaults))
    if kind is ListValue or kind is SetValue:
        items = _fill_items(value.items, defaults)
        if not items:
            return value
        common = _converted(items)
        if common is None:
            return tuple(items)
        return make_set(type_of(common[0]), common) if kind is SetValue else make_list(common)
    if kind is dict:
        return _fill_entries(value, defaults)
    if kind is MapValue:
        entries = _fill_entries(value.items, defaults)
        converted = _converted(list(entries.values()))
        if not entries:
            return value
        return entries if converted is None else make_map(dict(zip(entries, converted, strict=True)))
    return value


def _child(defaults: Defaults, key: str | int) -> Defaults | None:
    """The defaults of a part; none where the value has another shape than the type, which conversion will tell."""
    if isinstance(defaults.type, TupleType):
        return defaults.children.get(key) if isinstance(key, int) else None
    if isinstance(defaults.type, ObjectType):
        return defaults.children.get(key) if isinstance(key, str) else None
    return defaults.children.get("")


def _fill_items(items: tuple[Value, ...], defaults: Defaults) -> list[Value]:
    filled: list[Value] = []
    for index, item in enumerate(items):
        child = _child(defaults, index)
        filled.append(item if child is None else fill_defaults(item, child))
    return filled


def _fill_entries(entries: Mapping[str, Value], defaults: Defaults) -> dict[str, Value]:
    filled: dict[str, Value] = {}
    for key, item in entries.items():
        child = _child(defaults, key)
        filled[key] = item if child is None else fill_defaults(item, child)
    for key, default in defaults.values.items():
        if key not in filled or is_null(filled[key]):
            child = defaults.children.get(key)
            filled[key] = default if child is None else fill_defaults(default, child)
        elif not is_null(default):
            filled[key] = _not_null(filled[key])
    return filled


def _not_null(value: Value) -> Value:
    """An unknown for which a default stands by cannot turn out null."""
    if value.__class__ is Marked:
        return mark(_not_null(value.value), value.marks)
    if value.__class__ is not Unknown or value.type is DYNAMIC:
        return value
    known = value.refinement
    return Unknown(value.type, Refinement(True, known.prefix, known.length_min, known.length_max))


def _converted(items: list[Value]) -> list[Value] | None:
    """The items as values of their common type, or None when they have none."""
    if all(item is None or item.__class__ is Null for item in items):
        return items
    common = unify([type_of(item) for item in items], unsafe=True)
    if common is None:
        return None
    try:
        return [convert(item, common) for item in items]
    except ConversionError:
        return None
