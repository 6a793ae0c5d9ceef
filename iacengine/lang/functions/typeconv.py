"""Explicit conversion: `tostring`, `tonumber`, `tobool`, `tolist`, `toset`, `tomap`."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.convert import ConversionError, can_convert, convert
from iacengine.lang.functions.arguments import go_quote
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    ListType,
    MapType,
    SetType,
    Type,
    friendly_name,
)
from iacengine.lang.values import EPHEMERAL, SENSITIVE, Unknown, Value, has_mark, type_of, unmark, unmark_deep

_VALUE = Parameter("v", DYNAMIC, allow_null=True, allow_marked=True, allow_dynamic=True)


def _to(name: str, wanted: Type) -> Function:
    def result_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
        found = type_of(arguments[0])
        if found != wanted and not can_convert(found, wanted):
            raise FunctionError(f"cannot convert {friendly_name(found)} to {friendly_name(wanted)}", 0)
        converted = convert(Unknown(found), wanted)
        return type_of(converted)

    def implementation(arguments: Sequence[Value], _context: FunctionContext) -> Value:
        try:
            return convert(arguments[0], wanted)
        except ConversionError as error:
            raise _refusal(arguments[0], wanted, error) from None

    return Function(name, (_VALUE,), None, result_type, implementation, not_null=False)


def _refusal(value: Value, wanted: Type, error: ConversionError) -> FunctionError:
    found = type_of(value)
    name, target = friendly_name(found), friendly_name(wanted)
    for secret in (EPHEMERAL, SENSITIVE):
        if has_mark(value, secret):
            return FunctionError(f"cannot convert this {secret} {name} to {target}", 0)
    plain = unmark(unmark_deep(value)[0])[0]
    if found is STRING and wanted is BOOL:
        return FunctionError(
            f'cannot convert {go_quote(plain)} to bool; only the strings "true" or "false" are allowed', 0
        )
    if found is STRING and wanted is NUMBER:
        return FunctionError(
            f"cannot convert {go_quote(plain)} to number; given string must be a decimal representation of a number", 0
        )
    reason = "" if wanted in (STRING, NUMBER, BOOL) else f"; {error}"
    return FunctionError(f"cannot convert {name} to {target}{reason}", 0)


FUNCTIONS = (
    _to("tobool", BOOL),
    _to("tolist", ListType(DYNAMIC)),
    _to("tomap", MapType(DYNAMIC)),
    _to("tonumber", NUMBER),
    _to("toset", SetType(DYNAMIC)),
    _to("tostring", STRING),
)
