"""The block `timeouts` of a resource: how long its operations may take, as durations (`create: 30m`).

It is a block of a type's schema, as in Terraform: a type without it has no timeouts. What it says is kept with the
object, so that a delete goes by it when the configuration is gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from iacengine.foundation.duration import parse_duration
from iacengine.lang.values import Value, unmark
from iacengine.schema import Block

NAME = "timeouts"


def timeout_of(value: Value, operation: str) -> float | None:
    """The seconds that an object gives an operation (create, update, delete); None when it does not say, or says what
    is no duration."""
    said = _block(value).get(operation)
    if not isinstance(said, str):
        return None
    try:
        return parse_duration(said)
    except ValueError:
        return None


def misspelled_timeouts(config: Value, block: Block) -> Iterator[tuple[str, str]]:
    """What of an object's `timeouts` is known and no duration: the operation, and what is wrong."""
    if NAME not in block.blocks:
        return
    for operation, value in _block(config).items():
        said, _ = unmark(value)
        if isinstance(said, str):
            try:
                parse_duration(said)
            except ValueError as problem:
                yield operation, str(problem)


def _block(value: Value) -> dict[str, Value]:
    found = value.get(NAME) if value.__class__ is dict else None
    found, _ = unmark(found)
    return found if found.__class__ is dict else {}
