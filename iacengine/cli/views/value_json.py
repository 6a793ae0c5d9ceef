"""Values as JSON data, and the structures that run beside them in plan and state JSON.

All numbers come out exactly: orjson writes what fits 64 bits, larger and broken ones are given to it as finished text.
The rules for unknown and sensitive parts are those of Terraform's `jsonplan` and `jsonstate` packages.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import orjson

from iacengine.lang.text import number_text
from iacengine.lang.types import ListType, MapType, ObjectType, SetType, TupleType
from iacengine.lang.values import (
    SENSITIVE,
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
    is_wholly_known,
)

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_SEQUENCES = (TupleType, ListType, SetType)
_MAPPINGS = (ObjectType, MapType)


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What `json_of` makes of a value that is unknown."""


# Some readers of lines take these for an end of line; inside JSON they can only stand in strings.
_LINE_ENDS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))


def dumps(data: Any, *, indent: bool = False) -> bytes:
    """JSON text of data that may hold what `json_of` made; without `indent` it is one line for every reader."""
    text = orjson.dumps(data, option=orjson.OPT_INDENT_2 if indent else 0)
    for raw, escaped in _LINE_ENDS:
        if raw in text:
            text = text.replace(raw, escaped)
    return text


def exact_number(value: int | Fraction | float) -> Any:
    """A number as orjson writes it exactly. An infinity, which JSON cannot say, becomes null."""
    if value.__class__ is int and _INT_MIN <= value <= _INT_MAX:
        return value
    text = number_text(value)
    return None if text.endswith("inf") else orjson.Fragment(text)


def json_of(value: Value) -> Any:
    """The value as JSON data, marks dropped. An unknown part of an object or map is left out, one of a list is null.

    `ABSENT` when the whole value is unknown.
    """
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return value
    if kind is int or kind is Fraction or kind is float:
        return exact_number(value)
    if kind is dict or kind is MapValue:
        entries = value if kind is dict else value.items
        known = {}
        for key in sorted(entries):
            child = entries[key]
            if child.__class__ is not str:
                child = json_of(child)
                if child is ABSENT:
                    continue
            known[key] = child
        return known
    if kind is tuple or kind is ListValue or kind is SetValue:
        items = map(json_of, value if kind is tuple else value.items)
        return [None if item is ABSENT else item for item in items]
    if kind is Marked:
        return json_of(value.value)
    if kind is Null:
        return None
    assert kind is Unknown
    return ABSENT


def unknown_of(value: Value) -> Any:
    """True where the value is unknown: `true`, `false`, or a structure that leaves `false` out of its objects."""
    kind = value.__class__
    if kind is str or kind is bool or kind is int or value is None:
        return False
    if kind is Unknown:
        return True
    if kind is Marked:
        return unknown_of(value.value)
    if kind is dict or kind is MapValue:
        return _true_entries(value if kind is dict else value.items, unknown_of)
    if kind is tuple or kind is ListValue or kind is SetValue:
        return [unknown_of(item) for item in (value if kind is tuple else value.items)]
    return False


def sensitive_of(value: Value) -> Any:
    """True where the value is sensitive, in a structure like that of `unknown_of`."""
    kind = value.__class__
    if kind is str or kind is bool or kind is int or value is None:
        return False
    if kind is Marked:
        return True if SENSITIVE in value.marks else sensitive_of(value.value)
    if kind is dict or kind is MapValue:
        return _true_entries(value if kind is dict else value.items, sensitive_of)
    if kind is tuple or kind is ListValue or kind is SetValue:
        return [sensitive_of(item) for item in (value if kind is tuple else value.items)]
    if kind is Unknown:
        if isinstance(value.type, _SEQUENCES):
            return []
        return {} if isinstance(value.type, _MAPPINGS) else False
    return False


def _true_entries(entries: dict[str, Value], question: Any) -> dict[str, Any]:
    found = {}
    for key in sorted(entries):
        child = entries[key]
        if child.__class__ is str:
            continue
        answer = question(child)
        if answer is not False:
            found[key] = answer
    return found


def change_json(before: Value, after: Value) -> dict[str, Any]:
    """`before`, `after`, `after_unknown`, `before_sensitive` and `after_sensitive` of a resource."""
    shown: dict[str, Any] = {"before": json_of(before)}
    known = json_of(after)
    if known is not ABSENT:
        shown["after"] = known
    shown["after_unknown"] = {} if is_wholly_known(after) else unknown_of(after)
    shown["before_sensitive"] = sensitive_of(before)
    shown["after_sensitive"] = sensitive_of(after)
    return shown
