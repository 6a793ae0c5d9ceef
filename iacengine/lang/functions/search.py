"""Functions that look into collections: how long, whether and where something is in them, which comes first."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.convert import ConversionError, convert, null, unify
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.operators import equals
from iacengine.lang.sets import identity
from iacengine.lang.text import graphemes
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, ObjectType, SetType, TupleType, Type
from iacengine.lang.values import (
    ListValue,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    mark,
    type_of,
    unmark,
)

_BOOLS = ListType(BOOL)
_ANY_LIST = ListType(DYNAMIC)
_ONE = "must be a list, set, or tuple value with either zero or one elements"


def _alltrue(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    for item in arguments[0]:
        if item.__class__ is Unknown:
            return Unknown(BOOL)
        if item is not True:
            return False
    return True


def _anytrue(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    unknown = False
    for item in arguments[0]:
        if item is True:
            return True
        unknown = unknown or item.__class__ is Unknown
    return Unknown(BOOL) if unknown else False


def _coalesce_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    common = unify([type_of(argument) for argument in arguments], unsafe=True) if arguments else None
    if common is None:
        raise FunctionError("all arguments must have the same type")
    return common


def _coalesce(arguments: Sequence[Value], context: FunctionContext) -> Value:
    common = _coalesce_type(arguments, context)
    for argument in arguments:
        try:
            value = convert(argument, common)
        except ConversionError:
            continue  # as in Terraform: what cannot be of the common type is passed over
        if value.__class__ is Unknown:
            return Unknown(common)
        if not is_null(value) and value != "":
            return value
    raise FunctionError("no non-null, non-empty-string arguments")


def _coalescelist(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    if not arguments:
        raise FunctionError("at least one argument is required")
    types: list[Type] = []
    known = True
    for argument in arguments:
        if argument.__class__ is Unknown:
            known = False
            break
        type_ = type_of(argument)
        if not isinstance(type_, ListType | TupleType):
            raise FunctionError("coalescelist arguments must be lists or tuples")
        types.append(type_)
    for argument in arguments:
        if argument.__class__ is Unknown:
            return Unknown(types[0] if known and all(type_ == types[0] for type_ in types) else DYNAMIC)
        if not is_null(argument) and len(argument) > 0:
            return argument
    raise FunctionError("no non-null arguments")


def _contains(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    items, wanted = arguments
    if items.__class__ not in (tuple, ListValue, SetValue):
        raise FunctionError("argument must be list, tuple, or set")
    unknown = False
    for item in items:
        answer = equals(wanted, item)
        if answer is True:
            return True
        unknown = unknown or answer is not False
    return Unknown(BOOL) if unknown else False


def _index(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    items, wanted = arguments
    if items.__class__ not in (tuple, ListValue):
        raise FunctionError("argument must be a list or tuple")
    if len(items) == 0:
        raise FunctionError("cannot search an empty list")
    for position, item in enumerate(items):
        answer = equals(item, wanted)
        if answer is True:
            return position
        if answer is not False:
            return Unknown(NUMBER)
    raise FunctionError("item not found")


def _length(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value, marks = unmark(arguments[0])
    return mark(_count(value), marks)


def _count(value: Value) -> Value:
    kind = value.__class__
    if kind is Unknown:
        return _count_unknown(value)
    if kind is str:
        return len(graphemes(value))
    if kind is int or kind is bool or not hasattr(value, "__len__"):
        raise FunctionError("argument must be a string, a collection type, or a structural type")
    if kind is SetValue and len(value) > 1 and not is_wholly_known(value):
        return Unknown(NUMBER)  # two unknown elements may turn out to be one
    return len(value)


def _count_unknown(value: Unknown) -> Value:
    type_, refinement = value.type, value.refinement
    if isinstance(type_, TupleType):
        return len(type_.elements)
    if isinstance(type_, ObjectType):
        return len(type_.attributes)
    if type_ is NUMBER or type_ is BOOL:
        raise FunctionError("argument must be a string, a collection type, or a structural type")
    if type_ is not STRING and type_ is not DYNAMIC and refinement.length_min == refinement.length_max:
        return refinement.length_min
    return Unknown(NUMBER)


def _matchkeys_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    _common_keys(arguments)
    return type_of(arguments[0])


def _common_keys(arguments: Sequence[Value]) -> Type:
    common = unify([type_of(arguments[1]), type_of(arguments[2])], unsafe=True)
    if common is None:
        raise FunctionError("keys and searchset must be of the same type")
    return common


def _matchkeys(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    common = _common_keys(arguments)
    values = arguments[0]
    if len(values) != len(arguments[1]):
        raise FunctionError("length of keys and values should be equal")
    try:
        keys, searched = convert(arguments[1], common), convert(arguments[2], common)
    except ConversionError as error:
        raise FunctionError(error.message) from None
    empty = ListValue(values.element_type, ())
    if len(searched) == 0:
        return empty
    if not is_wholly_known(values) or not is_wholly_known(keys):
        return Unknown(type_of(values))
    if is_wholly_known(searched):
        wanted = {identity(item) for item in searched}
        found = [value for value, key in zip(values, keys, strict=True) if identity(key) in wanted]
        return ListValue(values.element_type, found)
    found = []
    for value, key in zip(values, keys, strict=True):
        for item in searched:
            answer = equals(key, item)
            if answer is True:
                found.append(value)
                break
            if answer is not False:
                return empty
    return ListValue(values.element_type, found)


def _one_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    type_ = type_of(arguments[0])
    if isinstance(type_, ListType | SetType):
        return type_.element
    if isinstance(type_, TupleType) and len(type_.elements) < 2:
        return type_.elements[0] if type_.elements else DYNAMIC
    raise FunctionError(_ONE, 0)


def _one(arguments: Sequence[Value], context: FunctionContext) -> Value:
    type_ = _one_type(arguments, context)
    items = arguments[0]
    if len(items) == 0:
        return null(type_)
    if len(items) == 1:
        return next(iter(items))
    if items.__class__ is SetValue and not is_wholly_known(items):
        return Unknown(type_)
    raise FunctionError(_ONE, 0)


_ANYTHING = Parameter("vals", DYNAMIC, allow_unknown=True, allow_dynamic=True, allow_null=True)

FUNCTIONS = (
    Function("alltrue", (Parameter("list", _BOOLS),), None, BOOL, _alltrue),
    Function("anytrue", (Parameter("list", _BOOLS),), None, BOOL, _anytrue),
    Function("coalesce", (), _ANYTHING, _coalesce_type, _coalesce),
    Function("coalescelist", (), _ANYTHING, DYNAMIC, _coalescelist),
    Function("contains", (Parameter("list", DYNAMIC), Parameter("value", DYNAMIC)), None, BOOL, _contains),
    Function("index", (Parameter("list", DYNAMIC), Parameter("value", DYNAMIC)), None, NUMBER, _index),
    Function(
        "length",
        (Parameter("value", DYNAMIC, allow_dynamic=True, allow_unknown=True, allow_marked=True),),
        None,
        NUMBER,
        _length,
    ),
    Function(
        "matchkeys",
        (Parameter("values", _ANY_LIST), Parameter("keys", _ANY_LIST), Parameter("searchset", _ANY_LIST)),
        None,
        _matchkeys_type,
        _matchkeys,
    ),
    Function("one", (Parameter("list", DYNAMIC),), None, _one_type, _one, not_null=False),
)
