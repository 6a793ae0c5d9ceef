"""Who is told how far the download of a module is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Told of a package by its name: bytes so far, and in all (None: not known)."""


def nobody(name: str, done: int, whole: int | None) -> None:
    """Progress that nobody looks at."""
