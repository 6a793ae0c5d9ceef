"""Values in their stored form: the JSON data of Terraform's state files, version 4.

| value | stored |
| --- | --- |
| string, bool | as it is |
| number | an integer within 64 bits; else a float that reads back as the same number; else its decimal text |
| list, set, tuple | array |
| map, object | object |
| null, of a known place | null |
| a place of type `dynamic` | `{"value": …, "type": …}`, the type in JSON notation; an untyped null is null |
| a write-only attribute | null |

The form is that of `cty`'s JSON package (https://github.com/zclconf/go-cty/blob/main/docs/json.md). A coder is compiled
once for a block or type and is then a walk without decisions: state files hold tens of thousands of objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from iacengine.lang.text import number_text
from iacengine.lang.types import (
    BOOL,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    friendly_name,
    type_to_json,
)
from iacengine.lang.values import MapValue, Marked, Null, Unknown, Value, number, type_of
from iacengine.schema import Block, NestedObject, Nesting
from iacengine.schema.coding import Coder, at, collection_is_dynamic, each, each_attribute, each_entry
from iacengine.schema.errors import SchemaError, schema_error

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1  # what JSON libraries, orjson among them, write and read exactly


def encode(value: Mapping[str, Value], block: Block) -> dict[str, Any]:
    """The stored form of an object that conforms to the block. Marks are dropped.

    Raises SchemaError when something in it is unknown, infinite or not of its type.
    """
    return _block_encoder(block)(value)


def encode_type(value: Value, type_: Type) -> Any:
    """The stored form of a value of the type. Raises as `encode`."""
    return _encoder(type_)(value)


# --- numbers --------------------------------------------------------------------------------------------------------


def encode_number(value: Value) -> int | float | str:
    """The stored form of a number. Raises SchemaError for an infinity, which JSON cannot say."""
    if value.__class__ is int and _INT_MIN <= value <= _INT_MAX:
        return value
    if value.__class__ is float:
        if value - value == 0:
            return value
        raise schema_error("infinity cannot be stored")
    try:
        near = float(value)
    except OverflowError:
        return number_text(value)
    return near if abs(near) != float("inf") and number(near) == value else number_text(value)


# --- encoding -------------------------------------------------------------------------------------------------------


def _encode_string(value: Value) -> Any:
    return value if value.__class__ is str else _encode_other(value, _encode_string, STRING)


def _encode_bool(value: Value) -> Any:
    return value if value.__class__ is bool else _encode_other(value, _encode_bool, BOOL)


def _encode_number(value: Value) -> Any:
    kind = value.__class__
    if kind is int or kind is Fraction or kind is float:
        return encode_number(value)
    return _encode_other(value, _encode_number, NUMBER)


def _encode_other(value: Value, coder: Coder, type_: Type) -> Any:
    """What every encoder does with a value that is not plainly of its type."""
    kind = value.__class__
    if kind is Marked:
        return coder(value.value)
    if value is None or kind is Null:
        return None
    if kind is Unknown:
        raise schema_error("the value is not known yet and cannot be stored")
    raise schema_error(f"{friendly_name(type_)} required, but have {friendly_name(type_of(value))}")


def _encode_dynamic(value: Value) -> Any:
    if value.__class__ is Marked:
        value = value.value
    if value is None:
        return None
    stored, type_ = _described(value)
    return {"value": stored, "type": type_}


def _described(value: Value) -> tuple[Any, Any]:
    """The stored form of a value and its type in JSON notation, found in one walk."""
    kind = value.__class__
    if kind is str:
        return value, "string"
    if kind is bool:
        return value, "bool"
    if kind is int or kind is Fraction or kind is float:
        return encode_number(value), "number"
    if value is None:
        return None, "dynamic"
    if kind is dict:
        stored, types = {}, {}
        for name in sorted(value):
            stored[name], types[name] = _described_at(name, value[name])
        return stored, ["object", types]
    if kind is tuple:
        described = [_described_at(index, child) for index, child in enumerate(value)]
        return [child for child, _ in described], ["tuple", [type_ for _, type_ in described]]
    if kind is Marked:
        return _described(value.value)
    if kind is Unknown:
        raise schema_error("the value is not known yet and cannot be stored")
    type_ = type_of(value)
    return _encoder(type_)(value), type_to_json(type_)


def _described_at(step: str | int, value: Value) -> tuple[Any, Any]:
    try:
        return _described(value)
    except SchemaError as failure:
        raise failure.under(step) from None


@lru_cache(maxsize=4096)
def _encoder(type_: Type) -> Coder:
    match type_:
        case ListType() | SetType():
            element = _encoder(type_.element)

            def encode_items(value: Value) -> Any:
                if value.__class__ is Marked:
                    value = value.value
                try:
                    items = value.items
                except AttributeError:
                    return _encode_other(value, encode_items, type_)
                return each(element, items)

            return encode_items
        case MapType():
            element = _encoder(type_.element)

            def encode_entries(value: Value) -> Any:
                if value.__class__ is not MapValue:
                    return _encode_other(value, encode_entries, type_)
                return each_entry(element, value.items)

            return encode_entries
        case TupleType():
            elements = tuple(_encoder(child) for child in type_.elements)

            def encode_tuple(value: Value) -> Any:
                if value.__class__ is not tuple or len(value) != len(elements):
                    return _encode_other(value, encode_tuple, type_)
                return [at(index, coder, value[index]) for index, coder in enumerate(elements)]

            return encode_tuple
        case ObjectType():
            attributes = {name: _encoder(child) for name, child in type_.attributes.items()}

            def encode_object(value: Value) -> Any:
                if value.__class__ is not dict:
                    return _encode_other(value, encode_object, type_)
                return each_attribute(attributes, value)

            return encode_object
        case _:
            if type_ is STRING:
                return _encode_string
            if type_ is NUMBER:
                return _encode_number
            return _encode_bool if type_ is BOOL else _encode_dynamic


# --- blocks ---------------------------------------------------------------------------------------------------------


@cache
def _block_encoder(block: Block) -> Coder:
    coders: list[tuple[str, type | None, Coder]] = []
    for name, attribute in block.attributes.items():
        type_, coder = attribute.type, _encoder(attribute.type)
        if attribute.write_only:
            coder = _encode_nothing
        elif attribute.nested is not None and _holds_write_only(attribute.nested):
            coder = _without_write_only(coder, attribute.nested)
        plain = None if attribute.write_only else str if type_ is STRING else bool if type_ is BOOL else None
        coders.append((name, plain, coder))
    for name, nested in block.blocks.items():
        coders.append((name, None, _nested_encoder(nested.nesting, nested.block)))
    coders.sort(key=lambda entry: entry[0])

    def encode_block(value: Value) -> dict[str, Any]:
        if value.__class__ is Marked:
            value = value.value
        stored: dict[str, Any] = {}
        get = value.get
        for name, plain, coder in coders:
            child = get(name)
            if child is None or child.__class__ is plain:
                stored[name] = child
            else:
                try:
                    stored[name] = coder(child)
                except SchemaError as failure:
                    raise failure.under(name) from None
        for name in empty:
            if stored[name] is None:
                stored[name] = {} if block.blocks[name].nesting is Nesting.MAP else []
        return stored

    empty = [
        name
        for name, nested in block.blocks.items()
        if nested.nesting in (Nesting.LIST, Nesting.SET, Nesting.MAP) and not collection_is_dynamic(nested.block)
    ]
    return encode_block


def _encode_nothing(_: Value) -> None:
    return None


def _holds_write_only(nested: NestedObject) -> bool:
    return any(
        child.write_only or (child.nested is not None and _holds_write_only(child.nested))
        for child in nested.attributes.values()
    )


def _without_write_only(coder: Coder, nested: NestedObject) -> Coder:
    """The coder of an attribute, its write-only members taken out of what it wrote."""

    def strip(stored: Any, nested: NestedObject) -> None:
        if nested.nesting in (Nesting.LIST, Nesting.SET):
            members = stored
        else:
            members = stored.values() if nested.nesting is Nesting.MAP else (stored,)
        for member in members:
            for name, child in nested.attributes.items():
                if member is not None and member.get(name) is not None:
                    if child.write_only:
                        member[name] = None
                    elif child.nested is not None:
                        strip(member[name], child.nested)

    def encode_stripped(value: Value) -> Any:
        stored = coder(value)
        if stored is not None:
            strip(stored, nested)
        return stored

    return encode_stripped


def _nested_encoder(nesting: Nesting, block: Block) -> Coder:
    element = _block_encoder(block)
    dynamic = collection_is_dynamic(block)

    def encode_one(value: Value) -> Any:
        return None if value is None or value.__class__ is Null else element(_known(value))

    def encode_many(value: Value) -> Any:
        value = _known(value)
        if value.__class__ is Null:
            return None if dynamic else []
        stored = each(element, value if value.__class__ is tuple else value.items)
        if not dynamic:
            return stored
        return {"value": stored, "type": ["tuple", [type_to_json(type_of(item)) for item in value]]}

    def encode_map(value: Value) -> Any:
        value = _known(value)
        if value.__class__ is Null:
            return None if dynamic else {}
        entries = value if value.__class__ is dict else value.items
        stored = each_entry(element, entries)
        if not dynamic:
            return stored
        return {"value": stored, "type": type_to_json(type_of(entries))}

    if nesting in (Nesting.SINGLE, Nesting.GROUP):
        return encode_one
    return encode_map if nesting is Nesting.MAP else encode_many


def _known(value: Value) -> Value:
    if value.__class__ is Marked:
        value = value.value
    if value.__class__ is Unknown:
        raise schema_error("the block is not known yet and cannot be stored")
    return value
