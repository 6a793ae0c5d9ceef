"""Making sets: twins dropped, elements in canonical order, marks moved from the elements to the whole."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from iacengine.lang.text import number_text
from iacengine.lang.types import BOOL, NUMBER, STRING, Type
from iacengine.lang.values import (
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
    is_wholly_known,
    mark,
    unmark_deep,
)


def make_set(element_type: Type, items: Iterable[Value]) -> Value:
    """The set of the items, each already of the type.

    Two unknowns are never twins. Primitives are sorted, by code point or number, nulls after them and unknowns last;
    other elements have a stable order of their own. A mark on any element marks the set.
    """
    marks: set[str] = set()
    known: dict[object, Value] = {}
    unknown: list[Value] = []
    nulls: list[Value] = []
    for item in items:
        plain, found = unmark_deep(item)
        marks |= found
        if plain is None or plain.__class__ is Null:
            nulls = [plain]
        elif is_wholly_known(plain):
            known.setdefault(plain if plain.__class__ is str else identity(plain), plain)
        else:
            unknown.append(plain)
    elements = list(known.values())
    if element_type is STRING or element_type is NUMBER or element_type is BOOL:
        elements.sort()
    else:
        elements.sort(key=order_key)
    result = SetValue(element_type, [*elements, *nulls, *unknown])
    return mark(result, marks) if marks else result


def identity(value: Value) -> object:
    """A hashable that is equal for two wholly known, unmarked values of one type exactly when the values are."""
    kind = value.__class__
    if kind is str or kind is bool or kind is int or kind is Fraction:
        return value
    if kind is float:
        return value + 0.0 if value else 0
    if kind is dict:
        return tuple([(key, identity(value[key])) for key in sorted(value)])
    if kind is tuple:
        return tuple(map(identity, value))
    if value is None or kind is Null:
        return Null
    if kind is Marked or kind is Unknown:
        raise TypeError("an unknown or marked value has no identity")
    items = value.items
    if items.__class__ is dict:
        return tuple([(key, identity(child)) for key, child in items.items()])
    return tuple(map(identity, items))


def order_key(value: Value) -> str:
    """The text by which elements of sets that are no primitives are ordered (`cty` orders them by the same one)."""
    pieces: list[str] = []
    _append_order(value, pieces)
    return "".join(pieces)


def _append_order(value: Value, pieces: list[str]) -> None:
    kind = value.__class__
    if kind is str:
        pieces.append('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')
    elif kind is bool:
        pieces.append("T" if value else "F")
    elif kind is int or kind is Fraction or kind is float:
        pieces.append(_short_number(value))
    elif value is None or kind is Null:
        pieces.append("~")
    elif kind is Unknown:
        pieces.append("?")
    elif kind is Marked:
        _append_order(value.value, pieces)
    elif kind is dict:
        _append_items("<", [value[name] for name in sorted(value)], ">", pieces)
    elif kind is tuple:
        _append_items("<", value, ">", pieces)
    elif value.items.__class__ is dict:
        pieces.append("{")
        for key, child in value.items.items():
            _append_order(key, pieces)
            pieces.append(":")
            _append_order(child, pieces)
            pieces.append(";")
        pieces.append("}")
    else:
        _append_items("[", value.items, "]", pieces)


def _append_items(opening: str, items: Iterable[Value], closing: str, pieces: list[str]) -> None:
    pieces.append(opening)
    for item in items:
        _append_order(item, pieces)
        pieces.append(";")
    pieces.append(closing)


def _short_number(number: int | Fraction | float) -> str:
    try:
        return f"{float(number):.10g}"
    except OverflowError:
        return number_text(number)
