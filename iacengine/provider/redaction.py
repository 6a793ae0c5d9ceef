"""Keeping secrets out of what providers say: an error of theirs may quote any value that they were given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.text import number_text
from iacengine.lang.values import SENSITIVE, MapValue, Marked, Value, children

_SHORTEST = 4
"""Shorter texts are left alone: as words they stand everywhere, and as secrets they are none."""

_SHOWN = "(sensitive value)"


def redacted(diagnostics: Iterable[Diagnostic], *values: Value) -> tuple[Diagnostic, ...]:
    """The diagnostics of a provider without the texts and numbers that are sensitive in the values it was given."""
    found = tuple(diagnostics)
    return without(found, secrets_of(*values)) if found else found


def secrets_of(*values: Value) -> tuple[str, ...]:
    """The texts and numbers that are sensitive in values, the longest first."""
    return tuple(sorted(_secrets(values), key=len, reverse=True))


def without(diagnostics: Iterable[Diagnostic], secrets: tuple[str, ...]) -> tuple[Diagnostic, ...]:
    """The diagnostics with these secrets hidden."""
    return tuple(_without(each, secrets) if secrets else each for each in diagnostics)


def _without(diagnostic: Diagnostic, secrets: tuple[str, ...]) -> Diagnostic:
    summary, detail, remedy = diagnostic.summary, diagnostic.detail, diagnostic.remedy
    for secret in secrets:
        summary, detail = summary.replace(secret, _SHOWN), detail.replace(secret, _SHOWN)
        remedy = remedy.replace(secret, _SHOWN) if remedy else remedy
    return replace(diagnostic, summary=summary, detail=detail, remedy=remedy)


def _secrets(values: Iterable[Value]) -> set[str]:
    found: set[str] = set()
    todo = [(value, False) for value in values]
    while todo:
        value, hidden = todo.pop()
        if value.__class__ is Marked:
            todo.append((value.value, hidden or SENSITIVE in value.marks))
            continue
        text = _text(value) if hidden else ""
        if len(text) >= _SHORTEST:
            found.add(text)
        if hidden and value.__class__ is MapValue:
            found.update(key for key in value.items if len(key) >= _SHORTEST)
        todo.extend((child, hidden) for child in children(value))
    return found


def _text(value: Value) -> str:
    if value.__class__ is str:
        return str(value)
    if isinstance(value, int | float | Fraction) and value.__class__ is not bool:
        return number_text(value)
    return ""
