"""What the operators do to known, unmarked values. Numbers are 512-bit binary floats, as in Terraform."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from iacengine.lang.sets import identity
from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    has_dynamic,
)
from iacengine.lang.values import (
    PRECISION,
    ListValue,
    MapValue,
    Null,
    Number,
    Refinement,
    SetValue,
    Unknown,
    Value,
    any_inside,
    is_wholly_known,
    round_number,
    type_of,
)

NOT_NULL: Final = Refinement(not_null=True)
UNKNOWN_BOOL: Final = Unknown(BOOL, NOT_NULL)
_EXACT: Final = 1 << PRECISION
_INFINITY: Final = float("inf")


class OperationError(Exception):
    """An operation that has no result, such as zero divided by zero."""


# --- arithmetic -----------------------------------------------------------------------------------------------------


def _negative(number: Number) -> bool:
    """The sign, which a zero has too."""
    return math.copysign(1.0, number) < 0 if number.__class__ is float else number < 0


def _rounded(number: int | Fraction) -> Number:
    if number.__class__ is int:
        return number if -_EXACT < number < _EXACT else round_number(Fraction(number))
    return round_number(number)  # type: ignore[arg-type]


def _zero(*, negative: bool) -> Number:
    return -0.0 if negative else 0


def add(a: Number, b: Number) -> Number:
    if a.__class__ is float or b.__class__ is float:
        if a in (_INFINITY, -_INFINITY) or b in (_INFINITY, -_INFINITY):
            if a == -b:
                raise OperationError("can't compute sum of opposing infinities")
            return a if a in (_INFINITY, -_INFINITY) else b
        if a == 0 and b == 0:
            return _zero(negative=_negative(a) and _negative(b))
        return b if a == 0 else a
    return _rounded(a + b)  # type: ignore[arg-type]


def negate(a: Number) -> Number:
    if a == 0:
        return _zero(negative=not _negative(a))
    return -a


def subtract(a: Number, b: Number) -> Number:
    if a.__class__ is int and b.__class__ is int:
        return _rounded(a - b)
    try:
        return add(a, negate(b))
    except OperationError:
        raise OperationError("can't subtract infinity from itself") from None


def multiply(a: Number, b: Number) -> Number:
    if a.__class__ is float or b.__class__ is float or a == 0 or b == 0:
        negative = _negative(a) != _negative(b)
        if a in (_INFINITY, -_INFINITY) or b in (_INFINITY, -_INFINITY):
            if a == 0 or b == 0:
                raise OperationError("can't multiply zero by infinity")
            return -_INFINITY if negative else _INFINITY
        return _zero(negative=negative)
    return _rounded(a * b)  # type: ignore[arg-type]


def divide(a: Number, b: Number) -> Number:
    infinite = a in (_INFINITY, -_INFINITY)
    infinite_divisor = b in (_INFINITY, -_INFINITY)
    if (a == 0 and b == 0) or (infinite and infinite_divisor):
        raise OperationError("can't divide zero by zero or infinity by infinity")
    if a == 0 or b == 0 or infinite or infinite_divisor:
        negative = _negative(a) != _negative(b)
        if infinite or b == 0:
            return -_INFINITY if negative else _INFINITY
        return _zero(negative=negative)
    if a.__class__ is int and b.__class__ is int and a % b == 0:
        return _rounded(a // b)
    return round_number(Fraction(a) / Fraction(b))


def modulo(a: Number, b: Number) -> Number:
    """The remainder, with the sign of `a`; `a` itself when `b` is zero."""
    if a in (_INFINITY, -_INFINITY) or b in (_INFINITY, -_INFINITY):
        try:
            return multiply(a, b)
        except OperationError:
            raise OperationError("can't use modulo with zero and infinity") from None
    if b == 0 or a == 0:
        return a
    quotient = divide(a, b)
    whole = int(quotient)  # towards zero
    return subtract(a, multiply(b, whole)) if whole else a


ARITHMETIC: Final[dict[str, Callable[[Number, Number], Number]]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
}

COMPARISONS: Final[dict[str, Callable[[Number, Number], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


# --- equality -------------------------------------------------------------------------------------------------------


def equals(a: Value, b: Value) -> bool | Unknown:
    """Equality without any conversion; an unknown bool where an unknown part decides. Neither may hold marks."""
    kind = a.__class__
    if kind is b.__class__ and (kind is str or kind is int or kind is bool or kind is Fraction):
        return bool(a == b)
    a_null, b_null = a is None or kind is Null, b is None or b.__class__ is Null
    if a_null and b_null:
        return True
    if a_null:
        return _null_equals(b)
    if b_null:
        return _null_equals(a)
    if kind is Unknown:
        return _unknown_equals(a, b)
    if b.__class__ is Unknown:
        return _unknown_equals(b, a)
    return _known_equals(a, b)


def _null_equals(other: Value) -> bool | Unknown:
    if other.__class__ is Unknown and not other.refinement.not_null:
        return UNKNOWN_BOOL
    return False


def _unknown_equals(unknown: Unknown, other: Value) -> bool | Unknown:
    if other.__class__ is Unknown or has_dynamic(unknown.type):
        return UNKNOWN_BOOL
    if unknown.type != type_of(other):
        return False
    known = unknown.refinement
    if other.__class__ is str:
        return UNKNOWN_BOOL if other.startswith(known.prefix) else False
    if other.__class__ in (ListValue, MapValue) or (other.__class__ is SetValue and is_wholly_known(other)):
        too_long = known.length_max is not None and len(other) > known.length_max
        return False if too_long or len(other) < known.length_min else UNKNOWN_BOOL
    return UNKNOWN_BOOL


def _is_untyped(value: Value) -> bool:
    return value.__class__ is Unknown and has_dynamic(value.type)


def _known_equals(a: Value, b: Value) -> bool | Unknown:
    kind = a.__class__
    if kind is int or kind is Fraction or kind is float:
        return b.__class__ in (int, Fraction, float) and bool(a == b)
    a_type, b_type = type_of(a), type_of(b)
    if (has_dynamic(a_type) and any_inside(a, _is_untyped)) or (has_dynamic(b_type) and any_inside(b, _is_untyped)):
        return UNKNOWN_BOOL if _conforms(a_type, b_type) or _conforms(b_type, a_type) else False
    if a_type != b_type:
        return False
    if kind is str or kind is bool:
        return bool(a == b)
    if kind is SetValue:
        if not is_wholly_known(a) or not is_wholly_known(b):
            return UNKNOWN_BOOL
        return {identity(item) for item in a.items} == {identity(item) for item in b.items}
    if kind is dict:
        return _all_equal([(item, b[name]) for name, item in a.items()])
    if kind is MapValue:
        return a.items.keys() == b.items.keys() and _all_equal([(item, b.items[key]) for key, item in a.items.items()])
    if len(a) != len(b):
        return False
    for left, right in zip(a, b, strict=True):
        same = equals(left, right)
        if same is not True:
            return same  # the first that is not plainly equal decides, as in Terraform, be it unknown
    return True


def _all_equal(pairs: list[tuple[Value, Value]]) -> bool | Unknown:
    result: bool | Unknown = True
    for a, b in pairs:
        same = equals(a, b)
        if same is False:
            return False
        if same is not True:
            result = UNKNOWN_BOOL
    return result


def _conforms(found: Type, wanted: Type) -> bool:
    """True when a type could be the other once every `dynamic` in that other is known."""
    if wanted is DYNAMIC or found == wanted:
        return True
    if isinstance(found, ListType | SetType | MapType) and isinstance(wanted, ListType | SetType | MapType):
        return found.__class__ is wanted.__class__ and _conforms(found.element, wanted.element)
    match found, wanted:
        case TupleType(), TupleType():
            return len(found.elements) == len(wanted.elements) and all(map(_conforms, found.elements, wanted.elements))
        case ObjectType(), ObjectType():
            return found.attributes.keys() == wanted.attributes.keys() and all(
                _conforms(child, wanted.attributes[name]) for name, child in found.attributes.items()
            )
        case _:
            return False
