"""The proposed new state of an object: its configuration, with what the provider computed before merged in.

The rules are those of Terraform (`objchange.ProposedNew`): required plays no part, a computed attribute that the
configuration leaves null keeps its prior value, and blocks pair by index, key, or (in sets) by what could have become
what. `ignore_changes` is applied to the configuration before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine.lang.sets import make_set
from iacengine.lang.types import is_primitive
from iacengine.lang.values import ListValue, MapValue, SetValue, Unknown, Value, is_null
from iacengine.schema import Attribute, Block, NestedObject, Nesting
from iacengine.schema.unknowns import alike
from iacengine.schema.values import null_object, unknown_object

Shape = Block | NestedObject


def proposed_new(block: Block, prior: Value, config: Value) -> Value:
    """The merge of configuration and prior state, both objects of the block (or null), unmarked.

    The prior object is wholly known; the configuration may hold unknowns.
    """
    if is_null(config) and is_null(prior):
        return None
    return _merge_block(block, null_object(block) if is_null(prior) else prior, config)


def unknown_of_config(block: Block, config: Value) -> Value:
    """The configuration with everything computed that it leaves null unknown: what a data source will read."""
    return _merge_block(block, unknown_object(block), config)


def _merge_block(block: Block, prior: Value, config: Value) -> Value:
    if is_null(config) or config.__class__ is Unknown:
        return prior
    merged = _merge_attributes(block.attributes, prior, config)
    for name, nested in block.blocks.items():
        merged[name] = _merge_blocks(nested.nesting, nested.block, prior.get(name), config[name])
    return merged


def _merge_attributes(attributes: Mapping[str, Attribute], prior: Value, config: Value) -> dict[str, Value]:
    merged: dict[str, Value] = {}
    known = {} if is_null(prior) else prior
    unknown = known.__class__ is Unknown
    for name, attribute in attributes.items():
        configured = config.get(name)
        if attribute.computed and (configured is None or is_null(configured)):
            before = Unknown(attribute.type) if unknown else known.get(name)
            merged[name] = configured if _was_configured(attribute, before) else before
        elif attribute.nested is not None:
            before = Unknown(attribute.type) if unknown else known.get(name)
            merged[name] = _merge_nested(attribute.nested, before, configured)
        else:
            merged[name] = configured
    return merged


def _merge_blocks(nesting: Nesting, block: Block, prior: Value, config: Value) -> Value:
    if config.__class__ is Unknown:
        return config
    if nesting is Nesting.GROUP or nesting is Nesting.SINGLE:
        return config if is_null(config) and nesting is Nesting.SINGLE else merge_one(block, prior, config)
    return _merge_many(nesting, block, prior, config)


def _merge_nested(nested: NestedObject, prior: Value, config: Value) -> Value:
    if config.__class__ is Unknown or is_null(config):
        return config
    if nested.nesting is Nesting.SINGLE or nested.nesting is Nesting.GROUP:
        return merge_one(nested, prior, config)
    return _merge_many(nested.nesting, nested, prior, config)


def merge_one(shape: Shape, prior: Value, config: Value) -> Value:
    """The merge of one block, or one member of an attribute of nested type."""
    if isinstance(shape, NestedObject):
        if is_null(config) or config.__class__ is Unknown:
            return config
        return _merge_attributes(shape.attributes, prior, config)
    if prior.__class__ is Unknown:
        return _merge_block(shape, unknown_object(shape), config)
    return proposed_new(shape, prior, config)


def _merge_many(nesting: Nesting, shape: Shape, prior: Value, config: Value) -> Value:
    if is_null(config) or not len(config):
        return config
    if nesting is Nesting.LIST:
        items = list(config)
        for index, item in enumerate(items):
            if prior.__class__ is Unknown:
                items[index] = merge_one(shape, Unknown(), item)
            elif not is_null(prior) and index < len(prior):
                items[index] = merge_one(shape, (prior if prior.__class__ is tuple else prior.items)[index], item)
        return tuple(items) if config.__class__ is tuple else ListValue(config.element_type, items)
    if nesting is Nesting.MAP:
        before = _entries(prior)
        entries = {
            key: merge_one(shape, before[key], item) if key in before else item
            for key, item in _entries(config).items()
        }
        return entries if config.__class__ is dict else MapValue(config.element_type, entries)
    return _merge_set(shape, prior, config)


def _entries(value: Value) -> Mapping[str, Value]:
    if value.__class__ is MapValue:
        return value.items
    return value if value.__class__ is dict else {}


def _merge_set(shape: Shape, prior: Value, config: SetValue) -> Value:
    if not any(attribute.computed for attribute in _attributes_within(shape)):
        return config
    items = [merge_one(shape, found, item) for found, item in pair_set(shape, prior, config)]
    return make_set(config.element_type, items)


def pair_set(shape: Shape, prior: Value, config: SetValue) -> list[tuple[Value, Value]]:
    """Each configured element with the first prior one, not taken yet, that it could have become, or with None."""
    fixed = [
        name for name, attribute in shape.attributes.items() if is_primitive(attribute.type) and not attribute.computed
    ]
    candidates: dict[tuple[Value, ...], list[Value]] = {}
    if prior.__class__ is SetValue:
        for item in prior.items:
            candidates.setdefault(_key(item, fixed), []).append(item)
    pairs: list[tuple[Value, Value]] = []
    for item in config.items:
        found: Value = None
        alternatives = candidates.get(_key(item, fixed), [])
        for index, candidate in enumerate(alternatives):
            if could_become(shape, candidate, item):
                found = alternatives.pop(index)
                break
        pairs.append((found, item))
    return pairs


def _key(item: Value, fixed: list[str]) -> tuple[Value, ...]:
    """The values that must be equal in a pair, so that a large set is not compared each with each."""
    if item.__class__ is not dict:
        return ()
    return tuple([None if is_null(child := item.get(name)) else child for name in fixed])


def _attributes_within(shape: Shape) -> list[Attribute]:
    found: list[Attribute] = []
    for attribute in shape.attributes.values():
        found.append(attribute)
        if attribute.nested is not None:
            found.extend(_attributes_within(attribute.nested))
    if isinstance(shape, Block):
        for nested in shape.blocks.values():
            found.extend(_attributes_within(nested.block))
    return found


def could_become(shape: Shape, prior: Value, config: Value) -> bool:
    """True when the prior element may have come from the configured one, with only computed values added."""
    if alike(prior, config):
        return True
    if prior.__class__ is not dict or config.__class__ is not dict:
        return False
    for name, attribute in shape.attributes.items():
        before, configured = prior.get(name), config.get(name)
        if alike(before, configured):
            continue
        if configured.__class__ is SetValue:
            return False
        if attribute.nested is not None:
            if not _all_could_become(attribute.nested.nesting, attribute.nested, before, configured):
                return False
        elif not attribute.computed or not is_null(configured):
            return False
    if isinstance(shape, Block):
        for name, nested in shape.blocks.items():
            before, configured = prior.get(name), config.get(name)
            if alike(before, configured):
                continue
            if configured.__class__ is SetValue:
                return False
            if not _all_could_become(nested.nesting, nested.block, before, configured):
                return False
    return True


def _all_could_become(nesting: Nesting, shape: Shape, prior: Value, config: Value) -> bool:
    """The walk goes over the prior value: what only the configuration has does not matter."""
    if is_null(prior):
        return True
    if is_null(config) or config.__class__ is Unknown:
        return False
    if nesting is Nesting.SINGLE or nesting is Nesting.GROUP:
        return could_become(shape, prior, config)
    if nesting is Nesting.MAP:
        entries = _entries(config)
        return all(key in entries and could_become(shape, item, entries[key]) for key, item in _entries(prior).items())
    configured = list(config)
    before = list(prior)
    return len(before) <= len(configured) and all(map(could_become, [shape] * len(before), before, configured))


def _was_configured(attribute: Attribute, prior: Value) -> bool:
    """True when an optional attribute of nested type must have been set before: it holds what nothing computes."""
    if attribute.nested is None or not attribute.optional or attribute.required:
        return False
    return _holds_configured(attribute.nested, prior)


def _holds_configured(nested: NestedObject, prior: Value) -> bool:
    if is_null(prior) or prior.__class__ is Unknown:
        return False
    members: list[Any]
    if nested.nesting is Nesting.SINGLE or nested.nesting is Nesting.GROUP:
        members = [prior]
    elif nested.nesting is Nesting.MAP:
        members = list(_entries(prior).values())
    else:
        members = list(prior)
    for member in members:
        if member.__class__ is not dict:
            continue
        for name, attribute in nested.attributes.items():
            child = member.get(name)
            if is_null(child):
                continue
            if not attribute.computed or (attribute.nested is not None and _holds_configured(attribute.nested, child)):
                return True
    return False
