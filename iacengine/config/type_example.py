"""How a value of a type is written, for remedies."""

from __future__ import annotations

from iacengine.lang.types import BOOL, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType, Type


def example(type_: Type) -> str | None:
    """A value of the type as YAML; None for any type."""
    if type_ is STRING:
        return '"text"'
    if type_ is NUMBER:
        return "5"
    if type_ is BOOL:
        return "true"
    if isinstance(type_, ListType | SetType):
        return f"[{example(type_.element) or '…'}]"
    if isinstance(type_, MapType):
        return f"{{key: {example(type_.element) or '…'}}}"
    if isinstance(type_, TupleType):
        return f"[{', '.join(example(element) or '…' for element in type_.elements)}]"
    if isinstance(type_, ObjectType):
        required = [name for name in type_.attributes if name not in type_.optional]
        return "{" + ", ".join(f"{name}: {example(type_.attributes[name]) or '…'}" for name in required[:4]) + "}"
    return None


def type_remedy(type_: Type) -> str | None:
    """What to write instead of a value of another type."""
    shown = example(type_)
    return f"Write a value such as {shown}." if shown else None
