"""Calling a function: argument conversion, and the common treatment of null, unknown and marked arguments.

The rules are those of `cty`'s function package: https://github.com/zclconf/go-cty/blob/main/docs/functions.md
"""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.types import DYNAMIC, NUMBER, STRING, ListType
from iacengine.lang.values import (
    NO_REFINEMENT,
    ListValue,
    Marked,
    Null,
    Refinement,
    Unknown,
    Value,
    mark,
    unmark_deep,
)

_NOT_NULL = Refinement(not_null=True)
_NO_MARKS: frozenset[str] = frozenset()


def call(function: Function, arguments: Sequence[Value], context: FunctionContext) -> Value:
    """The function's answer to the arguments. Raises FunctionError when the call cannot be answered."""
    _check_count(function, len(arguments))
    prepared = _convert_arguments(function, arguments)
    marks, unknown, dynamic = _examine(function, prepared)
    if dynamic or unknown:  # nobody asks the function, which else would see to the marks that it may get
        marks = marks.union(*(unmark_deep(value)[1] for value in prepared))
    if dynamic:
        return mark(Unknown(DYNAMIC), marks)
    if unknown:
        returns = function.returns
        result: Value = Unknown(returns(prepared, context) if callable(returns) else returns)
    else:
        result = function.implementation(prepared, context)
    if function.not_null:
        kind = result.__class__
        if kind is Unknown or (kind is Marked and result.value.__class__ is Unknown):
            result = _refined(result)
    return mark(result, marks) if marks else result


def _check_count(function: Function, given: int) -> None:
    wanted = len(function.parameters)
    if given == wanted or (given > wanted and function.variadic is not None):
        return
    if given > wanted:
        raise FunctionError(
            f'Function "{function.name}" expects only {wanted} argument(s).', wanted, "Too many function arguments"
        )
    qualifier = "at least " if function.variadic is not None else ""
    missing = function.parameters[given].name
    raise FunctionError(
        f'Function "{function.name}" expects {qualifier}{wanted} argument(s). Missing value for "{missing}".',
        None,
        "Not enough function arguments",
    )


def _convert_arguments(function: Function, arguments: Sequence[Value]) -> list[Value]:
    prepared = list(arguments)
    parameters = function.parameters
    fixed = len(parameters)
    for index, value in enumerate(arguments):
        wanted = parameters[index].type if index < fixed else function.parameter(index).type
        kind = value.__class__
        if wanted is DYNAMIC or (kind is str and wanted is STRING) or (kind is int and wanted is NUMBER):
            continue
        try:
            prepared[index] = convert(value, wanted)
        except ConversionError as error:
            raise FunctionError(_path_text(error.path) + error.message, index) from None
    return prepared


def _path_text(path: Sequence[str | int]) -> str:
    """Where in an argument a conversion failed, as `element 0: ` or `attribute "a": `; empty at the top."""
    return "".join(f'element "{step}": ' if isinstance(step, str) else f"element {step}: " for step in path)


def _examine(function: Function, prepared: list[Value]) -> tuple[frozenset[str], bool, bool]:
    """Check nulls and take off marks in place. Answers the marks, and whether something is unknown or of no type."""
    marks = _NO_MARKS
    unknown = dynamic = False
    parameters = function.parameters
    fixed = len(parameters)
    for index, value in enumerate(prepared):
        kind = value.__class__
        if kind is str or kind is int or kind is bool:
            continue
        parameter = parameters[index] if index < fixed else function.parameter(index)
        if not parameter.allow_marked:
            value, found = unmark_deep(value)
            if found:
                marks |= found
                prepared[index] = value
            kind = value.__class__
        elif kind is Marked:
            value = value.value
            kind = value.__class__
        if dynamic:
            continue
        if value is None or kind is Null:
            if not parameter.allow_null:
                raise FunctionError("argument must not be null", index)
            if value is None and parameter.type is DYNAMIC and not parameter.allow_dynamic:
                dynamic = True
        elif kind is Unknown:
            if value.type is DYNAMIC and not parameter.allow_dynamic:
                dynamic = True
            elif not parameter.allow_unknown:
                unknown = True
    return marks, unknown, dynamic


def _refined(result: Value) -> Value:
    """An unknown result, known not to be null. A list whose length is known is one of unknown elements."""
    if result.__class__ is Marked:
        return Marked(_refined(result.value), result.marks)
    length = result.refinement.length_max
    if isinstance(result.type, ListType) and length is not None and length == result.refinement.length_min:
        element = result.type.element
        return ListValue(element, [Unknown(element)] * length)
    if result.type is DYNAMIC or result.refinement.not_null:
        return result
    refinement = result.refinement
    if refinement == NO_REFINEMENT:
        return Unknown(result.type, _NOT_NULL)
    return Unknown(result.type, Refinement(True, refinement.prefix, refinement.length_min, refinement.length_max))
