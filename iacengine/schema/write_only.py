"""Which places of an object are write-only: given to the provider, never kept."""

from __future__ import annotations

from iacengine.schema import Attribute, Block, NestedObject, Nesting, Path

_ONE = (Nesting.SINGLE, Nesting.GROUP)


def is_write_only(path: Path, block: Block) -> bool:
    """True for a path that leads to, or into, a write-only attribute of the block."""
    if not path:
        return False
    name, rest = str(path[0]), path[1:]
    nested = block.blocks.get(name)
    if nested is not None:
        return is_write_only(rest if nested.nesting in _ONE else rest[1:], nested.block)
    return _attribute(rest, block.attributes.get(name))


def _attribute(rest: Path, attribute: Attribute | None) -> bool:
    if attribute is None:
        return False
    return attribute.write_only or (attribute.nested is not None and _object(rest, attribute.nested))


def _object(path: Path, nested: NestedObject) -> bool:
    inner = path if nested.nesting in _ONE else path[1:]
    return bool(inner) and _attribute(inner[1:], nested.attributes.get(str(inner[0])))
