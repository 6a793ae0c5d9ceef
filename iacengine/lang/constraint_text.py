"""Type constraints as Terraform's language writes them: `object({name = string, size = optional(number, 1)})`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from iacengine.lang.constraints import Defaults, TypeConstraint
from iacengine.lang.text import escape, number_text
from iacengine.lang.types import DYNAMIC, ListType, MapType, ObjectType, PrimitiveType, SetType, TupleType, Type
from iacengine.lang.values import ListValue, MapValue, SetValue, Value, is_null

_NONE = Defaults(DYNAMIC)
_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_-]*")


def constraint_text(constraint: TypeConstraint) -> str:
    """The constraint on one line; `parse_type_constraint` reads it back."""
    return _type(constraint.type, constraint.defaults or _NONE)


def _type(type_: Type, defaults: Defaults) -> str:
    if isinstance(type_, PrimitiveType):
        return "any" if type_ is DYNAMIC else type_.name
    if isinstance(type_, ListType | SetType | MapType):
        return f"{type_.kind}({_type(type_.element, defaults.children.get('', _NONE))})"
    if isinstance(type_, TupleType):
        parts = (_type(one, defaults.children.get(index, _NONE)) for index, one in enumerate(type_.elements))
        return f"tuple([{', '.join(parts)}])"
    return f"object({{{', '.join(_attribute(name, type_, defaults) for name in type_.attributes)}}})"


def _attribute(name: str, type_: ObjectType, defaults: Defaults) -> str:
    text = _type(type_.attributes[name], defaults.children.get(name, _NONE))
    if name in type_.optional:
        default = defaults.values.get(name)
        text = f"optional({text}{'' if is_null(default) else f', {_value(default)}'})"
    return f"{name} = {text}"


def _value(value: Value) -> str:
    if is_null(value):
        return "null"
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{escape(value)}"'
        case tuple():
            return _items(value)
        case ListValue() | SetValue():
            return _items(value.items)
        case dict():
            return _entries(value)
        case MapValue():
            return _entries(value.items)
        case _:
            return number_text(value)


def _items(items: Iterable[Value]) -> str:
    return f"[{', '.join(map(_value, items))}]"


def _entries(entries: Mapping[str, Value]) -> str:
    return f"{{{', '.join(f'{_key(name)} = {_value(one)}' for name, one in entries.items())}}}"


def _key(name: str) -> str:
    # `{for` begins something else.
    return name if _NAME.fullmatch(name) and name != "for" else _value(name)
