"""Functions of maps and objects. Marks of elements stay on the elements; marks of the whole go to the result."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.functions.arguments import go_quote, redacted, text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.types import DYNAMIC, STRING, ListType, MapType, ObjectType, TupleType, Type, friendly_name
from iacengine.lang.values import (
    ListValue,
    MapValue,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    mark,
    type_of,
    unmark,
)

_LISTS = MapType(ListType(STRING))


def _entries(value: Value) -> dict[str, Value]:
    """The entries of a known map or object, in key order."""
    if value.__class__ is MapValue:
        items: dict[str, Value] = value.items
        return items
    return {key: value[key] for key in sorted(value)}


def _keys_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    type_ = type_of(arguments[0])
    if isinstance(type_, MapType):
        return ListType(STRING)
    if isinstance(type_, ObjectType):
        return TupleType([STRING] * len(type_.attributes))
    raise FunctionError("must have map or object type", 0)


def _keys(arguments: Sequence[Value], context: FunctionContext) -> Value:
    value, marks = unmark(arguments[0])
    if value.__class__ is dict:
        return mark(tuple(sorted(value)), marks)
    result_type = _keys_type(arguments, context)
    if isinstance(result_type, TupleType):
        type_ = type_of(value)
        assert isinstance(type_, ObjectType)
        return mark(tuple(type_.attributes), marks)
    if value.__class__ is Unknown:
        return mark(Unknown(result_type), marks)
    return mark(ListValue(STRING, value.items), marks)


def _values_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    type_ = type_of(arguments[0])
    if isinstance(type_, MapType):
        return ListType(type_.element)
    if isinstance(type_, ObjectType):
        return TupleType(type_.attributes.values())
    raise FunctionError("values() requires a map as the first argument")


def _values(arguments: Sequence[Value], context: FunctionContext) -> Value:
    result_type = _values_type(arguments, context)
    value, marks = unmark(arguments[0])
    items = _entries(value).values()
    return mark(ListValue(result_type.element, items) if isinstance(result_type, ListType) else tuple(items), marks)


def _lookup_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    if len(arguments) > 3:
        raise FunctionError(f"lookup() takes two or three arguments, got {len(arguments)}")
    type_ = type_of(arguments[0])
    if isinstance(type_, MapType):
        if len(arguments) == 3:
            try:
                convert(arguments[2], type_.element)
            except ConversionError:
                raise FunctionError("the default value must have the same type as the map elements", 2) from None
        return type_.element
    if not isinstance(type_, ObjectType):
        raise FunctionError("lookup() requires a map as the first argument", 0)
    key, key_marks = unmark(arguments[1])
    if key.__class__ is Unknown:
        return DYNAMIC
    if key in type_.attributes:
        return type_.attributes[key]
    if len(arguments) == 3:
        return type_of(arguments[2])
    raise FunctionError(f"the given object has no attribute {redacted(go_quote(key), key_marks)}", 0)


def _lookup(arguments: Sequence[Value], context: FunctionContext) -> Value:
    value, marks = unmark(arguments[0])
    key, key_marks = unmark(arguments[1])
    if value.__class__ is dict and len(arguments) <= 3:
        # the type of a large object is not computed for one of its attributes
        if key in value:
            return mark(value[key], marks | key_marks)
        if len(arguments) == 3:
            return mark(arguments[2], marks | key_marks)
    result_type = _lookup_type(arguments, context)
    if key in value.items:
        return mark(value.items[key], marks | key_marks)
    if len(arguments) < 3:
        raise FunctionError(f"lookup failed to find key {redacted(go_quote(key), key_marks)}")
    return mark(convert(arguments[2], result_type), marks | key_marks)


def _merge_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    attributes: dict[str, Type] = {}
    first: Type | None = None
    matching = known = True
    for argument in arguments:
        type_ = type_of(argument)
        if type_ is DYNAMIC:
            return DYNAMIC  # what comes after it is looked at when all is known, as in Terraform
        if not isinstance(type_, MapType | ObjectType):
            raise FunctionError(f"arguments must be maps or objects, got {go_quote(friendly_name(type_))}")
        value = unmark(argument)[0]
        if isinstance(type_, ObjectType):
            if not is_null(value):
                attributes.update(type_.attributes)
        elif value.__class__ is MapValue:
            attributes.update(dict.fromkeys(value.items, type_.element))
        elif value.__class__ is Unknown:
            known = False
        if first is None:
            first = type_
        elif type_ != first:
            matching = False
    if matching:
        return ObjectType({}) if first is None else first
    return ObjectType(attributes) if known else DYNAMIC


def _merge(arguments: Sequence[Value], context: FunctionContext) -> Value:
    # objects alone make an object: only maps need the types, which cost as much to compute as everything else
    only_objects = all(unmark(argument)[0].__class__ is dict for argument in arguments)
    result_type = DYNAMIC if only_objects else _merge_type(arguments, context)
    merged: dict[str, Value] = {}
    marks: frozenset[str] = frozenset()
    for argument in arguments:
        value, found = unmark(argument)
        if is_null(value):
            continue
        marks |= found
        merged.update(_merged_entries(value))
    if isinstance(result_type, MapType):
        return mark(MapValue(result_type.element, merged), marks)
    return mark({key: merged[key] for key in sorted(merged)}, marks)


def _merged_entries(value: Value) -> dict[str, Value]:
    """What one argument adds. Nothing has looked at types behind an untyped null: what has strings for keys is one."""
    if value.__class__ is MapValue:
        entries: dict[str, Value] = value.items
        return entries
    if value.__class__ is dict:
        return _entries(value)
    if value.__class__ is SetValue and value.element_type is STRING and all(type(item) is str for item in value):
        return {item: item for item in value}
    if value.__class__ in (tuple, ListValue) and not value:
        return {}
    raise FunctionError(f"arguments must be maps or objects, got {go_quote(friendly_name(type_of(value)))}")


def _zipmap_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    keys = unmark(arguments[0])[0]
    type_ = type_of(arguments[1])
    if isinstance(type_, ListType):
        return MapType(type_.element)
    if not isinstance(type_, TupleType):
        raise FunctionError("values argument must be a list or tuple value")
    if not is_wholly_known(keys):
        return DYNAMIC
    _check_counts(len(keys), len(type_.elements))
    attributes: dict[str, Type] = {}
    for index, (key, element) in enumerate(zip(keys, type_.elements, strict=True)):
        key = unmark(key)[0]
        if is_null(key):
            raise FunctionError(f"keys list has null value at index {index}")
        attributes[key] = element
    return ObjectType(attributes)


def _check_counts(keys: int, values: int) -> None:
    if keys != values:
        raise FunctionError(f"number of keys ({keys}) does not match number of values ({values})")


def _zipmap(arguments: Sequence[Value], context: FunctionContext) -> Value:
    result_type = _zipmap_type(arguments, context)
    keys, marks = unmark(arguments[0])
    values, value_marks = unmark(arguments[1])
    marks |= value_marks
    if not is_wholly_known(keys):
        return mark(Unknown(result_type), marks)
    _check_counts(len(keys), len(values))
    zipped: dict[str, Value] = {}
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        key, key_marks = unmark(key)
        if is_null(key):
            raise FunctionError(f"keys list has null value at index {index}")
        marks |= key_marks
        zipped[key] = value
    if isinstance(result_type, MapType):
        return mark(MapValue(result_type.element, zipped), marks)
    return mark({key: zipped[key] for key in sorted(zipped)}, marks)


def _transpose(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    given = arguments[0]
    if not is_wholly_known(given):
        return Unknown(_LISTS)
    turned: dict[str, list[str]] = {}
    for key, items in given.items.items():
        if is_null(items):
            raise FunctionError(f"input must not contain a null list, but element {go_quote(key)} is one")
        for item in items:
            if is_null(item):
                raise FunctionError("input list must not contain null string")
            turned.setdefault(item, []).append(key)
    # keys come in order, so each list is sorted as it grows
    return MapValue(ListType(STRING), {key: ListValue(STRING, items) for key, items in turned.items()})


FUNCTIONS = (
    Function("keys", (Parameter("inputMap", DYNAMIC, allow_unknown=True, allow_marked=True),), None, _keys_type, _keys),
    Function(
        "lookup",
        (Parameter("inputMap", DYNAMIC, allow_marked=True), text("key", allow_marked=True)),
        Parameter("default", DYNAMIC, allow_unknown=True, allow_dynamic=True, allow_null=True, allow_marked=True),
        _lookup_type,
        _lookup,
        not_null=False,
    ),
    Function(
        "merge",
        (),
        Parameter("maps", DYNAMIC, allow_dynamic=True, allow_null=True, allow_marked=True),
        _merge_type,
        _merge,
    ),
    Function("transpose", (Parameter("values", _LISTS),), None, _LISTS, _transpose),
    Function("values", (Parameter("mapping", DYNAMIC, allow_marked=True),), None, _values_type, _values),
    Function(
        "zipmap",
        (Parameter("keys", ListType(STRING), allow_marked=True), Parameter("values", DYNAMIC, allow_marked=True)),
        None,
        _zipmap_type,
        _zipmap,
    ),
)
