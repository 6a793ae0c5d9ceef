"""Values as JSON that says of itself what it is, so that a plan file keeps them exactly.

A string, a bool, a null and an integer within 53 bits stand for themselves. Everything else is an object with one
letter: `n` number (exact decimal text), `t` tuple, `o` object, `l` list, `s` set, `m` map (each with its element type),
`u` unknown (type, refinement), `z` typed null, `k` marks around a value.
"""

from __future__ import annotations

from typing import Any

from iacengine.lang.text import number_text
from iacengine.lang.types import type_from_json, type_to_json
from iacengine.lang.values import (
    NO_REFINEMENT,
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    number,
)

_EXACT = 1 << 53


def encode_value(value: Value) -> Any:
    """The value as JSON data."""
    kind = value.__class__
    if kind is str or value is None or kind is bool or (kind is int and -_EXACT < value < _EXACT):
        return value
    if kind is dict:
        return {"o": {name: encode_value(child) for name, child in value.items()}}
    if kind is tuple:
        return {"t": [encode_value(child) for child in value]}
    if kind is ListValue or kind is SetValue:
        items = [encode_value(child) for child in value.items]
        return {"l" if kind is ListValue else "s": [type_to_json(value.element_type), items]}
    if kind is MapValue:
        entries = {name: encode_value(child) for name, child in value.items.items()}
        return {"m": [type_to_json(value.element_type), entries]}
    if kind is Unknown:
        known = value.refinement
        if known == NO_REFINEMENT:
            return {"u": [type_to_json(value.type)]}
        return {"u": [type_to_json(value.type), known.not_null, known.prefix, known.length_min, known.length_max]}
    if kind is Null:
        return {"z": type_to_json(value.type)}
    if kind is Marked:
        return {"k": [sorted(value.marks), encode_value(value.value)]}
    return {"n": number_text(value)}


def decode_value(data: Any) -> Value:
    """The inverse of `encode_value`. Raises ValueError on anything else."""
    if data.__class__ is not dict:
        if isinstance(data, list):
            raise ValueError("a bare list is no encoded value")
        return data
    ((letter, content),) = data.items()
    match letter:
        case "o":
            return {name: decode_value(child) for name, child in content.items()}
        case "t":
            return tuple([decode_value(child) for child in content])
        case "l":
            return ListValue(type_from_json(content[0]), [decode_value(child) for child in content[1]])
        case "s":
            return SetValue(type_from_json(content[0]), [decode_value(child) for child in content[1]])
        case "m":
            return MapValue(
                type_from_json(content[0]), {name: decode_value(child) for name, child in content[1].items()}
            )
        case "u":
            return Unknown(type_from_json(content[0]), Refinement(*content[1:]) if content[1:] else NO_REFINEMENT)
        case "z":
            return Null(type_from_json(content))
        case "k":
            return Marked(decode_value(content[1]), frozenset(content[0]))
        case "n":
            return number(float(content)) if content in ("inf", "-inf", "-0") else number(content)
    raise ValueError(f"not an encoded value: {letter}")
