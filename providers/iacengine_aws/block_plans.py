"""The plan of nested blocks: elements that only look changed stay as they were.

In a block, too, an attribute that is not configured may be stored as null or as empty.
"""

from __future__ import annotations

from collections.abc import Mapping

from iacengine.lang.sets import make_set
from iacengine.lang.values import (
    ListValue,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    same,
    to_python,
)
from iacengine.schema import Nesting
from iacengine_aws.observation import is_implied
from iacengine_aws.spec import Field, Nested

Body = Mapping[str, Value]


def plan_blocks(nested: Nested, prior: Value, config: Value, planned: Value) -> Value:
    """The planned blocks of one kind, given what the schema alone says of them."""
    if config.__class__ not in (ListValue, SetValue) or planned.__class__ is not config.__class__:
        return planned
    before = [] if is_null(prior) or prior.__class__ is Unknown else list(prior)
    if nested.nesting is Nesting.SET:
        items = [_set_element(nested, before, wanted) for wanted in config]
        return make_set(planned.element_type, items)
    items = [
        _list_element(nested, before[index] if index < len(before) else None, wanted, item)
        for index, (wanted, item) in enumerate(zip(config, planned, strict=True))
    ]
    return ListValue(planned.element_type, items)


def _list_element(nested: Nested, prior: Value, config: Value, planned: Value) -> Value:
    if config.__class__ is not dict or planned.__class__ is not dict:
        return planned
    element = dict(planned)
    for name, described in nested.fields.items():
        if described.only_configured and is_null(config[name]):
            element[name] = prior[name] if prior is not None and implied(described, prior[name]) else None
    return element


def _set_element(nested: Nested, before: list[Value], config: Value) -> Value:
    """The prior element that means the same, or a new one."""
    if config.__class__ is not dict:
        return config
    for candidate in before:
        if is_wholly_known(config) and _means_the_same(nested, candidate, config):
            return candidate
    return {
        **config,
        **{name: _value_of_new(described) for name, described in nested.fields.items() if is_null(config[name])},
    }


def _value_of_new(described: Field) -> Value:
    return Unknown(described.type) if described.computed else described.default


def _means_the_same(nested: Nested, prior: Body, config: Body) -> bool:
    return all(
        same(prior[name], config[name])
        or (is_null(config[name]) and (described.computed or implied(described, prior[name])))
        for name, described in nested.fields.items()
    )


def implied(described: Field, value: Value) -> bool:
    """True for a value that is as good as none."""
    try:
        return is_implied(described, to_python(value))
    except ValueError:
        return False
