"""Types and shapes of values in words, for people."""

from __future__ import annotations

from iacengine.lang.text import escape, number_text
from iacengine.lang.types import ListType, MapType, ObjectType, PrimitiveType, SetType, TupleType, Type, friendly_name
from iacengine.lang.values import (
    EPHEMERAL,
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
)

_LONGEST = 60  # characters of a string worth showing


def type_text(type_: Type, indent: str = "") -> str:
    """The type as `iac console` shows it: primitives on one line, what has parts one part a line."""
    if isinstance(type_, PrimitiveType):
        return type_.name
    inner = indent + "    "
    if isinstance(type_, ListType | SetType | MapType):
        element = type_text(type_.element, inner)
        if isinstance(type_.element, PrimitiveType):
            return f"{type_.kind}({element})"
        return f"{type_.kind}(\n{inner}{element},\n{indent})"
    if isinstance(type_, TupleType):
        lines = [f"{inner}{type_text(element, inner)},\n" for element in type_.elements]
        return f"tuple([\n{''.join(lines)}{indent}])" if lines else "tuple([])"
    lines = [f"{inner}{name}: {type_text(child, inner)},\n" for name, child in _attributes(type_)]
    return f"object({{\n{''.join(lines)}{indent}}})" if lines else "object({})"


def _attributes(type_: ObjectType) -> list[tuple[str, Type]]:
    return list(type_.attributes.items())


def describe(value: Value) -> str:
    """What a reference was when something failed: `is "a"`, `is list of string with 2 elements`; never a secret."""
    if value.__class__ is Marked:
        return "has an ephemeral value" if EPHEMERAL in value.marks else "has a sensitive value"
    kind = value.__class__
    if value is None or kind is Null:
        return "is null"
    if kind is Unknown:
        name = friendly_name(value.type)
        return "will be known only after apply" if name == "dynamic" else f"is a {name}, known only after apply"
    if kind is str:
        shown = escape(value if len(value) <= _LONGEST else value[:_LONGEST])
        return f'is "{shown}"' + ("..." if len(value) > _LONGEST else "")
    if kind is bool:
        return "is true" if value else "is false"
    if kind is tuple:
        return f"is tuple with {_count(len(value), 'element')}"
    if kind is dict:
        return f"is object with {_count(len(value), 'attribute')}"
    if kind is ListValue or kind is SetValue or kind is MapValue:
        noun = {ListValue: "list", SetValue: "set", MapValue: "map"}[kind]
        return f"is {noun} of {friendly_name(value.element_type)} with {_count(len(value), 'element')}"
    return f"is {number_text(value)[:_LONGEST]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
