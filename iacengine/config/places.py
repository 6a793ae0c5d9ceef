"""Where a value stands in a text, found by the path of keys that leads to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Span = tuple[int, int]
"""Character offsets: from, up to but without."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A value in a text.

    `key` is the span of the key (or, for an element of a list, of its first line) that leads to it, None at the top.
    `value` is the span of the value. `steps`: how many steps of the path were followed. `offsets`, for texts: the
    offset in the file of each character of the text's value, and of its end.
    """

    key: Span | None
    value: Span
    steps: int
    is_text: bool = False
    offsets: Callable[[], list[int] | None] | None = None


class TextPlaces:
    """A text that is one expression: every path leads to the whole of it."""

    def __init__(self, text: str) -> None:
        self._length = len(text)

    def find(self, path: tuple[str | int, ...]) -> Place:
        """The whole text."""
        length = self._length
        return Place(None, (0, length), len(path), True, lambda: list(range(length + 1)))
