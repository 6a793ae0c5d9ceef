"""What encoding and decoding share: applying a coder to the parts of a value, with the place of an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iacengine.lang.types import has_dynamic
from iacengine.schema import Block, implied_type
from iacengine.schema.errors import SchemaError

Coder = Callable[[Any], Any]


def collection_is_dynamic(block: Block) -> bool:
    """True when many blocks of this kind form a tuple (or object) and not a list (or map): their types may differ."""
    return has_dynamic(implied_type(block))


def at(step: str | int, coder: Coder, value: Any) -> Any:
    """`coder(value)`, whose error gets the step it happened at."""
    try:
        return coder(value)
    except SchemaError as failure:
        raise failure.under(step) from None


def each(coder: Coder, items: Iterable[Any]) -> list[Any]:
    """The coder applied to every item."""
    try:
        return [coder(item) for item in items]
    except SchemaError:
        return [at(index, coder, item) for index, item in enumerate(items)]  # again, slowly, to say where


def each_entry(coder: Coder, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The coder applied to every value of a mapping."""
    try:
        return {key: coder(child) for key, child in entries.items()}
    except SchemaError:
        return {key: at(key, coder, child) for key, child in entries.items()}


def each_attribute(coders: Mapping[str, Coder], values: Mapping[str, Any]) -> dict[str, Any]:
    """Each coder applied to the value of its name, or to None where there is none."""
    get = values.get
    try:
        return {name: coder(get(name)) for name, coder in coders.items()}
    except SchemaError:
        return {name: at(name, coder, get(name)) for name, coder in coders.items()}
