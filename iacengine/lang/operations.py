"""Operators as closures: operands converted, nulls refused, unknowns and marks carried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.environment import Environment, Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, Span, join
from iacengine.lang.operators import ARITHMETIC, COMPARISONS, NOT_NULL, UNKNOWN_BOOL, OperationError, equals, negate
from iacengine.lang.syntax import Binary, Unary
from iacengine.lang.types import BOOL, NUMBER, Type
from iacengine.lang.values import Marked, Null, Unknown, Value, mark, unmark_deep

_UNKNOWN_NUMBER = Unknown(NUMBER, NOT_NULL)


def compile_binary(node: Binary, environment: Environment) -> Run:
    left, right = environment.compile(node.left), environment.compile(node.right)
    operator = node.operator
    if operator in ("==", "!="):
        return _equality(left, right, equal=operator == "==")
    spans = (node.left.span, node.right.span, node.span)
    if operator in ("&&", "||"):
        return _both(left, right, _LOGIC[operator], BOOL, UNKNOWN_BOOL, bool, operator, spans)
    if operator in COMPARISONS:
        return _both(left, right, COMPARISONS[operator], NUMBER, UNKNOWN_BOOL, int, operator, spans)
    return _both(left, right, ARITHMETIC[operator], NUMBER, _UNKNOWN_NUMBER, int, operator, spans)


_LOGIC: dict[str, Callable[[bool, bool], bool]] = {"&&": lambda a, b: a and b, "||": lambda a, b: a or b}


def _run_both(left: Run, right: Run, scope: Scope, frame: Frame, result: Value) -> tuple[Value, Value]:
    """Both operands' values; the errors of both when there are any."""
    try:
        a = left(scope, frame)
    except ExpressionError as error:
        try:
            right(scope, frame)
        except ExpressionError as second:
            error = join(error, second)
        raise error.giving(result) from None
    try:
        return a, right(scope, frame)
    except ExpressionError as error:
        raise error.giving(result) from None


def _both(
    left: Run,
    right: Run,
    operation: Callable[[Any, Any], Value],
    wanted: Type,
    unknown: Unknown,
    plain: type,
    operator: str,
    spans: tuple[Span, Span, Span],
) -> Run:
    """An operation on two operands of one type; `plain` is the class of operands that need no treatment."""

    def run(scope: Scope, frame: Frame) -> Value:
        a, b = _run_both(left, right, scope, frame, unknown)
        try:
            if a.__class__ is plain and b.__class__ is plain:
                return operation(a, b)
            a, a_marks = _operand(a, wanted, "left ", operator, spans[0], unknown)
            b, b_marks = _operand(b, wanted, "right ", operator, spans[1], unknown)
            result = unknown if a.__class__ is Unknown or b.__class__ is Unknown else operation(a, b)
        except OperationError as error:
            raise ExpressionError(
                "Operation failed", f"Error during operation: {error}.", span=spans[2], result=unknown
            ) from None
        return mark(result, a_marks | b_marks)

    return run


def _operand(
    value: Value, wanted: Type, side: str, operator: str, span: Span, result: Unknown
) -> tuple[Value, frozenset[str]]:
    """The operand converted and without marks, and the marks."""
    marks: frozenset[str] = frozenset()
    if value.__class__ is Marked:
        value, marks = value.value, value.marks
    try:
        value = convert(value, wanted)
    except ConversionError as error:
        raise ExpressionError(
            "Invalid operand",
            f'Unsuitable value for {side}operand of "{operator}": {error}.',
            remedy=_comparison_remedy(operator),
            span=span,
            result=mark(result, marks),
        ) from None
    if value is None or value.__class__ is Null:
        raise ExpressionError(
            "Operation failed",
            f'The {side}operand of "{operator}" is null.',
            remedy="Give a null another value with coalesce, or choose with a conditional.",
            span=span,
            result=mark(result, marks),
        )
    return value, marks


def _comparison_remedy(operator: str) -> str | None:
    if operator in COMPARISONS:
        return "Only numbers can be ordered. To compare strings, sort them."
    if operator == "+":
        return 'To join strings, write a template: "${a}${b}".'
    return None


def _equality(left: Run, right: Run, *, equal: bool) -> Run:
    def run(scope: Scope, frame: Frame) -> Value:
        a, b = _run_both(left, right, scope, frame, UNKNOWN_BOOL)
        if a.__class__ is b.__class__ and (a.__class__ is str or a.__class__ is int):
            return (a == b) is equal
        a, a_marks = unmark_deep(a)
        b, b_marks = unmark_deep(b)
        result = equals(a, b)
        if result.__class__ is bool:
            result = result is equal
        return mark(result, a_marks | b_marks) if a_marks or b_marks else result

    return run


def compile_unary(node: Unary, environment: Environment) -> Run:
    operand = environment.compile(node.operand)
    span = node.operand.span
    operator = node.operator
    wanted, unknown = (NUMBER, _UNKNOWN_NUMBER) if operator == "-" else (BOOL, UNKNOWN_BOOL)

    def run(scope: Scope, frame: Frame) -> Value:
        try:
            value = operand(scope, frame)
        except ExpressionError as error:
            raise error.giving(unknown) from None
        value, marks = _operand(value, wanted, "", operator, span, unknown)
        if value.__class__ is Unknown:
            return mark(unknown, marks)
        return mark(negate(value) if operator == "-" else not value, marks)

    return run
