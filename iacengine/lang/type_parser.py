"""Reading type constraints as they are written for variables: `list(string)`, `object({a = optional(number, 1)})`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.compile import compile_expression
from iacengine.lang.constraints import Defaults
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.errors import ExpressionError
from iacengine.lang.mentions import free_roots
from iacengine.lang.parser import parse_expression
from iacengine.lang.syntax import Call, Key, Literal, Node, Object, Tuple, Variable
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType, Type
from iacengine.lang.values import Value
from iacengine.lang.walk import contains

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


def read_type(text: str) -> tuple[Type, Defaults | None]:
    """The type a text names, and the defaults in it. Raises ExpressionError with the span of what is no type in it."""
    node = parse_expression(text)
    if isinstance(node, Variable) and node.name in ("list", "map"):  # list and map alone mean list(any) and map(any)
        return ListType(DYNAMIC) if node.name == "list" else MapType(DYNAMIC), None
    return _read(node)


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
