"""Values that conform to a schema: making them, checking them, and (from the modules beside this one) storing them.

In an object that conforms to a block, an attribute that is absent is plainly None; a null deeper inside an attribute,
or in place of a dynamic one, knows its type, as everywhere in the language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.sets import make_set
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ObjectType, Type, friendly_name, is_primitive
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_unknown,
    mark,
    type_of,
)
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting, Path, implied_type, nested_type
from iacengine.schema.coding import collection_is_dynamic
from iacengine.schema.decoding import decode, decode_type, empty_blocks
from iacengine.schema.encoding import encode, encode_number, encode_type
from iacengine.schema.errors import SchemaError, SchemaFinding
from iacengine.schema.marks import (
    PathMarks,
    mark_paths,
    mark_with_paths,
    marked_paths,
    schema_marks,
    unmark_with_paths,
)
from iacengine.schema.paths import change_path, get_path, path_text, set_path

__all__ = [
    "PathMarks",
    "SchemaError",
    "SchemaFinding",
    "change_path",
    "check",
    "conform",
    "decode",
    "decode_type",
    "empty_blocks",
    "encode",
    "encode_type",
    "get_path",
    "json_value",
    "mark_paths",
    "mark_with_paths",
    "marked_paths",
    "null_object",
    "path_text",
    "schema_marks",
    "set_path",
    "unknown_object",
    "unmark_with_paths",
]

_Findings = list[SchemaFinding]
_Maker = Callable[[Value, Path, _Findings], Value]


# --- objects of nothing ---------------------------------------------------------------------------------------------


def null_object(block: Block) -> dict[str, Value]:
    """The object with every attribute null and no nested blocks."""
    return dict(_nothing(block))


@cache
def _nothing(block: Block) -> Mapping[str, Value]:
    value: dict[str, Value] = dict.fromkeys(block.attributes)
    for name, nested in block.blocks.items():
        value[name] = empty_blocks(nested.nesting, nested.block)
    return value


def unknown_object(block: Block) -> dict[str, Value]:
    """The object of which nothing is known yet but that it exists."""
    value: dict[str, Value] = {name: Unknown(attribute.type) for name, attribute in block.attributes.items()}
    for name, nested in block.blocks.items():
        value[name] = Unknown(nested_type(nested))
    return value


# --- conforming -----------------------------------------------------------------------------------------------------


def conform(value: Value, block: Block, path: Path = ()) -> dict[str, Value]:
    """The configuration body as an object of the block: every attribute and block present, every value of its type.

    `value` is an object (or a map); it may hold unknown and marked values. Raises SchemaError with all that is wrong:
    names the block does not have, required ones missing, values of a wrong type, attributes that only the provider
    may set, and too few or too many blocks. Their paths begin with `path`.
    """
    made, findings = check(value, block, path)
    if findings:
        raise SchemaError(*findings)
    return made


def check(value: Value, block: Block, path: Path = ()) -> tuple[dict[str, Value], tuple[SchemaFinding, ...]]:
    """As `conform`, but answers the findings beside the object, in which whatever is wrong is null."""
    findings: _Findings = []
    return _body_maker(block)(value, path, findings), tuple(findings)


@cache
def _body_maker(block: Block) -> _Maker:
    """The walk that makes an object of the block of a body."""
    nothing = _nothing(block)
    makers: dict[str, _Maker] = {}
    plain: dict[str, type | None] = {}
    required: list[str] = []
    for name, attribute in block.attributes.items():
        makers[name] = _attribute_maker(name, attribute)
        settable = attribute.optional or attribute.required or not attribute.computed
        plain[name] = _PLAIN.get(attribute.type) if is_primitive(attribute.type) and settable else None
        if attribute.required:
            required.append(name)
    for name, nested in block.blocks.items():
        makers[name] = _blocks_maker(name, nested)
        plain[name] = None
        if nested.min_items:
            required.append(name)

    def make(value: Value, path: Path, findings: _Findings) -> Value:
        if value.__class__ is MapValue:
            value = value.items
        elif value.__class__ is not dict:
            findings.append(SchemaFinding("Incorrect block", f"An object is required, not {_kind(value)}.", path))
            return dict(nothing)
        made = dict(nothing)
        for name, child in value.items():
            maker = makers.get(name)
            if maker is None:
                findings.append(_unexpected(name, block, path))
            elif child is None:
                continue
            elif child.__class__ is plain[name]:
                made[name] = child
            else:
                made[name] = maker(child, (*path, name), findings)
        for name in required:
            if name in block.blocks:
                if name not in value:
                    findings.append(_too_few(name, block.blocks[name], (*path, name)))
            elif made[name] is None and is_null(value.get(name)):
                findings.append(_missing(name, path))
        return made

    return make


_PLAIN: Mapping[Type, type] = {STRING: str, NUMBER: int, BOOL: bool}


def _attribute_maker(name: str, attribute: Attribute) -> _Maker:
    type_ = _settable_type(attribute)
    unsettable = attribute.computed and not attribute.optional and not attribute.required

    def make(value: Value, path: Path, findings: _Findings) -> Value:
        if is_null(value):
            if type_ is DYNAMIC:
                return value  # the type of the null is all there is to keep
            return mark(None, value.marks) if value.__class__ is Marked else None
        if unsettable:
            findings.append(
                SchemaFinding(
                    "Value for unconfigurable attribute",
                    f'"{name}" is decided by the provider and cannot be set.',
                    path,
                    f'Remove "{name}" from the configuration.',
                )
            )
            return None
        try:
            made = convert(value, type_)
        except ConversionError as failure:
            findings.append(_wrong_type(name, failure, type_, path))
            return None
        if attribute.nested is not None:
            _check_members(made, attribute.nested, path, findings)
        return made

    return make


def _settable_type(attribute: Attribute) -> Type:
    """The type a configuration's value is converted to: members of nested objects that need not be set are optional."""
    nested = attribute.nested
    if nested is None:
        return attribute.type
    members = {name: _settable_type(child) for name, child in nested.attributes.items()}
    optional = [name for name, child in nested.attributes.items() if not child.required]
    element = ObjectType(members, optional)
    return element if nested.nesting in (Nesting.SINGLE, Nesting.GROUP) else type(attribute.type)(element)  # type: ignore[arg-type]


