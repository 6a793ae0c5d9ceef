"""Values from their stored form, which `iacengine.schema.encoding` describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any
from unicodedata import normalize

from iacengine.lang.sets import make_set
from iacengine.lang.text import number_text, parse_number
from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    friendly_name,
    type_from_json,
    without_optional,
)
from iacengine.lang.values import ListValue, MapValue, Null, Value, number
from iacengine.schema import Block, Nesting, implied_type
from iacengine.schema.coding import Coder, at, collection_is_dynamic, each, each_attribute, each_entry
from iacengine.schema.errors import SchemaError, SchemaFinding, schema_error


def decode(raw: Mapping[str, Any], block: Block) -> dict[str, Value]:
    """The object that the stored form means: missing attributes are null, names the block does not have are ignored.

    Raises SchemaError when a stored value is not of its type.
    """
    return _block_decoder(block)(raw)


def decode_type(raw: Any, type_: Type) -> Value:
    """The value of the type that the stored form means. Raises as `decode`."""
    return _decoder(type_)(raw)


# --- values ----------------------------------------------------------------------------------------------------


def _decode_number(raw: Any) -> Value:
    kind = raw.__class__
    if kind is int or kind is float:
        return number(raw)
    if kind is str:
        try:
            return parse_number(raw)
        except ValueError:
            pass
    raise _not(NUMBER, raw)


def _not(type_: Type, raw: Any) -> SchemaError:
    found = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return schema_error(
        f"{friendly_name(type_)} required, but a stored {found.get(raw.__class__, raw.__class__.__name__)} was found",
        summary="Invalid stored value",
    )


def _decode_string(raw: Any) -> Value:
    if raw.__class__ is str:
        return raw if raw.isascii() else normalize("NFC", raw)
    if raw.__class__ is bool:
        return "true" if raw else "false"
    if raw.__class__ is int or raw.__class__ is float:
        return number_text(number(raw))
    raise _not(STRING, raw)


def _decode_bool(raw: Any) -> Value:
    if raw.__class__ is bool:
        return raw
    if raw in ("true", "1"):
        return True
    if raw in ("false", "0"):
        return False
    raise _not(BOOL, raw)


def _decode_dynamic(raw: Any) -> Value:
    try:
        type_, value = raw["type"], raw["value"]
    except (KeyError, TypeError, IndexError):
        raise _not(DYNAMIC, raw) from None
    try:
        return _decode_as(value, type_)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise schema_error("the stored type is no type", summary="Invalid stored value") from None


def _decode_as(raw: Any, type_: Any) -> Value:
    """The value of a type in JSON notation; tuples and objects without making a `Type`, of which each may be unique."""
    if type_ == "string":
        return Null(STRING) if raw is None else _decode_string(raw)
    if type_.__class__ is list and raw is not None:
        if type_[0] == "tuple" and raw.__class__ is list and len(raw) == len(type_[1]):
            return tuple([_decode_as(child, child_type) for child, child_type in zip(raw, type_[1], strict=True)])
        if type_[0] == "object" and raw.__class__ is dict:
            return {name: _decode_as(raw.get(name), child) for name, child in type_[1].items()}
    return _decoder(type_from_json(type_))(raw)


@lru_cache(maxsize=4096)
def _decoder(type_: Type) -> Coder:
    """A decoder that also takes null: it answers a null of the type."""
    if type_ is DYNAMIC:
        return lambda raw: None if raw is None else _decode_dynamic(raw)
    coder, null = _present_decoder(type_), Null(without_optional(type_))
    return lambda raw: null if raw is None else coder(raw)


@lru_cache(maxsize=4096)
def _present_decoder(type_: Type) -> Coder:
    """A decoder of what is not null."""
    match type_:
        case ListType() | SetType():
            decode_element, element_type = _decoder(type_.element), without_optional(type_.element)
            make: Callable[[Type, list[Value]], Value] = ListValue if isinstance(type_, ListType) else make_set

            def decode_items(raw: Any) -> Value:
                if raw.__class__ is not list and raw.__class__ is not tuple:
                    raise _not(type_, raw)
                return make(element_type, each(decode_element, raw))

            return decode_items
        case MapType():
            decode_entry, entry_type = _decoder(type_.element), without_optional(type_.element)

            def decode_entries(raw: Any) -> Value:
                if raw.__class__ is not dict:
                    raise _not(type_, raw)
                return MapValue(entry_type, each_entry(decode_entry, raw))

            return decode_entries
        case TupleType():
            elements = tuple(_decoder(child) for child in type_.elements)

            def decode_tuple(raw: Any) -> Value:
                if not isinstance(raw, list | tuple) or len(raw) != len(elements):
                    raise _not(type_, raw)
                return tuple([at(index, coder, raw[index]) for index, coder in enumerate(elements)])

            return decode_tuple
        case ObjectType():
            attributes = {name: _decoder(child) for name, child in type_.attributes.items()}

            def decode_object(raw: Any) -> Value:
                if raw.__class__ is not dict:
                    raise _not(type_, raw)
                return each_attribute(attributes, raw)

            return decode_object
        case _:
            if type_ is STRING:
                return _decode_string
            if type_ is NUMBER:
                return _decode_number
            return _decode_bool if type_ is BOOL else _decode_dynamic


# --- blocks ----------------------------------------------------------------------------------------------------


@cache
def _block_decoder(block: Block) -> Coder:
    coders: list[tuple[str, Coder]] = [
        (name, _present_decoder(attribute.type)) for name, attribute in block.attributes.items()
    ]
    absent: dict[str, Value] = dict.fromkeys(block.attributes)
    for name, nested in block.blocks.items():
        coder = _nested_decoder(nested.nesting, nested.block)
        coders.append((name, coder))
        absent[name] = empty_blocks(nested.nesting, nested.block)

    def decode_block(raw: Any) -> dict[str, Value]:
        if raw.__class__ is not dict and not isinstance(raw, Mapping):
            raise SchemaError(SchemaFinding("Invalid stored value", "an object is required"))
        value = dict(absent)
        get = raw.get
        for name, coder in coders:
            child = get(name)
            if child is not None:
                try:
                    value[name] = coder(child)
                except SchemaError as failure:
                    raise failure.under(name) from None
        return value

    return decode_block


def empty_blocks(nesting: Nesting, block: Block) -> Value:
    """What stands for no block of a kind: an empty collection, null for a single one, a group of nulls."""
    dynamic = collection_is_dynamic(block)
    match nesting:
        case Nesting.LIST:
            return () if dynamic else ListValue(implied_type(block), ())
        case Nesting.SET:
            return make_set(implied_type(block), ())
        case Nesting.MAP:
            return {} if dynamic else MapValue(implied_type(block), {})
        case Nesting.SINGLE:
            return None
        case Nesting.GROUP:
            return _block_decoder(block)({})


def _nested_decoder(nesting: Nesting, block: Block) -> Coder:
    element, element_type = _block_decoder(block), implied_type(block)
    dynamic = collection_is_dynamic(block)

    def decode_many(raw: Any) -> Value:
        if dynamic and raw.__class__ is dict and "value" in raw:
            raw = raw["value"]
        if raw.__class__ is not list:
            raise _not(ListType(element_type), raw)
        items = each(element, raw)
        if nesting is Nesting.SET:
            return make_set(element_type, items)
        return tuple(items) if dynamic else ListValue(element_type, items)

    def decode_map(raw: Any) -> Value:
        if dynamic and raw.__class__ is dict and "value" in raw and "type" in raw:
            raw = raw["value"]
        if raw.__class__ is not dict:
            raise _not(MapType(element_type), raw)
        entries = each_entry(element, raw)
        return entries if dynamic else MapValue(element_type, entries)

    if nesting in (Nesting.SINGLE, Nesting.GROUP):
        return element
    return decode_map if nesting is Nesting.MAP else decode_many
