"""What a provider says an object looks like, and the conformance of values to it.

A `Schema` is a versioned `Block`: attributes and nested blocks, as in Terraform's provider protocol (versions 5 and 6).
A value conforms when it is an object with *every* attribute and block of the schema: absent attributes are null,
absent list, set and map blocks empty, absent single blocks null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any

from iacengine.lang.types import ListType, MapType, ObjectType, SetType, Type

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Nesting(Enum):
    """How a nested block or object repeats. A `GROUP` is like `SINGLE` but never null."""

    SINGLE = "single"
    GROUP = "group"
    LIST = "list"
    SET = "set"
    MAP = "map"


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute.

    `required`, `optional` (may be set), `computed` (the provider may set it), `sensitive`, `write_only` (never kept),
    `force_new` (a change replaces the object). `computed_from`: names of sibling attributes; when one of them changes
    on update, this computed attribute becomes unknown. `default` stands in for a null (None: no default).
    `nested` gives the attributes of an object-typed attribute their own flags (protocol 6).
    """

    type: Type
    required: bool = False
    optional: bool = False
    computed: bool = False
    sensitive: bool = False
    write_only: bool = False
    force_new: bool = False
    computed_from: tuple[str, ...] = ()
    default: Any = None
    nested: NestedObject | None = None
    description: str = ""
    deprecated: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NestedObject:
    """The shape of an object-typed attribute whose members have flags of their own."""

    nesting: Nesting
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Attributes and nested blocks by name."""

    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _EMPTY)
    blocks: Mapping[str, NestedBlock] = field(default_factory=lambda: _EMPTY)
    description: str = ""
    deprecated: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NestedBlock:
    """A block type inside a block. `max_items` 0 means no limit. `force_new`: any change inside replaces the object."""

    nesting: Nesting
    block: Block
    min_items: int = 0
    max_items: int = 0
    force_new: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A block with a version; objects stored under an older version are upgraded by the provider."""

    block: Block
    version: int = 0


NO_SCHEMA = Schema(Block())


def written_as_block(block: Block, name: str) -> NestedBlock | None:
    """The block type of that name that a `dynamic` block may make.

    An attribute that holds a list or a set of objects may be written as blocks as well: Terraform calls it
    "attributes as blocks", after providers that declare such blocks as attributes (`ingress` of a security group).
    """
    attribute = block.attributes.get(name)
    return block.blocks.get(name) if attribute is None else _block_of(attribute)


@cache
def _block_of(attribute: Attribute) -> NestedBlock | None:
    type_ = attribute.type
    if not isinstance(type_, ListType | SetType) or not isinstance(type_.element, ObjectType):
        return None
    if not (attribute.optional or attribute.required):
        return None
    if attribute.nested is not None:
        members = attribute.nested.attributes
    else:
        members = {name: Attribute(member, optional=True) for name, member in type_.element.attributes.items()}
    return NestedBlock(Nesting.LIST if isinstance(type_, ListType) else Nesting.SET, Block(members))


@cache
def implied_type(block: Block) -> ObjectType:
    """The type of a value that conforms to the block."""
    types: dict[str, Type] = {name: attribute.type for name, attribute in block.attributes.items()}
    for name, nested in block.blocks.items():
        types[name] = nested_type(nested)
    return ObjectType(types)


def nested_type(nested: NestedBlock) -> Type:
    """The type of all blocks of one kind: a list, set or map of objects, or one object.

    A collection whose element type holds `dynamic` is itself dynamic (it is then a tuple or object).
    """
    element = implied_type(nested.block)
    match nested.nesting:
        case Nesting.LIST:
            return ListType(element)
        case Nesting.SET:
            return SetType(element)
        case Nesting.MAP:
            return MapType(element)
        case Nesting.SINGLE | Nesting.GROUP:
            return element


Path = tuple[str | int, ...]
"""Where something stands inside an object: attribute names, list indexes, map keys."""