def _check_members(value: Value, nested: NestedObject, path: Path, findings: _Findings) -> None:
    """Find null required and set computed members in a value of a nested attribute type."""
    if value.__class__ is Marked:
        value = value.value
    kind = value.__class__
    if kind is Unknown or value is None or kind is Null:
        return
    if kind is ListValue or kind is tuple or kind is SetValue:
        members = [((*path, index), item) for index, item in enumerate(value)]
    elif kind is MapValue or (kind is dict and nested.nesting is Nesting.MAP):
        entries = value.items if kind is MapValue else value
        members = [((*path, key), item) for key, item in entries.items()]
    else:
        members = [(path, value)]
    for place, member in members:
        if member.__class__ is Marked:
            member = member.value
        if member.__class__ is not dict:
            continue
        for name, attribute in nested.attributes.items():
            child = member.get(name)
            if attribute.required and is_null(child):
                findings.append(_missing(name, place))
            elif attribute.computed and not attribute.optional and not is_null(child) and not attribute.required:
                message = f'"{name}" is decided by the provider and cannot be set.'
                findings.append(SchemaFinding("Value for unconfigurable attribute", message, (*place, name)))
            elif attribute.nested is not None:
                _check_members(child, attribute.nested, (*place, name), findings)


def _blocks_maker(name: str, nested: NestedBlock) -> _Maker:
    make_one = _body_maker(nested.block)
    element_type, empty = implied_type(nested.block), empty_blocks(nested.nesting, nested.block)
    dynamic = collection_is_dynamic(nested.block)
    unknown_type = nested_type(nested)

    def single(value: Value, path: Path, findings: _Findings) -> Value:
        if value.__class__ in (tuple, ListValue, SetValue):
            if len(value) > 1:
                findings.append(_too_many(name, 1, len(value), path))
            items = list(value)
            return single(items[0], path, findings) if items else empty
        return make_one(value, path, findings)

    def many(value: Value, path: Path, findings: _Findings) -> Value:
        items = [value] if value.__class__ in (dict, MapValue) else value
        if items.__class__ not in (list, tuple, ListValue, SetValue):
            findings.append(_not_blocks(name, value, path))
            return empty
        made = [_inside(item, (*path, index), findings, make_one) for index, item in enumerate(items)]
        if len(made) < nested.min_items:
            findings.append(_too_few(name, nested, path))
        if nested.max_items and len(made) > nested.max_items:
            findings.append(_too_many(name, nested.max_items, len(made), path))
        if nested.nesting is Nesting.SET:
            return make_set(element_type, made)
        return tuple(made) if dynamic else ListValue(element_type, made)

    def labelled(value: Value, path: Path, findings: _Findings) -> Value:
        if value.__class__ not in (dict, MapValue):
            findings.append(_not_blocks(name, value, path))
            return empty
        entries: Any = value.items if value.__class__ is MapValue else value
        made = {key: _inside(item, (*path, key), findings, make_one) for key, item in entries.items()}
        return made if dynamic else MapValue(element_type, made)

    form = {Nesting.SINGLE: single, Nesting.GROUP: single, Nesting.MAP: labelled}.get(nested.nesting, many)

    def make(value: Value, path: Path, findings: _Findings) -> Value:
        if value.__class__ is Marked:
            return mark(make(value.value, path, findings), value.marks)
        if is_null(value):
            if nested.min_items:
                findings.append(_too_few(name, nested, path))
            return empty
        if value.__class__ is Unknown:
            return Unknown(unknown_type)
        return form(value, path, findings)

    return make


