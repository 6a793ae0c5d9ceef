"""Type constraints as they are written for variables: `list(string)`, `object({a = optional(number, 1)})`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.compile import compile_expression
from iacengine.lang.convert import ConversionError, convert, make_list, make_map
from iacengine.lang.errors import ExpressionError
from iacengine.lang.parser import parse_expression
from iacengine.lang.references import free_roots
from iacengine.lang.sets import make_set
from iacengine.lang.syntax import Call, Key, Literal, Node, Object, Tuple, Variable
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType, Type
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
from iacengine.lang.walk import contains


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
    node = parse_expression(text)
    if isinstance(node, Variable) and node.name in ("list", "map"):  # list and map alone mean list(any) and map(any)
        return TypeConstraint(ListType(DYNAMIC) if node.name == "list" else MapType(DYNAMIC))
    type_, defaults = _read(node)
    return TypeConstraint(type_, defaults)


# --- reading --------------------------------------------------------------------------------------------------------

_KEYWORDS: Mapping[str, Type] = {"string": STRING, "number": NUMBER, "bool": BOOL, "any": DYNAMIC}
_COLLECTIONS: Mapping[str, type[ListType] | type[SetType] | type[MapType]] = {
    "list": ListType,
    "set": SetType,
    "map": MapType,
}
_ARGUMENT = {
    "list": "the element type",
    "set": "the element type",
    "map": "the element type",
    "object": "the attribute types and values as a map",
    "tuple": "the element types as a list",
}
_EXAMPLE = {
    "list": "list(string)",
    "set": "set(string)",
    "map": "map(string)",
    "object": "object({name = string})",
    "tuple": "tuple([string, number])",
}


def _fail(detail: str, node: Node, remedy: str | None = None) -> NoReturn:
    raise ExpressionError("Invalid type specification", detail, remedy=remedy, span=node.span)


def _read(node: Node) -> tuple[Type, Defaults | None]:
    if isinstance(node, Variable):
        return _keyword(node), None
    if not isinstance(node, Call):
        _fail(
            "A type specification is either a primitive type keyword (bool, number, string) or a complex type "
            "constructor call, like list(string).",
            node,
            remedy="Write the keyword without quotes." if isinstance(node, Literal) else None,
        )
    name = node.name
    if name in _KEYWORDS:
        _fail(f'The type keyword "{name}" does not expect arguments.', node, remedy=f"Write {name} alone.")
    if name == "optional":
        _fail('Keyword "optional" is valid only as a modifier for object type attributes.', node)
    if name not in _ARGUMENT:
        near = near_match(name, (*_ARGUMENT, *_KEYWORDS))
        _fail(
            f'Keyword "{name}" is not a valid type constructor.',
            node,
            remedy=f'Did you mean "{near}"?' if near else f"Valid are {', '.join(_ARGUMENT)}.",
        )
    if len(node.arguments) != 1 or node.expand:
        _fail(
            f"The {name} type constructor requires one argument specifying {_ARGUMENT[name]}.",
            node,
            remedy=f"For example {_EXAMPLE[name]}.",
        )
    argument = node.arguments[0]
    if name == "object":
        return _object(argument)
    if name == "tuple":
        return _tuple(argument)
    element, defaults = _read(argument)
    type_ = _COLLECTIONS[name](element)
    return type_, None if defaults is None else Defaults(type_, {}, {"": defaults})


def _keyword(node: Variable) -> Type:
    name = node.name
    if name in _KEYWORDS:
        return _KEYWORDS[name]
    if name in _ARGUMENT:
        _fail(
            f"The {name} type constructor requires one argument specifying {_ARGUMENT[name]}.",
            node,
            remedy=f"For example {_EXAMPLE[name]}.",
        )
    near = near_match(name, (*_KEYWORDS, *_ARGUMENT))
    _fail(
        f'The keyword "{name}" is not a valid type specification.',
        node,
        remedy=f'Did you mean "{near}"?' if near else "Valid are string, number, bool, any, and list(string) and such.",
    )


def _tuple(argument: Node) -> tuple[Type, Defaults | None]:
    if not isinstance(argument, Tuple):
        _fail("Tuple type constructor requires a list of element types.", argument, remedy=_EXAMPLE["tuple"])
    elements: list[Type] = []
    children: dict[str | int, Defaults] = {}
    for index, item in enumerate(argument.items):
        element, defaults = _read(item)
        elements.append(element)
        if defaults is not None:
            children[index] = defaults
    type_ = TupleType(elements)
    return type_, Defaults(type_, {}, children) if children else None


def _object(argument: Node) -> tuple[Type, Defaults | None]:
    if not isinstance(argument, Object):
        _fail(
            "Object type constructor requires a map whose keys are attribute names and whose values are the "
            "corresponding attribute types.",
            argument,
            remedy=f"For example {_EXAMPLE['object']}.",
        )
    attributes: dict[str, Type] = {}
    optional: list[str] = []
    values: dict[str, Value] = {}
    children: dict[str | int, Defaults] = {}
    for key, item in argument.items:
        if not isinstance(key, Key):
            _fail("Object constructor map keys must be attribute names.", key, remedy="Write them without quotes.")
        if key.name in attributes:
            _fail(f'Object constructor map keys must be unique: "{key.name}" is there twice.', key)
        default = None
        if isinstance(item, Call) and item.name == "optional":
            item, default = _optional(item)
            optional.append(key.name)
        attributes[key.name], defaults = _read(item)
        if default is not None:
            values[key.name] = _default(default, attributes[key.name])
        if defaults is not None:
            children[key.name] = defaults
    type_ = ObjectType(attributes, optional)
    return type_, Defaults(type_, values, children) if values or children else None


def _optional(call: Call) -> tuple[Node, Node | None]:
    """The type and the default of `optional(type, default)`."""
    if not call.arguments:
        _fail("Optional attribute modifier requires the attribute type as its argument.", call)
    if len(call.arguments) > 2:
        _fail(
            "Optional attribute modifier expects at most two arguments: the attribute type, and a default value.", call
        )
    return call.arguments[0], call.arguments[1] if len(call.arguments) == 2 else None


class _Nothing:
    """The scope of a default: it may use nothing, which was checked before."""

    functions = None

    def lookup(self, subject: tuple[str, ...]) -> Value:
        raise ExpressionError("Variables not allowed", "Variables may not be used here.")


def _default(node: Node, type_: Type) -> Value:
    """The value of a default, which must be one without references and calls, and fit the type."""
    root = next(free_roots(node), None)
    if root is not None:
        raise ExpressionError("Variables not allowed", "Variables may not be used in a default.", span=root[0].span)
    if contains(node, Call):
        raise ExpressionError("Function calls not allowed", "Functions may not be called here.", span=node.span)
    run, found = compile_expression(node)
    value = run(_Nothing(), [None] * found.size)  # type: ignore[arg-type]  # no function is called
    try:
        return convert(value, type_)
    except ConversionError as error:
        raise ExpressionError(
            "Invalid default value for optional attribute",
            f"This default value is not compatible with the attribute's type constraint: {error}.",
            span=node.span,
        ) from None


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
