"""Set algebra, and the cartesian product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from iacengine.lang.convert import ConversionError, convert, unify
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.sets import identity, make_set
from iacengine.lang.types import DYNAMIC, ListType, SetType, TupleType, Type
from iacengine.lang.values import (
    ListValue,
    Refinement,
    SetValue,
    Unknown,
    Value,
    is_wholly_known,
    mark,
    type_of,
    unmark,
)

_ANY_SET = SetType(DYNAMIC)
_BOUND_LIMIT = 2048  # a greater upper bound of a length is of no use to anybody


def _set_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    elements: list[Type] = []
    for argument in arguments:
        type_ = type_of(argument)
        element = type_.element if isinstance(type_, SetType) else DYNAMIC
        if element is DYNAMIC and argument.__class__ is SetValue and len(argument) == 0:
            continue  # an empty set without a type fits every other
        elements.append(element)
    if not elements:
        return _ANY_SET
    common = unify(elements, unsafe=True)
    if common is None:
        raise FunctionError("given sets must all have compatible element types")
    return SetType(common)


def _converted(arguments: Sequence[Value], type_: Type) -> list[Value]:
    sets: list[Value] = []
    for index, argument in enumerate(arguments):
        try:
            sets.append(convert(argument, type_))
        except ConversionError as error:
            raise FunctionError(error.message, index) from None
    return sets


def _setunion(arguments: Sequence[Value], context: FunctionContext) -> Value:
    type_ = _set_type(arguments, context)
    assert isinstance(type_, SetType)
    sets = _converted(arguments, type_)
    if any(value.__class__ is Unknown for value in sets):
        return Unknown(type_)
    return make_set(type_.element, itertools.chain.from_iterable(sets))


Choice = Callable[[set[object], set[object]], set[object]]


def _choosing(choose: Choice) -> Callable[[Sequence[Value], FunctionContext], Value]:
    """A set operation whose result is part of its first set, and needs all elements known."""

    def operate(arguments: Sequence[Value], context: FunctionContext) -> Value:
        type_ = _set_type(arguments, context)
        assert isinstance(type_, SetType)
        first, *others = _converted(arguments, type_)
        if not all(map(is_wholly_known, (first, *others))):
            return Unknown(type_)
        chosen = {identity(item) for item in first}
        for other in others:
            chosen = choose(chosen, {identity(item) for item in other})
        return SetValue(type_.element, [item for item in first if identity(item) in chosen])

    return operate


def _setproduct_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    if len(arguments) < 2:
        raise FunctionError("at least two arguments are required")
    elements: list[Type] = []
    ordered = True
    for index, argument in enumerate(arguments):
        type_ = type_of(argument)
        if isinstance(type_, ListType):
            elements.append(type_.element)
        elif isinstance(type_, SetType):
            elements.append(type_.element)
            ordered = False
        elif isinstance(type_, TupleType):
            common = unify(type_.elements, unsafe=True) if type_.elements else DYNAMIC
            if common is None:
                raise FunctionError("all elements must be of the same type", index)
            elements.append(common)
        else:
            raise FunctionError("a set or a list is required", index)
    return ListType(TupleType(elements)) if ordered else SetType(TupleType(elements))


def _setproduct(arguments: Sequence[Value], context: FunctionContext) -> Value:
    result_type = _setproduct_type(arguments, context)
    assert isinstance(result_type, ListType | SetType)
    marks: frozenset[str] = frozenset()
    factors: list[Value] = []
    for argument in arguments:
        value, found = unmark(argument)
        marks |= found
        factors.append(value)
    if any(map(_length_unknown, factors)):
        return mark(_bounded_product(factors, result_type), marks)
    tuple_type = result_type.element
    assert isinstance(tuple_type, TupleType)
    columns = [
        [convert(item, element) for item in factor]
        for factor, element in zip(factors, tuple_type.elements, strict=True)
    ]
    rows = itertools.product(*columns)
    if isinstance(result_type, ListType):
        return mark(ListValue(tuple_type, rows), marks)
    return mark(make_set(tuple_type, rows), marks)


def _length_unknown(factor: Value) -> bool:
    if factor.__class__ is Unknown:
        return True
    return factor.__class__ is SetValue and len(factor) > 1 and not is_wholly_known(factor)


def _bounded_product(factors: Sequence[Value], result_type: ListType | SetType) -> Value:
    """The unknown product, with what can be said of its length; known when it can only be empty."""
    bounds: list[int | None] = []
    for factor in factors:
        if factor.__class__ is not Unknown:
            bounds.append(len(factor))
        elif isinstance(factor.type, TupleType):
            bounds.append(len(factor.type.elements))
        else:
            bounds.append(factor.refinement.length_max)
    limits = [bound for bound in bounds if bound is not None]
    if len(limits) < len(bounds) or math.prod(limits) > _BOUND_LIMIT:
        return Unknown(result_type)
    limit = math.prod(limits)
    if limit == 0:
        return (ListValue if isinstance(result_type, ListType) else SetValue)(result_type.element, ())
    if limit == 1 and isinstance(result_type, ListType):
        return ListValue(result_type.element, (Unknown(result_type.element),))
    return Unknown(result_type, Refinement(not_null=True, length_min=1, length_max=limit))


_FIRST = Parameter("first_set", _ANY_SET, allow_dynamic=True)
_OTHERS = Parameter("other_sets", _ANY_SET, allow_dynamic=True)

FUNCTIONS = (
    Function("setintersection", (_FIRST,), _OTHERS, _set_type, _choosing(lambda chosen, other: chosen & other)),
    Function(
        "setproduct",
        (),
        Parameter("sets", DYNAMIC, allow_marked=True, allow_unknown=True),
        _setproduct_type,
        _setproduct,
    ),
    Function(
        "setsubtract",
        (Parameter("a", _ANY_SET, allow_dynamic=True), Parameter("b", _ANY_SET, allow_dynamic=True)),
        None,
        _set_type,
        _choosing(lambda chosen, other: chosen - other),
    ),
    Function("setunion", (_FIRST,), _OTHERS, _set_type, _setunion),
)
