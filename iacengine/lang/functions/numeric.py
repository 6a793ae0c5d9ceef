"""Functions of numbers. Sums and comparisons are exact; `log` and `pow` go through 64-bit floats, as in Terraform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.functions.arguments import go_quote, number, real, redacted, whole
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.floats import logarithm, power
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.operators import OperationError, add
from iacengine.lang.types import DYNAMIC, NUMBER, STRING, ListType, Type, friendly_name
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Number,
    SetValue,
    Unknown,
    Value,
    children,
    is_null,
    is_wholly_known,
    mark,
    type_of,
    unmark,
)
from iacengine.lang.values import number as make_number

_RANGE_LIMIT = 1024  # as in Terraform: a mistyped bound must not fill the memory


def _sum_of(a: Number, b: Number) -> Number:
    try:
        return add(a, b)
    except OperationError as error:
        raise FunctionError(str(error)) from None


def _abs(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value, marks = unmark(arguments[0])
    result = abs(value)
    return mark(0 if result == 0 else result, marks)


def _ceil(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value = arguments[0]
    return math.ceil(value) if value.__class__ is Fraction else value or 0


def _floor(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value = arguments[0]
    return math.floor(value) if value.__class__ is Fraction else value or 0


def _log(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    a, b = logarithm(real(arguments[0])), logarithm(real(arguments[1]))
    if b == 0:
        undefined = a == 0 or math.isnan(a)
        return _from_float(math.nan if undefined else math.copysign(math.inf, a) * math.copysign(1.0, b))
    return _from_float(a / b)


def _pow(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return _from_float(power(real(arguments[0]), real(arguments[1])))


def _from_float(value: float) -> Number:
    if math.isnan(value):
        raise FunctionError("the result is not a number")
    # exact where arithmetic may rest on it: whole numbers of 64 bits, and powers of two, which count addresses
    counts = abs(value) < 1 << 63 or math.frexp(value)[0] in (0.5, -0.5)
    if value and counts and value.is_integer():
        return int(value)
    # otherwise the shortest decimal that reads back, which is what Terraform shows
    return make_number(value)


def _max(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    if not arguments:
        raise FunctionError("must pass at least one number")
    result: Number = -math.inf
    for value in arguments:
        if value > result:
            result = value
    return result


def _min(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    if not arguments:
        raise FunctionError("must pass at least one number")
    result: Number = math.inf
    for value in arguments:
        if value < result:
            result = value
    return result


def _signum(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value = whole(arguments[0])
    return (value > 0) - (value < 0)


_DIGITS = {c: i for i, c in enumerate("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def _parseint_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    given = type_of(arguments[0])
    if given is not STRING:
        raise FunctionError(f"first argument must be a string, not {friendly_name(given)}", 0)
    return NUMBER


def _parseint(arguments: Sequence[Value], context: FunctionContext) -> Value:
    _parseint_type(arguments, context)
    text, text_marks = unmark(arguments[0])
    base_value, base_marks = unmark(arguments[1])
    base = whole(base_value, 1)
    if not 2 <= base <= 62:
        raise FunctionError("base must be a whole number between 2 and 62 inclusive", 1)
    result = _parse_digits(text, base)
    if result is None:
        shown = redacted(go_quote(text), text_marks)
        raise FunctionError(f"cannot parse {shown} as a base {redacted(str(base), base_marks)} integer", 0)
    return mark(result, text_marks | base_marks)


def _parse_digits(text: str, base: int) -> Number | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits:
        return None
    if base <= 36:
        digits = digits.lower()
    total = 0
    for character in digits:
        value = _DIGITS.get(character, 99)
        if value >= base:
            return None
        total = total * base + value
    return make_number(-total if text[0] == "-" else total)


def _range(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    if not 1 <= len(arguments) <= 3:
        raise FunctionError("must have one, two, or three arguments")
    start, end = (0, arguments[0]) if len(arguments) == 1 else (arguments[0], arguments[1])
    step = arguments[2] if len(arguments) == 3 else (-1 if end < start else 1)
    if step == 0 and start != end:
        raise FunctionError("step must not be zero", 2)
    down = step < 0
    if down and end > start:
        raise FunctionError("end must be less than start when step is negative", 1)
    if not down and end < start:
        raise FunctionError("end must be greater than start when step is positive", 1)
    items: list[Number] = []
    current = start
    while current > end if down else current < end:
        if len(items) >= _RANGE_LIMIT:
            raise FunctionError(
                f"more than {_RANGE_LIMIT} values were generated; either decrease the difference between start and end "
                "or use a smaller step"
            )
        items.append(current)
        current = _sum_of(current, step)
    return ListValue(NUMBER, items)


def _sum(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    given = arguments[0]
    kind = given.__class__
    if kind not in (tuple, ListValue, SetValue, dict, MapValue):
        raise FunctionError("cannot sum noniterable", 0)
    items = list(children(given))
    if not items:
        raise FunctionError("cannot sum an empty list", 0)
    if kind is dict or kind is MapValue:
        name = friendly_name(type_of(given))
        raise FunctionError(f"argument must be list, set, or tuple. Received {name}", 0)
    if not is_wholly_known(given):
        return Unknown(NUMBER)
    total: Number | None = None
    for item in items:
        try:
            if is_null(item):
                raise ConversionError("a number is required", ())
            value = convert(item, NUMBER)
        except ConversionError:
            raise FunctionError("argument must be list, set, or tuple of number values", 0) from None
        total = value if total is None else _sum_of(total, value)
    return total


FUNCTIONS = (
    Function("abs", (number("num", allow_dynamic=True, allow_marked=True),), None, NUMBER, _abs),
    Function("ceil", (number("num"),), None, NUMBER, _ceil),
    Function("floor", (number("num"),), None, NUMBER, _floor),
    Function("log", (number("num"), number("base")), None, NUMBER, _log),
    Function("max", (), number("numbers", allow_dynamic=True), NUMBER, _max),
    Function("min", (), number("numbers", allow_dynamic=True), NUMBER, _min),
    Function(
        "parseint",
        (Parameter("number", DYNAMIC, allow_marked=True), number("base", allow_marked=True)),
        None,
        _parseint_type,
        _parseint,
    ),
    Function("pow", (number("num"), number("power")), None, NUMBER, _pow),
    Function("range", (), number("params"), ListType(NUMBER), _range),
    Function("signum", (number("num"),), None, NUMBER, _signum),
    Function("sum", (Parameter("list", DYNAMIC),), None, NUMBER, _sum),
)
