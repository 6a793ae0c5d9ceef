"""The configuration that an object could have come from: what a provider computes by itself is left out."""

from __future__ import annotations

from collections.abc import Mapping

from iacengine.lang.sets import make_set
from iacengine.lang.values import SetValue, Value, is_null, map_children
from iacengine.schema import Attribute, Block, Nesting
from iacengine.schema.proposed import Shape

_ONE = (Nesting.SINGLE, Nesting.GROUP)


def configuration_of(block: Block, value: Value) -> Value:
    """A wholly known object of the block with null where nothing but the provider can set something.

    What may be set and may be computed as well stays as it is, so that an object made from it is the same again.
    """
    return None if is_null(value) else _members(block, value)


def _members(shape: Shape, value: Mapping[str, Value]) -> dict[str, Value]:
    configured = {name: _attribute(attribute, value.get(name)) for name, attribute in shape.attributes.items()}
    if isinstance(shape, Block):
        for name, nested in shape.blocks.items():
            configured[name] = _nested(nested.nesting, nested.block, value.get(name))
    return configured


def _attribute(attribute: Attribute, value: Value) -> Value:
    if attribute.write_only or (attribute.computed and not attribute.optional and not attribute.required):
        return None
    return value if attribute.nested is None else _nested(attribute.nested.nesting, attribute.nested, value)


def _nested(nesting: Nesting, shape: Shape, value: Value) -> Value:
    if is_null(value):
        return value

    def one(item: Value) -> Value:
        return item if is_null(item) else _members(shape, item)

    if nesting in _ONE:
        return one(value)
    if isinstance(value, SetValue):
        return make_set(value.element_type, [one(item) for item in value.items])
    return map_children(value, one)
