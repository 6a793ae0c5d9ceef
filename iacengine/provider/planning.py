"""The plan of an object from its schema alone, for providers that write no planning code.

| | create | update |
| --- | --- | --- |
| set in the configuration | as configured | as configured |
| null there, with a default | the default | the default |
| computed and null there | unknown | as before, or unknown when something in `computed_from` changes |
| write-only | null | null |

A change of a `force_new` attribute, or inside a `force_new` block, asks for replacement; the engine then plans again
without a prior object. An unknown value counts as a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from iacengine.lang.convert import convert
from iacengine.lang.sets import make_set
from iacengine.lang.types import STRING
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Refinement,
    SetValue,
    Unknown,
    Value,
    from_python,
    is_null,
    is_wholly_known,
)
from iacengine.provider.protocol import PlanRequest, PlanResponse
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting, Path, Schema
from iacengine.schema.proposed import Shape, merge_one, pair_set
from iacengine.schema.unknowns import alike

_NOT_NULL = Refinement(not_null=True)


def plan_from_schema(schema: Schema, request: PlanRequest) -> PlanResponse:
    """What the schema says will become of the object. Needs no provider and does no I/O."""
    if is_null(request.config):
        return PlanResponse(None, private=request.private)
    prior = None if is_null(request.prior) else request.prior
    planned = _plan(schema.block, prior, request.config, request.proposed)
    if prior is None:
        return PlanResponse(planned, private=request.private)
    return PlanResponse(planned, replace_paths(schema.block, prior, planned), request.private)


def changed(before: Value, after: Value) -> bool:
    """True when the value changes, or may: an unknown value is one that may."""
    if before is after:
        return False
    return not is_wholly_known(after) or not alike(before, after)


def unknown_attribute(name: str, attribute: Attribute) -> Unknown:
    """What stands for an attribute that the provider will compute. An id is known never to be null."""
    if name == "id" and attribute.type is STRING:
        return Unknown(STRING, _NOT_NULL)
    return Unknown(attribute.type)


# --- planned values -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The attributes of a block or nested object that planning has something to do with."""

    unset: tuple[tuple[str, Attribute, Value], ...]  # with a default or computed: what a null becomes on create
    hidden: tuple[str, ...]  # write-only
    nested: tuple[tuple[str, NestedObject], ...]
    derived: tuple[tuple[str, Attribute], ...]  # with computed_from


@cache
def _parts(shape: Shape) -> _Parts:
    unset: list[tuple[str, Attribute, Value]] = []
    for name, attribute in shape.attributes.items():
        if attribute.write_only:
            continue
        if attribute.default is not None:
            unset.append((name, attribute, convert(from_python(attribute.default), attribute.type)))
        elif attribute.computed:
            unset.append((name, attribute, unknown_attribute(name, attribute)))
    attributes = shape.attributes.items()
    return _Parts(
        tuple(unset),
        tuple(name for name, attribute in attributes if attribute.write_only),
        tuple((name, attribute.nested) for name, attribute in attributes if attribute.nested is not None),
        tuple((name, attribute) for name, attribute in attributes if attribute.computed_from),
    )


def _plan(shape: Shape, prior: Value, config: Value, proposed: Value) -> Value:
    if proposed.__class__ is not dict or config.__class__ is not dict:
        return proposed
    parts = _parts(shape)
    planned = dict(proposed)
    for name in parts.hidden:
        planned[name] = None
    planned.update(
        (name, value)
        for name, attribute, value in parts.unset
        if (prior is None or attribute.default is not None) and is_null(config.get(name))
    )
    before = {} if prior is None else prior
    for name, nested_object in parts.nested:
        if not is_null(config.get(name)):
            planned[name] = _plan_members(
                nested_object.nesting, nested_object, before.get(name), config[name], proposed[name]
            )
    if isinstance(shape, Block):
        for name, nested in shape.blocks.items():
            planned[name] = _plan_members(
                nested.nesting, nested.block, before.get(name), config.get(name), proposed[name]
            )
    if prior is not None:
        _spread(parts.derived, prior, config, planned)
    return planned


def _spread(derived: tuple[tuple[str, Attribute], ...], prior: Value, config: Value, planned: dict[str, Value]) -> None:
    """Make computed attributes unknown whose sources change, until no more do."""
    waiting = [(name, attribute) for name, attribute in derived if is_null(config.get(name))]
    while waiting:
        moved = [
            (name, attribute)
            for name, attribute in waiting
            if any(changed(prior.get(source), planned.get(source)) for source in attribute.computed_from)
        ]
        for name, attribute in moved:
            planned[name] = unknown_attribute(name, attribute)
        names = {name for name, _ in moved}
        remaining = [entry for entry in waiting if entry[0] not in names]
        if len(remaining) == len(waiting):
            return
        waiting = remaining


