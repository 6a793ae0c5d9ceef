"""`validation`, `precondition`, `postcondition` and `assert` blocks."""

from __future__ import annotations

from iacengine.config.block_reader import MISSING, BlockReader
from iacengine.config.model import Condition


def conditions(reader: BlockReader, kind: str) -> tuple[Condition, ...]:
    """All blocks of a kind inside the block, taken from it."""
    found: list[Condition] = []
    for body, path in reader.blocks(kind):
        inner = reader.inner(body, path, f"{kind} block")
        condition = inner.required("condition")
        message = inner.required("error_message", remedy="Say what was expected: it is what a user reads on failure.")
        inner.finish(("condition", "error_message"))
        if condition is not MISSING and message is not MISSING:
            found.append(Condition(condition, message, inner.origin))
    return tuple(found)
