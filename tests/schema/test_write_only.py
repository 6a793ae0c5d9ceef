"""Which places of an object are write-only."""

from __future__ import annotations

import pytest

from iacengine.lang.types import STRING, ListType, ObjectType
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting
from iacengine.schema.write_only import is_write_only

SECRET = Attribute(STRING, optional=True, write_only=True)
PLAIN = Attribute(STRING, optional=True)
INNER = NestedObject(Nesting.LIST, {"secret": SECRET, "plain": PLAIN})
BLOCK = Block(
    {
        "secret": SECRET,
        "plain": PLAIN,
        "whole": Attribute(ObjectType({"a": STRING}), optional=True, write_only=True),
        "users": Attribute(ListType(ObjectType({"secret": STRING, "plain": STRING})), optional=True, nested=INNER),
    },
    {
        "one": NestedBlock(Nesting.SINGLE, Block({"secret": SECRET, "plain": PLAIN})),
        "many": NestedBlock(Nesting.LIST, Block({"secret": SECRET, "plain": PLAIN})),
    },
)


@pytest.mark.parametrize(
    "path",
    [("secret",), ("whole",), ("whole", "a"), ("users", 0, "secret"), ("one", "secret"), ("many", 3, "secret")],
)
def test_a_path_to_or_into_a_write_only_attribute_is_write_only(path):
    assert is_write_only(path, BLOCK)


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("plain",),
        ("other",),
        ("users",),
        ("users", 0),
        ("users", 0, "plain"),
        ("one",),
        ("one", "plain"),
        ("many", 3),
    ],
)
def test_everything_else_would_be_stored(path):
    assert not is_write_only(path, BLOCK)
