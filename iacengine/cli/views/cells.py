"""How wide text is on a terminal."""

from __future__ import annotations

import unicodedata


def cells(text: str) -> int:
    """The number of terminal cells the text takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn")
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def pad(text: str, width: int) -> str:
    """The text filled up with spaces to a number of cells."""
    return text.ljust(width) if text.isascii() else text + " " * (width - cells(text))
