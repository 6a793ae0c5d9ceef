"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.cli.views.cells import cells, pad

_GAP = "  "


def table_text(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows below their heading, each column as wide as its widest cell; lines end without blanks."""
    widths = [max(cells(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    lines = (_GAP.join(map(pad, row, widths)).rstrip() for row in (heading, *rows))
    return "".join(f"{line}\n" for line in lines)
