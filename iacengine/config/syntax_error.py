"""A mistake in the syntax of a file, at a character offset of its text."""

from __future__ import annotations

MAX_DEPTH = 200
"""Levels of objects and lists in a file."""


class SourceSyntaxError(Exception):
    """`start` and `end` are character offsets. `first`: where the same key stood before, when one is there twice."""

    def __init__(
        self,
        summary: str,
        detail: str,
        start: int,
        *,
        end: int | None = None,
        remedy: str | None = None,
        duplicate: bool = False,
        first: int | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.start = start
        self.end = start + 1 if end is None else end
        self.remedy = remedy
        self.duplicate = duplicate
        self.first = first
