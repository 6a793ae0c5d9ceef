"""What is sensitive in values, as text: for messages that may quote values."""

from __future__ import annotations

from fractions import Fraction

from iacengine.lang.text import number_text
from iacengine.lang.values import EPHEMERAL, SENSITIVE, MapValue, Marked, Value, children

SHOWN = "(sensitive value)"

_HIDDEN = frozenset((SENSITIVE, EPHEMERAL))

_SHORTEST = 4
"""Shorter texts are left alone: as words they stand everywhere, and as secrets they are none."""


def secrets_of(*values: Value) -> tuple[str, ...]:
    """The texts and numbers that are sensitive or ephemeral in values, the longest first."""
    return tuple(sorted(_secrets(values), key=len, reverse=True))


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """The text with these secrets hidden."""
    for secret in secrets:
        text = text.replace(secret, SHOWN)
    return text


def _secrets(values: tuple[Value, ...]) -> set[str]:
    found: set[str] = set()
    todo = [(value, False) for value in values]
    while todo:
        value, hidden = todo.pop()
        if value.__class__ is Marked:
            todo.append((value.value, hidden or not _HIDDEN.isdisjoint(value.marks)))
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