def _inside(value: Value, path: Path, findings: _Findings, make: _Maker) -> Value:
    """One block of several: a body, perhaps marked or (from an unknown `dynamic` block) not known."""
    if value.__class__ is Marked:
        return mark(_inside(value.value, path, findings, make), value.marks)
    return value if value.__class__ is Unknown else make(value, path, findings)


# --- findings -------------------------------------------------------------------------------------------------------


def _kind(value: Value) -> str:
    return "null" if is_null(value) else "an unknown value" if is_unknown(value) else friendly_name(type_of(value))


def _unexpected(name: str, block: Block, path: Path) -> SchemaFinding:
    settable = [known for known, attribute in block.attributes.items() if attribute.optional or not attribute.computed]
    near = near_match(name, [*settable, *block.blocks])
    remedy = f'Did you mean "{near}"?' if near else None
    return SchemaFinding(
        "Unsupported argument", f'An argument named "{name}" is not expected here.', (*path, name), remedy
    )


def _missing(name: str, path: Path) -> SchemaFinding:
    message = f'The argument "{name}" is required, but no definition was found.'
    return SchemaFinding("Missing required argument", message, (*path, name), f'Set "{name}".')


def _wrong_type(name: str, failure: ConversionError, type_: Type, path: Path) -> SchemaFinding:
    where = path_text(failure.path)
    where = f"{where}: " if where else ""
    message = f'Inappropriate value for attribute "{name}": {where}{failure.message}.'
    remedy = f"Give a value of type {friendly_name(type_)}."
    return SchemaFinding("Incorrect attribute value type", message, (*path, *failure.path), remedy)


def _not_blocks(name: str, value: Value, path: Path) -> SchemaFinding:
    return SchemaFinding(
        "Incorrect block", f'"{name}" is a block: an object or a list of objects is required, not {_kind(value)}.', path
    )


def _too_few(name: str, nested: NestedBlock, path: Path) -> SchemaFinding:
    message = f'At least {nested.min_items} "{name}" {_blocks(nested.min_items)} required.'
    return SchemaFinding(f"Insufficient {name} blocks", message, path)


def _too_many(name: str, limit: int, found: int, path: Path) -> SchemaFinding:
    message = f'No more than {limit} "{name}" {_blocks(limit)} allowed, and there are {found}.'
    return SchemaFinding(f"Too many {name} blocks", message, path)


def _blocks(count: int) -> str:
    return "block is" if count == 1 else "blocks are"


# --- plain data -----------------------------------------------------------------------------------------------------


def json_value(value: Value) -> Any:
    """The value as plain JSON data without types, as the JSON forms of plans and states show it.

    Marks are dropped. What is unknown is left out of objects and maps, and null in lists, sets and tuples. A fraction
    becomes the nearest float; a whole number beyond 64 bits that no float holds, and an infinity, its decimal text.
    """
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return encode_number(value)
    if kind is dict:
        return {key: json_value(child) for key, child in value.items() if not is_unknown(child)}
    if kind is tuple or kind is ListValue or kind is SetValue:
        return [json_value(child) for child in value]
    if kind is MapValue:
        return {key: json_value(child) for key, child in value.items.items() if not is_unknown(child)}
    if kind is Marked:
        return json_value(value.value)
    if kind is Fraction:
        stored = encode_number(value)
        return float(value) if isinstance(stored, str) and abs(value) < 1e308 else stored
    if kind is float:
        return value if value == 0 else "inf" if value > 0 else "-inf"
    return None  # Null, Unknown
