"""How one sequence became another: the longest common run kept, the rest removed and added."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator, Sequence

_LIMIT = 1_000_000  # cells of the comparison table beyond which elements are paired by index

Part = tuple[str, int, int, int, int]
"""A tag (equal, replace, delete, insert) and the bounds of the part in both sequences."""


def diff_parts(before: Sequence[Hashable], after: Sequence[Hashable]) -> Iterator[Part]:
    """The parts of the difference, in order. Linear in what is equal at both ends."""
    start, end_before, end_after = 0, len(before), len(after)
    while start < end_before and start < end_after and before[start] == after[start]:
        start += 1
    while end_before > start and end_after > start and before[end_before - 1] == after[end_after - 1]:
        end_before -= 1
        end_after -= 1
    if start:
        yield "equal", 0, start, 0, start
    if start < end_before or start < end_after:
        if start == end_before:
            yield "insert", start, start, start, end_after
        elif start == end_after:
            yield "delete", start, end_before, start, start
        elif (end_before - start) * (end_after - start) > _LIMIT:
            yield "replace", start, end_before, start, end_after
        else:
            matcher = difflib.SequenceMatcher(None, before[start:end_before], after[start:end_after], autojunk=False)
            for tag, a, b, c, d in matcher.get_opcodes():
                yield tag, a + start, b + start, c + start, d + start
    if end_before < len(before):
        yield "equal", end_before, len(before), end_after, len(after)
