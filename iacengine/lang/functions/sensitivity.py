"""Marks: `sensitive`, `nonsensitive`, `issensitive`, `ephemeralasnull`."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.convert import null
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, Parameter
from iacengine.lang.types import BOOL, DYNAMIC, Type
from iacengine.lang.values import (
    EPHEMERAL,
    SENSITIVE,
    Unknown,
    Value,
    is_null,
    map_children,
    mark,
    sensitive,
    type_of,
    unmark,
)

_VALUE = Parameter("value", DYNAMIC, allow_unknown=True, allow_null=True, allow_marked=True, allow_dynamic=True)


def _same_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    return type_of(arguments[0])


def _sensitive(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return sensitive(arguments[0])


def _nonsensitive(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value, marks = unmark(arguments[0])
    return mark(value, marks - {SENSITIVE})


def _issensitive(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value, marks = unmark(arguments[0])
    if SENSITIVE in marks:
        return True
    # an unknown may yet turn out to be sensitive
    return Unknown(BOOL) if value.__class__ is Unknown else False


def _ephemeralasnull(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return _without_ephemeral(arguments[0])


def _without_ephemeral(given: Value) -> Value:
    value, marks = unmark(given)
    kept = marks - {EPHEMERAL}
    if EPHEMERAL in marks:
        if value.__class__ is Unknown:
            return mark(Unknown(value.type), kept)
        return mark(value if is_null(value) else null(type_of(value)), kept)
    return mark(map_children(value, _without_ephemeral), kept)


FUNCTIONS = (
    Function("ephemeralasnull", (_VALUE,), None, _same_type, _ephemeralasnull, not_null=False),
    Function("issensitive", (_VALUE,), None, BOOL, _issensitive),
    Function("nonsensitive", (_VALUE,), None, _same_type, _nonsensitive, not_null=False),
    Function("sensitive", (_VALUE,), None, _same_type, _sensitive, not_null=False),
)
