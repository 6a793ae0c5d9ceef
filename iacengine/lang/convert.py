"""Conversion between types, and the common type of several: the rules of `cty`'s `convert` package.

*Safe* conversions always succeed and are what unification may use; *unsafe* ones depend on the value (a string that
holds a number) or lose something (a list made a set). `convert` does both.

Conversion follows the value: it asks for types only where there is no value to ask (unknowns, nulls, empty
collections) or where a constraint says `any`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from iacengine.lang.mismatch import mismatch, missing_message
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
    PrimitiveType,
    SetType,
    TupleType,
    Type,
    has_dynamic,
    without_optional,
)
from iacengine.lang.unify import can_convert, unify
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    is_wholly_known,
    mark,
    type_of,
)

__all__ = ["ConversionError", "can_convert", "convert", "make_list", "make_map", "mismatch", "null", "unify"]

Path = tuple[str | int, ...]


class ConversionError(Exception):
    """A value cannot be of the type. `message` says why (never the value), `path` where inside the value."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def under(self, key: str | int) -> ConversionError:
        """The same error seen from the value that holds the converted one under `key`."""
        return ConversionError(self.message, (key, *self.path))

    def __str__(self) -> str:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{where.removeprefix('.')}: {self.message}" if where else self.message


def null(type_: Type) -> Value:
    """The null of a type."""
    return None if type_ is DYNAMIC else Null(type_)


def convert(value: Value, type_: Type) -> Value:
    """The value as a value of the type.

    Unknowns stay unknown, nulls null (of that type), marks stay. `any` inside the type is replaced by the types found.
    Raises ConversionError.
    """
    kind = value.__class__
    if type_ is STRING:
        if kind is str:
            return value
        if kind is bool:
            return "true" if value else "false"
        if kind is int or kind is Fraction or kind is float:
            return number_text(value)
    elif type_ is NUMBER:
        if kind is int or kind is Fraction or kind is float:
            return value
        if kind is str:
            try:
                return parse_number(value)
            except ValueError as error:
                raise ConversionError(str(error)) from None
    elif type_ is BOOL:
        if kind is bool:
            return value
        if kind is str:
            return _bool_of(value)
    elif type_ is DYNAMIC:
        return value
    if kind is Marked:
        return mark(convert(value.value, type_), value.marks)
    if value is None:
        return null(without_optional(type_))
    if kind is Unknown or kind is Null:
        return _convert_absent(value, type_)
    match type_:
        case ListType():
            return _to_list(value, type_)
        case SetType():
            return _to_set(value, type_)
        case MapType():
            return _to_map(value, type_)
        case ObjectType():
            return _to_object(value, type_)
        case TupleType():
            return _to_tuple(value, type_)
        case _:
            raise ConversionError(mismatch(type_of(value), type_))


def _bool_of(text: str) -> bool:
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    if text.lower() in ("true", "false"):
        raise ConversionError('a bool is required; to convert from a string, write "true" or "false" in lower case')
    raise ConversionError("a bool is required")


def _convert_absent(value: Unknown | Null, type_: Type) -> Value:
    """An unknown or a typed null: only its type can be converted."""
    wanted = without_optional(type_)
    source = value.type
    if source == wanted:
        return value
    if not can_convert(source, type_):
        raise ConversionError(mismatch(source, type_))
    target = _fill_dynamic(source, wanted)
    if isinstance(value, Null):
        return null(target)
    return Unknown(target, _carry(value, target))


def _carry(value: Unknown, target: Type) -> Refinement:
    """What is still known of an unknown after its type changed."""
    known = value.refinement
    source = value.type
    low, high = 0, None
    if isinstance(source, ObjectType) and isinstance(target, MapType):
        low = high = len(source.attributes)
    elif isinstance(source, TupleType) and isinstance(target, ListType):
        low = high = len(source.elements)
    elif isinstance(source, TupleType) and isinstance(target, SetType):
        low, high = min(len(source.elements), 1), len(source.elements)
    elif isinstance(source, ListType | SetType | MapType) and isinstance(target, ListType | SetType | MapType):
        # equal elements of a list become one in a set
        low = min(known.length_min, 1) if isinstance(target, SetType) else known.length_min
        high = known.length_max
    return Refinement(not_null=known.not_null, length_min=low, length_max=high)


# --- collections ----------------------------------------------------------------------------------------------------


def make_list(items: Sequence[Value], empty_type: Type = DYNAMIC) -> Value:
    """A list of values that have one type; an untyped null or unknown takes the type of its neighbours.

    Raises ConversionError when the types differ. `empty_type` is the element type when there is nothing to ask.
    """
    if not items:
        return ListValue(empty_type, ())
    element = _common(items, "list")
    return ListValue(element, [_typed(item, element) for item in items])


