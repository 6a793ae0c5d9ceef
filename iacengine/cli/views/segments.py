"""Styled text: what the renderers write, and the two ways to print it.

A renderer appends to `Segments` and knows no colours; `plain` and `ansi` make text of them. Segments are pairs in one
flat list, because a plan of 10,000 changes has half a million of them.
"""

from __future__ import annotations

from typing import Final

Segments = list[tuple[str, str]]
"""Pairs of text and style; "" is no style."""

CREATE: Final = "create"
UPDATE: Final = "update"
DELETE: Final = "delete"
REPLACE: Final = "replace"
READ: Final = "read"
DIM: Final = "dim"
BOLD: Final = "bold"
NOTE: Final = "note"

_CODES: Final = {
    CREATE: "32",
    UPDATE: "33",
    DELETE: "31",
    REPLACE: "35",
    READ: "36",
    DIM: "2",
    BOLD: "1",
    NOTE: "31",
}


def plain(segments: Segments) -> str:
    """The text alone."""
    return "".join([text for text, _ in segments])


def ansi(segments: Segments) -> str:
    """The text with ANSI escape sequences; a line's end stands after the reset."""
    parts = []
    for text, style in segments:
        if not style:
            parts.append(text)
        elif text.endswith("\n"):
            line = text.rstrip("\n")
            parts.append(f"\x1b[{_CODES[style]}m{line}\x1b[0m{text[len(line) :]}")
        else:
            parts.append(f"\x1b[{_CODES[style]}m{text}\x1b[0m")
    return "".join(parts)


def styled(segments: Segments, *, color: bool) -> str:
    return ansi(segments) if color else plain(segments)
