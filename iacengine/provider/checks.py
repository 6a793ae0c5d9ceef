"""What the engine checks of a provider's answers, so that a defective one cannot spoil a state unnoticed.

The rules are those of Terraform (`objchange.AssertPlanValid`, `AssertObjectCompatible`): a planned value is the
configured or the prior one, unless it is computed and left null; after apply every known planned value holds and
nothing is unknown. Findings are the provider's defects, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iacengine.foundation.diagnostics import Diagnostic, Severity
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.types import STRING, Type
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Null,
    SetValue,
    Unknown,
    Value,
    any_inside,
    from_python,
    is_null,
    is_wholly_known,
    type_of,
)
from iacengine.schema import Attribute, Block, Nesting, Path, implied_type
from iacengine.schema.proposed import Shape
from iacengine.schema.unknowns import alike, unrefined
from iacengine.schema.values import path_text

_Problem = tuple[Path, str]

_DEFECT = "This is a defect of the provider, not of the configuration; report it to whoever maintains the provider."


def check_planned(
    block: Block, prior: Value, config: Value, planned: Value, *, provider: str = "", legacy: bool = False
) -> tuple[Diagnostic, ...]:
    """What is wrong with a plan. `legacy`: the provider declared the old type system, so findings are warnings."""
    problems = [*_shape_problems(block, planned), *_block_planned(block, prior, config, planned, ())]
    return _diagnostics("Provider produced invalid plan", problems, provider, legacy)


def check_applied(
    block: Block, planned: Value, applied: Value, *, provider: str = "", legacy: bool = False
) -> tuple[Diagnostic, ...]:
    """What is wrong with the object after apply, against what was planned."""
    problems = _shape_problems(block, applied)
    unknown: list[_Problem] = [
        ((name,), "is still unknown after apply") for name, child in _named(applied) if not is_wholly_known(child)
    ]
    findings = _diagnostics("Provider returned unknown values after apply", unknown, provider, legacy=False)
    if not unknown:
        problems = [*problems, *_block_applied(block, planned, applied, ())]
    return findings + _diagnostics("Provider produced inconsistent result after apply", problems, provider, legacy)


def check_read(block: Block, state: Value, *, provider: str = "") -> tuple[Diagnostic, ...]:
    """What is wrong with an object that was read, imported or found."""
    problems = _shape_problems(block, state)
    problems += [((name,), "is unknown") for name, child in _named(state) if not is_wholly_known(child)]
    return _diagnostics("Provider returned an invalid object", problems, provider, legacy=False)


def _diagnostics(summary: str, problems: list[_Problem], provider: str, legacy: bool) -> tuple[Diagnostic, ...]:
    severity = Severity.WARNING if legacy else Severity.ERROR
    who = f'Provider "{provider}"' if provider else "The provider"
    return tuple(
        Diagnostic(severity, summary, f"{who}: {path_text(path) or 'the object'} {message}.", remedy=_DEFECT)
        for path, message in problems
    )


def _named(value: Value) -> list[tuple[str, Value]]:
    return list(value.items()) if value.__class__ is dict else []


# --- shape ----------------------------------------------------------------------------------------------------------


def _shape_problems(block: Block, value: Value) -> list[_Problem]:
    """Missing and surplus names, and values of wrong types."""
    if is_null(value):
        return []
    if value.__class__ is not dict:
        return [((), "is no object")]
    expected = implied_type(block).attributes
    problems: list[_Problem] = [((name,), "is missing") for name in expected if name not in value]
    problems += [((name,), "is not in the schema") for name in value if name not in expected]
    for name, attribute in block.attributes.items():
        child: Value = value.get(name)
        kind, type_ = child.__class__, attribute.type
        if (kind is str and type_ is STRING) or (kind is Unknown and child.type is type_):
            continue  # the most of them
        if not is_null(child) and not _is_of_type(child, attribute.type):
            problems.append(((name,), "is not of the type that the schema says"))
    for name, nested in block.blocks.items():
        child = value.get(name)
        if child is None and nested.nesting is Nesting.SINGLE:
            continue
        if is_null(child):
            if nested.nesting is not Nesting.SINGLE and name in value:
                problems.append(((name,), "stands for nested blocks and must be empty, not null, when there are none"))
            continue
        for step, item in _members(nested.nesting, child):
            if item.__class__ is Unknown:
                continue
            problems += [((name, *step, *path), message) for path, message in _shape_problems(nested.block, item)]
    return problems


def _is_of_type(value: Value, type_: Type) -> bool:
    """True when the value is of the type as it stands, with no conversion."""
    try:
        return alike(convert(value, type_), value) and not any_inside(value, _is_foreign)
    except (ConversionError, TypeError):
        return False


def _is_foreign(value: Value) -> bool:
    kind = value.__class__
    if kind is str or kind is int or kind is bool or kind is dict or kind is tuple or kind is Null or value is None:
        return False
    try:
        type_of(value)
    except TypeError:
        return True
    return False


def _members(nesting: Nesting, value: Value) -> Iterator[tuple[Path, Value]]:
    """The blocks (or members of a nested type) of a known value, each with its step."""
    kind = value.__class__
    if nesting is Nesting.SINGLE or nesting is Nesting.GROUP:
        yield (), value
    elif kind is ListValue or kind is tuple or kind is SetValue:
        yield from (((index,), item) for index, item in enumerate(value))
    elif kind is MapValue or kind is dict:
        yield from (((key,), item) for key, item in (value.items if kind is MapValue else value).items())


# --- plans ----------------------------------------------------------------------------------------------------------


def _block_planned(block: Block, prior: Value, config: Value, planned: Value, path: Path) -> Iterator[_Problem]:
    if is_null(planned) and not is_null(config):
        yield path, "is planned to be absent although it is configured"
    elif is_null(config) and not is_null(planned):
        yield path, "is planned although it is not configured"
    elif planned.__class__ is dict and config.__class__ is dict:
        yield from _attributes_planned(block.attributes, prior, config, planned, path)
        for name, nested in block.blocks.items():
            yield from _members_planned(
                nested.nesting, nested.block, _of(prior, name), config.get(name), planned.get(name), (*path, name)
            )


def _attributes_planned(
    attributes: Mapping[str, Attribute], prior: Value, config: Value, planned: Value, path: Path
) -> Iterator[_Problem]:
    for name, attribute in attributes.items():
        wanted, found, before = config.get(name), planned.get(name), _of(prior, name)
        if found is wanted or alike(found, wanted):
            continue
        unset = is_null(wanted)
        if not unset and not is_null(before) and alike(found, before):
            continue
        if attribute.computed and (unset or not attribute.optional):
            continue
        if unset and attribute.default is not None and alike(found, _default(attribute)):
            continue
        if attribute.write_only and is_null(found):
            continue
        here = (*path, name)
        if unset:
            yield here, "is planned although it is neither configured nor computed"
        elif attribute.nested is not None:
            yield from _members_planned(attribute.nested.nesting, attribute.nested, before, wanted, found, here)
        elif is_null(before):
            yield here, "is planned with another value than the configured one"
        else:
            yield here, "is planned with another value than the configured one and the one before"


def _default(attribute: Attribute) -> Value:
    return convert(from_python(attribute.default), attribute.type)


def _members_planned(
    nesting: Nesting, shape: Shape, prior: Value, config: Value, planned: Value, path: Path
) -> Iterator[_Problem]:
    if alike(planned, config):
        return
    if config.__class__ is Unknown:
        yield path, "is planned although the configuration does not know it yet"
    elif planned.__class__ is Unknown:
        yield path, "must not be unknown itself; only attributes inside may be"
    elif nesting is Nesting.SINGLE or nesting is Nesting.GROUP:
        yield from _one_planned(shape, prior, config, planned, path)
    elif is_null(planned) != is_null(config):
        yield path, "is null in only one of plan and configuration"
    else:
        wanted = dict(_members(nesting, config))
        found = dict(_members(nesting, planned))
        before = {} if is_null(prior) else dict(_members(nesting, prior))
        if nesting is Nesting.SET:  # nothing says which element became which
            if len(found) > len(wanted):
                yield path, f"has {len(found)} elements in the plan and {len(wanted)} in the configuration"
        elif found.keys() != wanted.keys():
            yield path, f"has {len(found)} blocks in the plan, other than the {len(wanted)} of the configuration"
        else:
            for step, item in found.items():
                yield from _one_planned(shape, before.get(step), wanted[step], item, (*path, *step))


def _one_planned(shape: Shape, prior: Value, config: Value, planned: Value, path: Path) -> Iterator[_Problem]:
    if planned.__class__ is Unknown:
        if config.__class__ is not Unknown:
            yield path, "must not be unknown itself; only attributes inside may be"
    elif isinstance(shape, Block):
        yield from _block_planned(shape, prior, config, planned, path)
    elif is_null(planned) != is_null(config):
        yield path, "is null in only one of plan and configuration"
    elif planned.__class__ is dict and config.__class__ is dict:
        yield from _attributes_planned(shape.attributes, prior, config, planned, path)


def _of(value: Value, name: str) -> Value:
    return value.get(name) if value.__class__ is dict else None


# --- results --------------------------------------------------------------------------------------------------------


def _block_applied(block: Block, planned: Value, applied: Value, path: Path) -> Iterator[_Problem]:
    if is_null(planned) and not is_null(applied):
        yield path, "was absent in the plan, but now is present"
    elif is_null(applied) and not is_null(planned):
        yield path, "was present in the plan, but now is absent"
    elif planned.__class__ is dict and applied.__class__ is dict:
        for name in block.attributes:
            yield from _value_applied(planned.get(name), applied.get(name), (*path, name))
        for name, nested in block.blocks.items():
            yield from _blocks_applied(
                nested.nesting, nested.block, planned.get(name), applied.get(name), (*path, name)
            )


def _blocks_applied(nesting: Nesting, block: Block, planned: Value, applied: Value, path: Path) -> Iterator[_Problem]:
    if planned.__class__ is Unknown or planned is applied:
        return
    if nesting is Nesting.SINGLE or nesting is Nesting.GROUP:
        yield from _block_applied(block, planned, applied, path)
        return
    wanted, found = dict(_members(nesting, planned)), dict(_members(nesting, applied))
    if any(item.__class__ is Unknown for item in wanted.values()):
        return
    if nesting is Nesting.SET:
        yield from _set_applied(planned, applied, path)
    elif wanted.keys() != found.keys():
        yield path, f"has {len(found)} blocks, and other ones than the {len(wanted)} that were planned"
    else:
        for step, item in wanted.items():
            yield from _block_applied(block, item, found[step], (*path, *step))


def _value_applied(planned: Value, applied: Value, path: Path) -> Iterator[_Problem]:
    """A known value must hold; inside collections and objects this goes for each part that was known."""
    if planned.__class__ is Unknown:
        if planned.refinement.not_null and is_null(applied):
            yield path, "is null, although the plan said that it would not be"
        return
    if planned is applied or alike(planned, applied):
        return
    kind = planned.__class__
    if kind is not applied.__class__:
        yield path, "is not what was planned"
    elif kind is SetValue:
        yield from _set_applied(planned, applied, path)
    elif kind in (dict, MapValue, tuple, ListValue):
        nesting = Nesting.MAP if kind in (dict, MapValue) else Nesting.LIST
        wanted, found = dict(_members(nesting, planned)), dict(_members(nesting, applied))
        if wanted.keys() != found.keys():
            yield path, f"has {len(found)} elements, and other ones than the {len(wanted)} that were planned"
            return
        for step, item in wanted.items():
            yield from _value_applied(item, found[step], (*path, *step))
    else:
        yield path, "is not what was planned"


def _set_applied(planned: Value, applied: Value, path: Path) -> Iterator[_Problem]:
    """Each planned element must have become one that agrees with it in all that was known."""
    if applied.__class__ is not SetValue:
        yield path, "is not what was planned"
        return
    left = list(applied.items)
    vague: list[Value] = []
    present = {repr(unrefined(item)): index for index, item in enumerate(left)}
    taken: set[int] = set()
    for item in planned.items:
        index = present.get(repr(unrefined(item))) if is_wholly_known(item) else None
        if index is None:
            vague.append(item)
        else:
            taken.add(index)
    left = [item for index, item in enumerate(left) if index not in taken]
    for item in vague:
        match = next((other for other in left if next(_value_applied(item, other, ()), None) is None), None)
        if match is None:
            yield path, "lacks an element that was planned"
            return
        left.remove(match)
    if left and is_wholly_known(planned):
        yield path, f"has {len(left)} elements that were not planned"