def make_map(items: Mapping[str, Value], empty_type: Type = DYNAMIC) -> Value:
    """A map of values that have one type, as `make_list`."""
    if not items:
        return MapValue(empty_type, {})
    element = _common(items.values(), "map")
    return MapValue(element, {key: _typed(item, element) for key, item in items.items()})


def _common(items: Iterable[Value], noun: str) -> Type:
    common: Type = DYNAMIC
    for item in items:
        type_ = type_of(item)
        if common is DYNAMIC:
            common = type_
        elif type_ is not DYNAMIC and type_ != common:
            raise ConversionError(f"all {noun} elements must have the same type")
    return common


def _typed(item: Value, element: Type) -> Value:
    if item is None:
        return null(element)
    if item.__class__ is Unknown and item.type is DYNAMIC and element is not DYNAMIC:
        return Unknown(element, item.refinement)
    if item.__class__ is Marked:
        return mark(_typed(item.value, element), item.marks)
    return item


def _convert_all(items: Iterable[Value], element: Type) -> list[Value]:
    converted: list[Value] = []
    for item in items:
        try:
            converted.append(convert(item, element))
        except ConversionError as error:
            raise error.under(len(converted)) from None
    return converted


def _convert_entries(entries: Mapping[str, Value], element: Type) -> dict[str, Value]:
    converted: dict[str, Value] = {}
    for key, item in entries.items():
        try:
            converted[key] = convert(item, element)
        except ConversionError as error:
            raise error.under(key) from None
    return converted


def _structural_element(types: Sequence[Type], wanted: Type, noun: str) -> Type:
    """The element type when a tuple or object becomes a collection: what `any` means is found by unification."""
    if wanted is not DYNAMIC:
        return wanted
    found = unify(types, unsafe=True)
    if found is None or (found is DYNAMIC and noun != "map" and any(type_ is not DYNAMIC for type_ in types)):
        raise ConversionError(f"all {noun} elements must have the same type")
    return found


def _to_list(value: Value, type_: ListType) -> Value:
    kind = value.__class__
    element = type_.element
    if kind is ListValue and value.element_type == element:
        return value
    if kind is ListValue or kind is SetValue:
        _check_elements(value, type_)
        if kind is SetValue and not all(is_wholly_known(item) for item in value.items):
            return Unknown(ListType(_fill_dynamic(value.element_type, without_optional(element))))
        items = _convert_all(value.items, element)
        return make_list(items, _empty_element(value.element_type, element))
    if kind is not tuple:
        raise ConversionError(mismatch(type_of(value), type_))
    if not value:
        return ListValue(without_optional(element), ())
    if element is not DYNAMIC and not has_dynamic(element):
        return ListValue(without_optional(element), _convert_all(value, element))
    element = _structural_element([type_of(item) for item in value], element, "list")
    items = _convert_all(value, element)
    return make_list(_unify_values(items))


def _to_set(value: Value, type_: SetType) -> Value:
    kind = value.__class__
    element = type_.element
    if kind is SetValue and value.element_type == element:
        return value
    if kind is ListValue or kind is SetValue:
        _check_elements(value, type_)
        items = _convert_all(value.items, element)
        empty = _empty_element(value.element_type, element)
    elif kind is tuple:
        empty = without_optional(element)
        if value:
            element = _structural_element([type_of(item) for item in value], element, "set")
        items = _convert_all(value, element)
    else:
        raise ConversionError(mismatch(type_of(value), type_))
    if not items:
        return SetValue(empty, ())
    common = _common(items, "set") if has_dynamic(element) else without_optional(element)
    return make_set(common, [_typed(item, common) for item in items])


def _to_map(value: Value, type_: MapType) -> Value:
    kind = value.__class__
    element = type_.element
    if kind is MapValue:
        if value.element_type == element:
            return value
        _check_elements(value, type_)
        entries = _convert_entries(value.items, element)
        if not isinstance(element, PrimitiveType):
            entries = _unify_entries(entries, unsafe=False)
        return make_map(entries, _empty_element(value.element_type, element))
    if kind is not dict:
        raise ConversionError(mismatch(type_of(value), type_))
    if not value:
        return MapValue(without_optional(element), {})
    if element is not DYNAMIC and not has_dynamic(element):
        return MapValue(without_optional(element), _convert_entries(value, element))
    element = _structural_element([type_of(item) for item in value.values()], element, "map")
    entries = _convert_entries(value, element)
    if not isinstance(element, PrimitiveType | TupleType):
        entries = _unify_entries(entries, unsafe=True)
    return make_map(entries)


