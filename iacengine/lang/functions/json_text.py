"""JSON: `jsonencode`, byte for byte as Terraform writes it, and `jsondecode`. Numbers are exact both ways."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import orjson

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.functions.arguments import text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.text import nfc, number_text, parse_number
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType, Type
from iacengine.lang.values import MapValue, Null, Refinement, Unknown, Value, is_wholly_known, type_of

# what Go's encoder escapes beyond JSON's need, so that the text may stand inside HTML and JavaScript
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPE_TABLE = str.maketrans(_ESCAPES)
_SPACE = " \t\n\r"
_BEGINS_NUMBER = frozenset("-0123456789.")


def encode(value: Value) -> str:
    """The JSON text of a wholly known, unmarked value, without spaces, names sorted.

    Raises FunctionError for infinity, which JSON cannot say.
    """
    pieces: list[str] = []
    _append(value, pieces)
    return "".join(pieces)


def encode_string(value: str) -> str:
    """A string as JSON text, in quotes."""
    quoted = orjson.dumps(value).decode()
    return quoted if quoted.isalnum() else quoted.translate(_ESCAPE_TABLE)


def _append(value: Value, pieces: list[str]) -> None:
    kind = value.__class__
    if kind is str:
        pieces.append(encode_string(value))
    elif kind is bool:
        pieces.append("true" if value else "false")
    elif kind is int or kind is Fraction:
        pieces.append(number_text(value))
    elif kind is float:
        if value:
            raise FunctionError("cannot serialize infinity as JSON")
        pieces.append("-0")
    elif value is None or kind is Null:
        pieces.append("null")
    elif kind is dict or kind is MapValue:
        entries = value.items if kind is MapValue else value
        opening = "{"
        for key in sorted(entries):
            pieces.append(f"{opening}{encode_string(key)}:")
            _append(entries[key], pieces)
            opening = ","
        pieces.append("}" if entries else "{}")
    else:
        opening = "["
        for item in value:
            pieces.append(opening)
            _append(item, pieces)
            opening = ","
        pieces.append("]" if len(value) else "[]")


def _jsonencode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value = arguments[0]
    if is_wholly_known(value):
        return encode(value)
    if value.__class__ is Unknown and not value.refinement.not_null:
        return Unknown(STRING)
    match type_of(value):
        case ObjectType() | MapType():
            prefix = "{"
        case TupleType() | ListType() | SetType():
            prefix = "["
        case type_:
            prefix = '"' if type_ is STRING else ""
    return Unknown(STRING, Refinement(not_null=True, prefix=prefix))


def _jsondecode_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    """What the known beginning of a text that is not known yet says of the result."""
    known = arguments[0].refinement.prefix.strip()
    first = known[:1]
    if first == '"':
        return STRING
    if first and first in "tf":
        return BOOL
    if first in _BEGINS_NUMBER:
        return NUMBER
    if first and first not in "{[n":
        raise FunctionError(f"a JSON document cannot begin with the character '{first}'", 0)
    return DYNAMIC


def _jsondecode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    import json  # lazy: orjson cannot read numbers exactly, but what it can do the rest of the engine needs anyway

    source = arguments[0].strip(_SPACE)
    decoder = json.JSONDecoder(
        parse_int=parse_number, parse_float=parse_number, parse_constant=_no_constant, object_pairs_hook=_object
    )
    try:
        data, end = decoder.raw_decode(source)
        rest = source[end:].lstrip(_SPACE)
        if rest and rest[0] not in "]}":  # superfluous closing brackets pass, as in Terraform
            raise json.JSONDecodeError("Extra data", source, end)
    except json.JSONDecodeError as error:
        raise FunctionError(f"invalid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise FunctionError("invalid JSON: it is nested too deeply") from None
    except ValueError as error:
        raise FunctionError(f"invalid JSON: {error}") from None
    return _value(data)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Value]:
    """Names in order, values as values; of two equal names the last decides, and the type of both."""
    entries: dict[str, Value] = {}
    for name, data in pairs:
        key, value = _string(name), _value(data)
        if key in entries:
            try:
                convert(entries[key], type_of(value))
            except ConversionError:
                raise ValueError(f'duplicate "{key}" property, of another type') from None
        entries[key] = value
    return {key: entries[key] for key in sorted(entries)}


def _value(data: Any) -> Value:
    kind = data.__class__
    if kind is str:
        return _string(data)
    return tuple([_value(item) for item in data]) if kind is list else data


def _string(data: str) -> str:
    if data.isascii():
        return data
    # half of a surrogate pair is no character: the replacement character stands for it
    return nfc(data.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


FUNCTIONS = (
    Function("jsondecode", (text("str"),), None, _jsondecode_type, _jsondecode, not_null=False),
    Function(
        "jsonencode",
        (Parameter("val", DYNAMIC, allow_unknown=True, allow_dynamic=True, allow_null=True),),
        None,
        STRING,
        _jsonencode,
    ),
)
