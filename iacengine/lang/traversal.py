"""Taking values apart: attributes, indexes and splats, with unknowns, nulls and marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.convert import ConversionError, convert, make_list, null
from iacengine.lang.errors import ExpressionError, Span, join
from iacengine.lang.types import (
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
)
from iacengine.lang.values import (
    UNKNOWN,
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    mark,
    type_of,
)


def _typed(item: Value, element: object) -> Value:
    """An element of a collection; a null of it has the element type."""
    return null(element) if item is None else item  # type: ignore[arg-type]


# --- attributes -----------------------------------------------------------------------------------------------------


def attribute_of(value: Value, name: str, span: Span) -> Value:
    """`value.name`. Raises ExpressionError."""
    kind = value.__class__
    if kind is dict:
        if name in value:
            return value[name]
        raise _no_attribute(name, value, span)
    if kind is MapValue:
        if name in value.items:
            return _typed(value.items[name], value.element_type)
        raise _no_element(name, value.items, span)
    if kind is Marked:
        try:
            return mark(attribute_of(value.value, name, span), value.marks)
        except ExpressionError as error:
            error.remedy = None  # a near match would tell what is inside
            raise error.giving(mark(error.result, value.marks)) from None
    if kind is Unknown:
        return _unknown_attribute(value, name, span)
    if value is None or kind is Null:
        raise ExpressionError(
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes.",
            remedy="Guard it with a conditional, or with try.",
            span=span,
        )
    raise _unsupported(value, name, span)


def _unknown_attribute(value: Unknown, name: str, span: Span) -> Value:
    type_ = value.type
    if type_ is DYNAMIC:
        return UNKNOWN
    if isinstance(type_, ObjectType):
        if name in type_.attributes:
            return Unknown(type_.attributes[name])
        raise _no_attribute(name, type_.attributes, span)
    if isinstance(type_, MapType):
        return Unknown(type_.element)
    raise _unsupported(value, name, span)


def _no_attribute(name: str, known: Iterable[str], span: Span) -> ExpressionError:
    names = list(known)
    near = near_match(name, names)
    if near:
        remedy: str | None = f'Did you mean "{near}"?'
    elif names:
        remedy = f"It has: {', '.join(sorted(names)[:12])}{', ...' if len(names) > 12 else ''}."
    else:
        remedy = "It has no attributes at all."
    return ExpressionError(
        "Unsupported attribute", f'This object does not have an attribute named "{name}".', remedy=remedy, span=span
    )


def _no_element(key: str, known: Iterable[str], span: Span) -> ExpressionError:
    near = near_match(key, known)
    return ExpressionError(
        "Missing map element",
        f'This map does not have an element with the key "{key}".',
        remedy=f'Did you mean "{near}"?' if near else "Use lookup with a default for a key that may be missing.",
        span=span,
    )


def _unsupported(value: Value, name: str, span: Span) -> ExpressionError:
    type_ = type_of(value)
    remedy = None
    if isinstance(type_, ListType | SetType | TupleType):
        detail = f"Can't access attributes on a {type_.kind if not isinstance(type_, TupleType) else 'tuple'}."
        if isinstance(type_, SetType):
            remedy = f"For the attribute of every element, write [for x in THIS : x.{name}]."
        else:
            remedy = f"For one element, write [0].{name}; for all of them, [*].{name}."
    else:
        detail = f"Can't access attributes on a primitive-typed value ({friendly_name(type_)})."
    return ExpressionError("Unsupported attribute", detail, remedy=remedy, span=span)


# --- indexes --------------------------------------------------------------------------------------------------------


def element_of(value: Value, key: Value, span: Span) -> Value:
    """`value[key]`. Raises ExpressionError."""
    kind = value.__class__
    if key.__class__ is int:
        if kind is tuple and 0 <= key < len(value):
            return value[key]
        if kind is ListValue and 0 <= key < len(value.items):
            return _typed(value.items[key], value.element_type)
    elif key.__class__ is str:
        if kind is dict and key in value:
            return value[key]
        if kind is MapValue and key in value.items:
            return _typed(value.items[key], value.element_type)
    if kind is Marked or key.__class__ is Marked:
        return _marked_element(value, key, span)
    if value is None or kind is Null:
        raise ExpressionError(
            "Attempt to index null value",
            "This value is null, so it does not have any indices.",
            remedy="Guard it with a conditional, or with try.",
            span=span,
        )
    if key is None or key.__class__ is Null:
        raise _invalid("Can't use a null value as an indexing key.", span, "Give a null another value with coalesce.")
    type_ = value.type if kind is Unknown else type_of(value)
    if type_ is DYNAMIC or (key.__class__ is Unknown and key.type is DYNAMIC):
        return UNKNOWN
    match type_:
        case ListType() | TupleType():
            return _sequence_element(value, type_, _key(key, NUMBER, span), span)
        case MapType():
            return _map_element(value, type_, _key(key, STRING, span), span)
        case ObjectType():
            return _object_element(value, type_, key, span)
        case SetType():
            raise _invalid(
                "Elements of a set are identified only by their value and don't have any separate index or key.",
                span,
                remedy="Use tolist to give them an order, or a for expression to go over all of them.",
            )
        case _:
            remedy = "Use it as it is; only lists, tuples, maps and objects have elements."
            raise _invalid(f"A {friendly_name(type_)} does not have any indices.", span, remedy)


def _invalid(detail: str, span: Span, remedy: str | None = None) -> ExpressionError:
    return ExpressionError("Invalid index", detail, remedy=remedy, span=span)


def _marked_element(value: Value, key: Value, span: Span) -> Value:
    plain, marks = (value.value, value.marks) if value.__class__ is Marked else (value, frozenset())
    plain_key, key_marks = (key.value, key.marks) if key.__class__ is Marked else (key, frozenset())
    try:
        return mark(element_of(plain, plain_key, span), marks | key_marks)
    except ExpressionError as error:
        # neither the key nor what there is to choose from may be told
        raise _invalid("The given key does not identify an element in this collection value.", span).giving(
            mark(error.result, marks | key_marks)
        ) from None


def _key(key: Value, type_: object, span: Span) -> Value:
    try:
        return convert(key, type_)  # type: ignore[arg-type]
    except ConversionError as error:
        raise _invalid(f"The given key does not identify an element in this collection value: {error}.", span) from None


def _sequence_element(value: Value, type_: ListType | TupleType, key: Value, span: Span) -> Value:
    length = len(value) if value.__class__ is not Unknown else None
    if isinstance(type_, TupleType):
        length = len(type_.elements)
    if key.__class__ is Unknown:
        return UNKNOWN if isinstance(type_, TupleType) else Unknown(type_.element)
    reason = "The given key does not identify an element in this collection value: "
    if key.__class__ is Fraction:
        raise _invalid(
            f"{reason}indexing a sequence requires a whole number, but the given index has a fractional part.",
            span,
            remedy="Round it with floor.",
        )
    if key < 0:
        raise _invalid(
            f"{reason}a negative number is not a valid index for a sequence.",
            span,
            remedy="Count from the end with [length(x) - 1].",
        )
    if length is not None and key >= length:
        if length == 0:
            raise _invalid(
                f"{reason}the collection has no elements.", span, "Test first: length(x) > 0 ? x[0] : DEFAULT."
            )
        raise _invalid(
            f"{reason}the given index is greater than or equal to the length of the collection ({length}).",
            span,
            remedy=f"Use an index from 0 to {length - 1}; element goes round and round." if length > 1 else "Use [0].",
        )
    if value.__class__ is Unknown:
        return Unknown(type_.elements[int(key)] if isinstance(type_, TupleType) else type_.element)
    items = value if value.__class__ is tuple else value.items
    return _typed(items[int(key)], DYNAMIC if isinstance(type_, TupleType) else type_.element)


def _map_element(value: Value, type_: MapType, key: Value, span: Span) -> Value:
    if key.__class__ is Unknown or value.__class__ is Unknown:
        return Unknown(type_.element)
    if key in value.items:
        return _typed(value.items[key], type_.element)
    near = near_match(key, value.items)
    raise _invalid(
        f'The given key does not identify an element in this collection value: the map has no key "{key}".',
        span,
        remedy=f'Did you mean "{near}"?' if near else "Use lookup with a default for a key that may be missing.",
    )


def _object_element(value: Value, type_: ObjectType, key: Value, span: Span) -> Value:
    name = _key(key, STRING, span)
    if name.__class__ is Unknown:
        return UNKNOWN
    if name not in type_.attributes:
        if key.__class__ is not str:
            remedy: str | None = "An object only supports looking up attributes by name, not by numeric index."
        else:
            near = near_match(name, type_.attributes)
            remedy = f'Did you mean "{near}"?' if near else None
        raise _invalid(
            f'The given key does not identify an element in this collection value: there is no attribute "{name}".',
            span,
            remedy,
        )
    return Unknown(type_.attributes[name]) if value.__class__ is Unknown else value[name]


# --- splats ---------------------------------------------------------------------------------------------------------


def splat(source: Value, each: Callable[[Value], Value], span: Span) -> Value:
    """`source[*]` with `each` applied to every element: a tuple of a tuple or single value, a list of a list or set."""
    plain, marks = (source.value, source.marks) if source.__class__ is Marked else (source, frozenset[str]())
    kind = plain.__class__
    type_ = plain.type if kind is Unknown or kind is Null else None
    sequence = kind in (tuple, ListValue, SetValue) or isinstance(type_, TupleType | ListType | SetType)
    if plain is None or kind is Null:
        if sequence:
            raise ExpressionError(
                "Splat of null value",
                "Splat expressions (with the * symbol) cannot be applied to null sequences.",
                span=span,
            )
        return mark((), marks)
    if type_ is DYNAMIC:
        return mark(UNKNOWN, marks)
    if not sequence:
        # one value is its own only element; whether there is one at all is open while it may still become null
        items, failure = _each_item([source], each)
        if kind is Unknown and not plain.refinement.not_null:
            result: Value = UNKNOWN
        elif failure is not None:
            result = Unknown(TupleType([_type_of_each(each, type_of(plain))]))
        else:
            result = items
        return _finish(result, failure, marks)
    if kind is Unknown:
        return mark(_unknown_splat(plain, each), marks)
    if kind is tuple:
        items, failure = _each_item(plain, each)
        if failure is not None:
            items = Unknown(TupleType([_type_of_each(each, type_of(item)) for item in plain]))
        return _finish(items, failure, marks)
    items, failure = _each_item([_typed(item, plain.element_type) for item in plain.items], each)
    if not items or failure is not None:
        try:
            element = type_of(each(Unknown(plain.element_type)))
        except ExpressionError as error:  # nothing is there to take it of, but it could not be taken of anything
            element, failure = type_of(error.result), failure or error
        return _finish(Unknown(ListType(element)) if failure else ListValue(element, ()), failure, marks)
    try:
        return mark(make_list(items), marks)
    except ConversionError:
        raise ExpressionError(
            "Invalid nested splat expressions",
            "The second level of splat expression produced elements of different types, so they make no list.",
            remedy="Consider using a for expression instead, which produces a tuple.",
            span=span,
        ) from None


def _finish(result: Value, failure: ExpressionError | None, marks: frozenset[str]) -> Value:
    if failure is not None:
        raise failure.giving(mark(result, marks))
    return mark(result, marks)


def _each_item(items: Iterable[Value], each: Callable[[Value], Value]) -> tuple[Value, ExpressionError | None]:
    """What `each` gives for every item, and the errors of those for which it failed."""
    results: list[Value] = []
    failure: ExpressionError | None = None
    for item in items:
        try:
            results.append(each(item))
        except ExpressionError as error:
            failure = join(failure, error)
    return tuple(results), failure


def _type_of_each(each: Callable[[Value], Value], element: Type) -> Type:
    """The type `each` gives for an element of which only the type is known."""
    try:
        return type_of(each(Unknown(element)))
    except ExpressionError as error:
        return type_of(error.result)


def _unknown_splat(source: Unknown, each: Callable[[Value], Value]) -> Value:
    type_ = source.type
    if isinstance(type_, TupleType):
        elements = [type_of(each(Unknown(element))) for element in type_.elements]
        return Unknown(TupleType(elements), Refinement(not_null=True))
    assert isinstance(type_, ListType | SetType)
    known = source.refinement
    element = type_of(each(Unknown(type_.element)))
    return Unknown(ListType(element), Refinement(True, "", known.length_min, known.length_max))
