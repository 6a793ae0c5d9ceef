"""JSON from strangers: small, every key once, no NaN, nothing nested deeply.

What is signed is read by several programs; two that take different ones of two equal keys would understand it
differently.
"""

from __future__ import annotations

import json
from typing import Any

_MOST_DEPTH = 32


def parse_strictly(data: bytes, most: int) -> Any:
    """The data of a JSON text of at most so many bytes. Raises ValueError, saying what is wrong."""
    if len(data) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8") from None
    depth = deepest = 0
    for character in text:  # brackets in strings count too, which no document of ours has in such numbers
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    if deepest > _MOST_DEPTH:
        raise ValueError(f"it is nested deeper than {_MOST_DEPTH} levels")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_number)
    except json.JSONDecodeError as problem:
        raise ValueError(f"it is no JSON: {problem.msg} (line {problem.lineno}, column {problem.colno})") from None


def canonical_json(document: Any) -> bytes:
    """The document with sorted keys and no blanks: the same data, the same bytes."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def fields(document: Any, what: str, required: dict[str, type], optional: dict[str, type]) -> dict[str, Any]:
    """The object with its fields' types checked. Raises ValueError for a missing, a wrong, or an unknown one."""
    if not isinstance(document, dict):
        raise ValueError(f"{what} is no object")
    for name, kind in required.items():
        if name not in document:
            raise ValueError(f'{what} has no "{name}"')
        if type(document[name]) is not kind:
            raise ValueError(f'"{name}" of {what} has the wrong type')
    for name, value in document.items():
        if name in optional:
            if type(value) is not optional[name]:
                raise ValueError(f'"{name}" of {what} has the wrong type')
        elif name not in required:
            raise ValueError(f"{what} has an unknown field {name[:40]!r}")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _number(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number is too long")
    return int(text)
