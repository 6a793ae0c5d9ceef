"""The types of the language, after Terraform's type system (`cty`).

A type is immutable and hashable. Primitive types are the singletons `STRING`, `NUMBER`, `BOOL`; `DYNAMIC` is the
type of a value whose type is not known (and the constraint `any`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never


class PrimitiveType:
    """`string`, `number`, `bool`, or `dynamic`; one instance of each exists."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name.upper()

    def __reduce__(self) -> str:
        return self.name.upper()


STRING = PrimitiveType("string")
NUMBER = PrimitiveType("number")
BOOL = PrimitiveType("bool")
DYNAMIC = PrimitiveType("dynamic")


class _CollectionType:
    """A collection whose elements all have one type."""

    __slots__ = ("_hash", "element")
    kind = ""

    def __init__(self, element: Type) -> None:
        self.element = element
        self._hash = hash((self.kind, element))

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.element == other.element)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.element!r})"


class ListType(_CollectionType):
    __slots__ = ()
    kind = "list"


class SetType(_CollectionType):
    __slots__ = ()
    kind = "set"


class MapType(_CollectionType):
    __slots__ = ()
    kind = "map"


class TupleType:
    """A sequence of fixed length whose elements each have their own type."""

    __slots__ = ("_hash", "elements")

    def __init__(self, elements: Iterable[Type]) -> None:
        self.elements: tuple[Type, ...] = tuple(elements)
        self._hash = hash(("tuple", self.elements))

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is TupleType and self.elements == other.elements)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"TupleType({list(self.elements)!r})"


class ObjectType:
    """Named attributes, each with its own type. A conversion may leave out those in `optional` (they become null)."""

    __slots__ = ("_hash", "attributes", "optional")

    def __init__(self, attributes: Mapping[str, Type], optional: Iterable[str] = ()) -> None:
        self.attributes: Mapping[str, Type] = {name: attributes[name] for name in sorted(attributes)}
        self.optional: frozenset[str] = frozenset(optional)
        self._hash = hash(("object", tuple(self.attributes.items()), self.optional))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            type(other) is ObjectType
            and self._hash == other._hash
            and self.attributes == other.attributes
            and self.optional == other.optional
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"ObjectType({dict(self.attributes)!r}, {sorted(self.optional)!r})"


Type = PrimitiveType | ListType | SetType | MapType | TupleType | ObjectType

_PRIMITIVES = {type_.name: type_ for type_ in (STRING, NUMBER, BOOL, DYNAMIC)}


def is_primitive(type_: Type) -> bool:
    """True for string, number and bool (not for dynamic)."""
    return type_ is STRING or type_ is NUMBER or type_ is BOOL


def has_dynamic(type_: Type) -> bool:
    """True when `dynamic` stands anywhere in the type."""
    if isinstance(type_, PrimitiveType):
        return type_ is DYNAMIC
    if isinstance(type_, _CollectionType):
        return has_dynamic(type_.element)
    if isinstance(type_, TupleType):
        return any(has_dynamic(element) for element in type_.elements)
    return any(has_dynamic(attribute) for attribute in type_.attributes.values())


def without_optional(type_: Type) -> Type:
    """The same type with no optional attributes: what a value of the constraint has."""
    if isinstance(type_, PrimitiveType):
        return type_
    if isinstance(type_, ListType):
        return ListType(without_optional(type_.element))
    if isinstance(type_, SetType):
        return SetType(without_optional(type_.element))
    if isinstance(type_, MapType):
        return MapType(without_optional(type_.element))
    if isinstance(type_, TupleType):
        return TupleType(without_optional(element) for element in type_.elements)
    return ObjectType({name: without_optional(child) for name, child in type_.attributes.items()})


def friendly_name(type_: Type) -> str:
    """The type as messages name it: `string`, `list of string`, `object`, `tuple`, `dynamic`."""
    if isinstance(type_, PrimitiveType):
        return type_.name
    if isinstance(type_, _CollectionType):
        element = "any single type" if type_.element is DYNAMIC else friendly_name(type_.element)
        return f"{type_.kind} of {element}"
    return "tuple" if isinstance(type_, TupleType) else "object"


def type_to_json(type_: Type) -> Any:
    """The type in `cty`'s JSON notation: `"string"`, `["list", T]`, `["object", {name: T}]`, `["tuple", [T…]]`."""
    match type_:
        case PrimitiveType():
            return type_.name
        case ListType() | SetType() | MapType():
            return [type_.kind, type_to_json(type_.element)]
        case TupleType():
            return ["tuple", [type_to_json(element) for element in type_.elements]]
        case ObjectType():
            attributes = {name: type_to_json(child) for name, child in type_.attributes.items()}
            return ["object", attributes, sorted(type_.optional)] if type_.optional else ["object", attributes]
        case _:
            assert_never(type_)


def type_from_json(data: Any) -> Type:
    """The inverse of `type_to_json`. Raises ValueError on anything else."""
    if isinstance(data, str):
        if data in _PRIMITIVES:
            return _PRIMITIVES[data]
    elif isinstance(data, list | tuple) and len(data) in (2, 3):
        match data[0]:
            case "list":
                return ListType(type_from_json(data[1]))
            case "set":
                return SetType(type_from_json(data[1]))
            case "map":
                return MapType(type_from_json(data[1]))
            case "tuple":
                return TupleType(type_from_json(element) for element in data[1])
            case "object":
                optional = data[2] if len(data) == 3 else ()
                return ObjectType({name: type_from_json(child) for name, child in data[1].items()}, optional)
    raise ValueError(f"not a type: {data!r}")