def _plan_members(nesting: Nesting, shape: Shape, prior: Value, config: Value, proposed: Value) -> Value:
    """The blocks of one kind, or an attribute of nested type, each member planned by itself."""
    if proposed.__class__ is Unknown or is_null(proposed) or is_null(config) or not _computes(shape):
        return proposed
    match nesting:
        case Nesting.SINGLE | Nesting.GROUP:
            return _plan(shape, None if is_null(prior) else prior, config, proposed)
        case Nesting.LIST:
            before, wanted = _items(prior), _items(config)
            items = [
                _plan(shape, before[index] if index < len(before) else None, wanted[index], item)
                for index, item in enumerate(_items(proposed))
            ]
            return tuple(items) if proposed.__class__ is tuple else ListValue(proposed.element_type, items)
        case Nesting.MAP:
            earlier, configured = _entries(prior), _entries(config)
            entries = {
                key: _plan(shape, earlier.get(key), configured[key], item) for key, item in _entries(proposed).items()
            }
            return entries if proposed.__class__ is dict else MapValue(proposed.element_type, entries)
        case Nesting.SET:
            return _plan_set(shape, prior, config)


def _plan_set(shape: Shape, prior: Value, config: SetValue) -> Value:
    """Elements that were there before keep what was computed; in new ones it is unknown."""
    items = [
        _plan(shape, earlier, configured, merge_one(shape, earlier, configured))
        for earlier, configured in pair_set(shape, prior, config)
    ]
    return make_set(config.element_type, items)


def _items(value: Value) -> tuple[Value, ...]:
    if value.__class__ is tuple:
        return value
    return value.items if value.__class__ is ListValue or value.__class__ is SetValue else ()


def _entries(value: Value) -> Mapping[str, Value]:
    if value.__class__ is MapValue:
        return value.items
    return value if value.__class__ is dict else {}


@cache
def _computes(shape: Shape) -> bool:
    """True when planning may change anything inside."""
    parts = _parts(shape)
    if parts.unset or parts.hidden or any(_computes(nested) for _, nested in parts.nested):
        return True
    return isinstance(shape, Block) and any(_computes(nested.block) for nested in shape.blocks.values())


# --- what forces replacement ----------------------------------------------------------------------------------------


def replace_paths(block: Block, prior: Value, planned: Value) -> tuple[Path, ...]:
    """The places whose change asks for another object."""
    if not _forces(block) or is_null(prior) or is_null(planned):
        return ()
    return tuple(_forced(block, prior, planned, ()))


@cache
def _forces(shape: Shape) -> bool:
    for attribute in shape.attributes.values():
        if attribute.force_new or (attribute.nested is not None and _forces(attribute.nested)):
            return True
    if not isinstance(shape, Block):
        return False
    return any(nested.force_new or _forces(nested.block) for nested in shape.blocks.values())


def _forced(shape: Shape, prior: Value, planned: Value, path: Path) -> Iterator[Path]:
    for name, attribute in shape.attributes.items():
        if attribute.force_new:
            if changed(prior.get(name), planned.get(name)):
                yield (*path, name)
        elif attribute.nested is not None and _forces(attribute.nested):
            here = (*path, name)
            yield from _forced_members(
                attribute.nested.nesting, attribute.nested, prior.get(name), planned.get(name), here
            )
    if isinstance(shape, Block):
        for name, nested in shape.blocks.items():
            yield from _forced_blocks(nested, prior.get(name), planned.get(name), (*path, name))


def _forced_blocks(nested: NestedBlock, prior: Value, planned: Value, path: Path) -> Iterator[Path]:
    if nested.force_new:
        if changed(prior, planned):
            yield path
    elif _forces(nested.block):
        yield from _forced_members(nested.nesting, nested.block, prior, planned, path)


def _forced_members(nesting: Nesting, shape: Shape, prior: Value, planned: Value, path: Path) -> Iterator[Path]:
    if prior is planned:
        return
    if planned.__class__ is Unknown:
        yield path
        return
    if nesting is Nesting.SINGLE or nesting is Nesting.GROUP:
        pairs: list[tuple[Path, Value, Value]] = [(path, prior, planned)]
    elif nesting is Nesting.MAP:
        before, after = _entries(prior), _entries(planned)
        pairs = [((*path, key), before.get(key), after.get(key)) for key in sorted({*before, *after})]
    elif nesting is Nesting.LIST:
        old, new = _items(prior), _items(planned)
        pairs = [
            ((*path, index), old[index] if index < len(old) else None, new[index] if index < len(new) else None)
            for index in range(max(len(old), len(new)))
        ]
    else:
        if changed(_fixed_parts(shape, prior), _fixed_parts(shape, planned)):
            yield path
        return
    for place, earlier, later in pairs:
        if is_null(earlier) and is_null(later):
            continue
        if is_null(earlier) or is_null(later) or later.__class__ is Unknown:
            if later.__class__ is Unknown or _holds_forcing(shape, later if is_null(earlier) else earlier):
                yield place if not is_null(later) else path
        else:
            yield from _forced(shape, earlier, later, place)


def _holds_forcing(shape: Shape, value: Value) -> bool:
    """True when a member that comes or goes holds something that cannot be changed in place."""
    nothing: dict[str, Value] = {}
    return next(_forced(shape, nothing, value, ()), None) is not None


def _fixed_parts(shape: Shape, value: Value) -> Value:
    """The elements of a set, reduced to the attributes that force replacement, in a fixed order."""
    names = [name for name, attribute in shape.attributes.items() if attribute.force_new]
    reduced = [{name: item.get(name) for name in names} for item in _items(value) if item.__class__ is dict]
    return tuple(sorted(reduced, key=repr))