def _empty_element(found: Type, wanted: Type) -> Type:
    return found if wanted is DYNAMIC else without_optional(wanted)


def _check_elements(value: Value, type_: ListType | SetType | MapType) -> None:
    """A collection converts by its type: an empty one of the wrong type is as wrong as a full one."""
    if value.element_type != type_.element and not can_convert(value.element_type, type_.element):
        raise ConversionError(mismatch(type_of(value), type_))


def _unify_values(items: list[Value]) -> list[Value]:
    types = [type_of(item) for item in items]
    common = unify(types, unsafe=True)
    if common is None:
        raise ConversionError("cannot find a common base type for all elements")
    if common is DYNAMIC:
        return items
    return [item if type_ == common else convert(item, common) for item, type_ in zip(items, types, strict=True)]


def _unify_entries(entries: dict[str, Value], *, unsafe: bool) -> dict[str, Value]:
    if not entries:
        return entries
    common = unify([type_of(item) for item in entries.values()], unsafe=unsafe)
    if common is None:
        raise ConversionError("cannot find a common base type for all elements")
    return entries if common is DYNAMIC else _convert_entries(entries, common)


# --- objects and tuples ---------------------------------------------------------------------------------------------


def _to_object(value: Value, type_: ObjectType) -> Value:
    kind = value.__class__
    if kind is MapValue:
        return _map_to_object(value, type_)
    if kind is not dict:
        raise ConversionError(mismatch(type_of(value), type_))
    converted: dict[str, Value] = {}
    missing: list[str] = []
    for name, wanted in type_.attributes.items():
        if name in value:
            try:
                converted[name] = convert(value[name], wanted)
            except ConversionError as error:
                raise error.under(name) from None
        elif name in type_.optional:
            converted[name] = null(without_optional(wanted))
        else:
            missing.append(name)
    if missing:
        raise ConversionError(missing_message(missing))
    return converted


def _map_to_object(value: MapValue, type_: ObjectType) -> Value:
    converted: dict[str, Value] = {}
    for name, wanted in type_.attributes.items():
        fits = value.element_type == wanted or can_convert(value.element_type, wanted)
        if not fits and (name not in type_.optional or name in value.items):
            raise ConversionError(
                f'map element type is incompatible with attribute "{name}": {mismatch(value.element_type, wanted)}'
            )
    for name, wanted in type_.attributes.items():
        if name in value.items:
            try:
                converted[name] = convert(value.items[name], wanted)
            except ConversionError as error:
                raise error.under(name) from None
        elif name in type_.optional:
            converted[name] = null(without_optional(wanted))
        else:
            raise ConversionError(f'map has no element for required attribute "{name}"')
    return converted


def _to_tuple(value: Value, type_: TupleType) -> Value:
    if value.__class__ is not tuple:
        raise ConversionError(mismatch(type_of(value), type_))
    if len(value) != len(type_.elements):
        raise ConversionError(f"a tuple of {len(type_.elements)} elements is required, but this one has {len(value)}")
    converted: list[Value] = []
    for item, wanted in zip(value, type_.elements, strict=True):
        try:
            converted.append(convert(item, wanted))
        except ConversionError as error:
            raise error.under(len(converted)) from None
    return tuple(converted)


# --- types ----------------------------------------------------------------------------------------------------------


def _fill_dynamic(source: Type, target: Type) -> Type:
    """The target type with `any` replaced by what the source type, known to convert, has in its place."""
    if source is DYNAMIC or not has_dynamic(target):
        return target
    if target is DYNAMIC:
        return source
    match target:
        case ListType() | SetType():
            if isinstance(source, TupleType):
                return type(target)(_fill_dynamic(_unified(source.elements), target.element))
            if isinstance(source, ListType | SetType):
                return type(target)(_fill_dynamic(source.element, target.element))
        case MapType():
            if isinstance(source, ObjectType):
                return MapType(_fill_dynamic(_unified(tuple(source.attributes.values())), target.element))
            if isinstance(source, MapType):
                return MapType(_fill_dynamic(source.element, target.element))
        case ObjectType():
            if isinstance(source, ObjectType):
                found = source.attributes
                filled = {
                    name: _fill_dynamic(found.get(name, DYNAMIC), child) for name, child in target.attributes.items()
                }
                return ObjectType(filled)
            if isinstance(source, MapType):
                element = source.element
                return ObjectType({name: _fill_dynamic(element, child) for name, child in target.attributes.items()})
        case TupleType():
            if isinstance(source, TupleType) and len(source.elements) == len(target.elements):
                return TupleType(map(_fill_dynamic, source.elements, target.elements))
    return target


def _unified(types: Sequence[Type]) -> Type:
    return unify(types, unsafe=True) or DYNAMIC
