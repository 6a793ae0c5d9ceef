"""`count` and `for_each`: how many instances a block has, and under which keys."""

from __future__ import annotations

from iacengine.config.model import Origin, Repetition
from iacengine.config.source import locate
from iacengine.evaluation.scope import SINGLE, AnyScope, Expansion, evaluate
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.types import DYNAMIC, NUMBER, STRING, MapType, ObjectType, SetType, friendly_name
from iacengine.lang.values import (
    EPHEMERAL,
    SENSITIVE,
    MapValue,
    SetValue,
    Value,
    is_null,
    is_unknown,
    type_of,
    unmark,
)

_MOST = 1_000_000
"""More instances than this are a mistake, which must not use up the memory."""

_DEFERRED = (
    "It depends on resource attributes that are known only after apply, so the number of instances cannot be told. "
)
_REMEDY = (
    "Plan it in waves with --allow-deferral: what can be known now first, the rest after that. Or "
    "use keys that are known from the configuration, and put the values that are known later into the map's values; "
    "or apply first, with --target, what it depends on."
)


class UnknownExpansionError(DiagnosticsError):
    """The number of instances is not known before apply."""


def expand(repetition: Repetition, scope: AnyScope, origin: Origin) -> Expansion:
    """The instances of a block. Raises DiagnosticsError when their number is unknown, or the value does not fit."""
    if repetition.has_count:
        return _count(evaluate(repetition.count, scope, origin.at("count")), origin.at("count"))
    if repetition.has_for_each:
        return _for_each(evaluate(repetition.for_each, scope, origin.at("for_each")), origin.at("for_each"))
    return SINGLE


def _unknown(origin: Origin, summary: str, detail: str) -> UnknownExpansionError:
    return UnknownExpansionError(error(summary, f"{detail} {_DEFERRED}", remedy=_REMEDY).at(*locate(origin)))


def _refuse(origin: Origin, summary: str, detail: str, remedy: str | None = None) -> DiagnosticsError:
    return DiagnosticsError(error(summary, detail, remedy=remedy).at(*locate(origin)))


def _count(value: Value, origin: Origin) -> Expansion:
    summary = "Invalid count argument"
    value, marks = unmark(value)
    if EPHEMERAL in marks:
        raise _refuse(origin, summary, "The value is ephemeral, so it cannot decide which objects exist.")
    if is_null(value):
        raise _refuse(origin, summary, "The value is null; a whole number of zero or more is needed.")
    try:
        number = convert(value, NUMBER)
    except ConversionError as found:
        raise _refuse(origin, summary, f"A whole number of zero or more is needed: {found}.") from None
    if is_unknown(value):
        raise _unknown(origin, summary, 'The "count" value is not known yet.')
    if not isinstance(number, int) or isinstance(number, bool):
        raise _refuse(origin, summary, "The value has a fraction; a whole number of zero or more is needed.")
    if number < 0:
        raise _refuse(origin, summary, f"The value is {number}; a whole number of zero or more is needed.")
    if number > _MOST:
        raise _refuse(origin, summary, f"That would be {number} instances; no more than {_MOST} are made.")
    return Expansion("count", dict.fromkeys(range(number)))


def _for_each(value: Value, origin: Origin) -> Expansion:
    summary = "Invalid for_each argument"
    value, marks = unmark(value)
    if SENSITIVE in marks:
        detail = "The value is sensitive, or derived from one; its keys would appear in addresses for all to see."
        raise _refuse(origin, summary, detail, "Use nonsensitive() if the keys are no secret.")
    if EPHEMERAL in marks:
        raise _refuse(origin, summary, "The value is ephemeral, so it cannot decide which objects exist.")
    if is_null(value):
        raise _refuse(origin, summary, "The value is null; a map, or a set of strings, is needed.")
    if is_unknown(value) and (
        (type_ := type_of(value)) == DYNAMIC or isinstance(type_, MapType | ObjectType | SetType)
    ):
        raise _unknown(origin, summary, 'The "for_each" value is not known yet.')
    if isinstance(value, MapValue):
        return Expansion("for_each", {key: value.items[key] for key in value.items})
    if isinstance(value, dict):
        return Expansion("for_each", {key: value[key] for key in sorted(value)})
    if isinstance(value, SetValue):
        return Expansion("for_each", _set_keys(value, origin))
    detail = f"A map, or a set of strings, is needed, and this is a {friendly_name(type_of(value))}."
    remedy = "Convert it with toset(...) when the order and the twins do not matter."
    raise _refuse(origin, summary, detail, remedy)


def _set_keys(value: SetValue, origin: Origin) -> dict[str | int | None, Value]:
    summary = "Invalid for_each set argument"
    if value.items and value.element_type not in (STRING, DYNAMIC):
        detail = f"A set of strings is needed, and this is a set of {friendly_name(value.element_type)}."
        raise _refuse(origin, summary, detail, "Convert the elements to strings.")
    keys: dict[str | int | None, Value] = {}
    for item in value.items:
        plain, marks = unmark(item)
        if is_null(plain):
            raise _refuse(origin, summary, "The set holds null, which cannot be a key.")
        if is_unknown(plain):
            raise _unknown(origin, "Invalid for_each argument", "The set holds unknown values.")
        if SENSITIVE in marks:
            raise _refuse(origin, summary, "The set holds sensitive values, which cannot be keys.")
        keys[plain] = plain
    return keys
