"""`count` and `for_each`: how many instances a block has, and under which keys."""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.config.model import Origin, Repetition
from iacengine.evaluation.scope import SINGLE, AnyScope, Expansion, evaluate, with_values
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error
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
_NUMBER = "Write a number, or ${CONDITION ? 1 : 0} for one instance or none; coalesce gives a null another value."
_KEYS = "For no instance at all write {}; coalesce gives a null another value."
_LASTING = "Let a value decide that is the same in every run."


class UnknownExpansionError(DiagnosticsError):
    """The number of instances is not known before apply."""


def expand(repetition: Repetition, scope: AnyScope, origin: Origin) -> Expansion:
    """The instances of a block. Raises DiagnosticsError when their number is unknown, or the value does not fit."""
    if repetition.has_count:
        place = _Place(repetition.count, scope, origin.at("count"))
        return _count(evaluate(repetition.count, scope, place.origin), place)
    if repetition.has_for_each:
        place = _Place(repetition.for_each, scope, origin.at("for_each"))
        return _for_each(evaluate(repetition.for_each, scope, place.origin), place)
    return SINGLE


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the value stands, and what it was made of, for those who have to be told that it does not fit."""

    raw: object
    scope: AnyScope
    origin: Origin

    def mark(self, diagnostic: Diagnostic) -> Diagnostic:
        return with_values(diagnostic, self.raw, self.scope, self.origin)


def _unknown(place: _Place, summary: str, detail: str) -> UnknownExpansionError:
    return UnknownExpansionError(place.mark(error(summary, f"{detail} {_DEFERRED}", remedy=_REMEDY)))


def _refuse(place: _Place, summary: str, detail: str, remedy: str) -> DiagnosticsError:
    return DiagnosticsError(place.mark(error(summary, detail, remedy=remedy)))


def _count(value: Value, place: _Place) -> Expansion:
    summary = "Invalid count argument"
    value, marks = unmark(value)
    if EPHEMERAL in marks:
        raise _refuse(place, summary, "The value is ephemeral, so it cannot decide which objects exist.", _LASTING)
    if is_null(value):
        raise _refuse(place, summary, "The value is null; a whole number of zero or more is needed.", _NUMBER)
    try:
        number = convert(value, NUMBER)
    except ConversionError as found:
        raise _refuse(place, summary, f"A whole number of zero or more is needed: {found}.", _NUMBER) from None
    if is_unknown(value):
        raise _unknown(place, summary, 'The "count" value is not known yet.')
    if not isinstance(number, int) or isinstance(number, bool):
        detail = "The value has a fraction; a whole number of zero or more is needed."
        raise _refuse(place, summary, detail, "Round it with floor or ceil.")
    if number < 0:
        detail = f"The value is {number}; a whole number of zero or more is needed."
        raise _refuse(place, summary, detail, "For no instance at all write max(0, …).")
    if number > _MOST:
        detail = f"That would be {number} instances; no more than {_MOST} are made."
        raise _refuse(place, summary, detail, "Give a smaller number.")
    return Expansion("count", dict.fromkeys(range(number)))


def _for_each(value: Value, place: _Place) -> Expansion:
    summary = "Invalid for_each argument"
    value, marks = unmark(value)
    if SENSITIVE in marks:
        detail = "The value is sensitive, or derived from one; its keys would appear in addresses for all to see."
        raise _refuse(place, summary, detail, "Use nonsensitive() if the keys are no secret.")
    if EPHEMERAL in marks:
        raise _refuse(place, summary, "The value is ephemeral, so it cannot decide which objects exist.", _LASTING)
    if is_null(value):
        raise _refuse(place, summary, "The value is null; a map, or a set of strings, is needed.", _KEYS)
    if is_unknown(value) and (
        (type_ := type_of(value)) == DYNAMIC or isinstance(type_, MapType | ObjectType | SetType)
    ):
        raise _unknown(place, summary, 'The "for_each" value is not known yet.')
    if isinstance(value, MapValue):
        return Expansion("for_each", {key: value.items[key] for key in value.items})
    if isinstance(value, dict):
        return Expansion("for_each", {key: value[key] for key in sorted(value)})
    if isinstance(value, SetValue):
        return Expansion("for_each", _set_keys(value, place))
    detail = f"A map, or a set of strings, is needed, and this is a {friendly_name(type_of(value))}."
    remedy = "Convert it with toset(...) when the order and the twins do not matter."
    raise _refuse(place, summary, detail, remedy)


def _set_keys(value: SetValue, place: _Place) -> dict[str | int | None, Value]:
    summary = "Invalid for_each set argument"
    if value.items and value.element_type not in (STRING, DYNAMIC):
        detail = f"A set of strings is needed, and this is a set of {friendly_name(value.element_type)}."
        raise _refuse(place, summary, detail, "Convert the elements: toset([for x in … : tostring(x)]).")
    keys: dict[str | int | None, Value] = {}
    for item in value.items:
        plain, marks = unmark(item)
        if is_null(plain):
            raise _refuse(place, summary, "The set holds null, which cannot be a key.", "Leave it out, with compact.")
        if is_unknown(plain):
            raise _unknown(place, "Invalid for_each argument", "The set holds unknown values.")
        if SENSITIVE in marks:
            detail = "The set holds sensitive values, which cannot be keys."
            raise _refuse(place, summary, detail, "Use nonsensitive() if they are no secret.")
        keys[plain] = plain
    return keys
