"""The body of a resource, data or provider block: raw data and a schema in, an object that conforms to it out.

The schema decides what is an attribute (its raw value is one expression) and what a nested block (its raw value is one
body or a list of bodies, or a map of bodies; `dynamic` makes more of them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine.config.model import Origin
from iacengine.config.source import explain, locate
from iacengine.evaluation.scope import AnyScope, with_values
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_json
from iacengine.lang.references import Subject
from iacengine.lang.types import friendly_name
from iacengine.lang.values import (
    ListValue,
    MapValue,
    SetValue,
    Unknown,
    Value,
    is_null,
    mark,
    type_of,
    unmark,
)
from iacengine.schema import Block, NestedBlock, Nesting, written_as_block
from iacengine.schema.values import check

_META = frozenset({"//"})


def evaluate_body(raw: Mapping[str, Any], block: Block, scope: AnyScope, origin: Origin) -> Value:
    """The object a body comes to, conforming to the block. Raises DiagnosticsError with all that does not fit."""
    value = _body(raw, block, scope, origin)
    conformed, findings = check(value, block)
    if findings:
        raise DiagnosticsError(*(found.diagnostic().at(*locate(origin, found.path)) for found in findings))
    return conformed


def _body(raw: Mapping[str, Any], block: Block, scope: AnyScope, origin: Origin) -> dict[str, Value]:
    result: dict[str, Value] = {}
    blocks = block.blocks
    findings: list[Any] = []
    for name, child in raw.items():
        if name in blocks:
            result[name] = _nested(name, child, blocks[name], scope, origin.at(name))
        elif (name == "dynamic" and name not in block.attributes) or (name in _META and name not in block.attributes):
            continue
        else:
            try:
                result[name] = parse_json(child).evaluate(scope)
            except ExpressionError as found:
                findings.append(explain(found, origin.at(name)))
    if findings:
        raise DiagnosticsError(*findings)
    if "dynamic" in raw and "dynamic" not in block.attributes:
        for group in _listed(raw["dynamic"]):
            for name, specs in group.items():
                _dynamic(result, name, specs, block, scope, origin.at("dynamic", name))
    return result


def _listed(raw: Any) -> list[Any]:
    if raw is None:
        return []
    return list(raw) if isinstance(raw, list | tuple) else [raw]


def _nested(name: str, raw: Any, nested: NestedBlock, scope: AnyScope, origin: Origin) -> Value:
    """The values of all blocks of one kind as written: a tuple (list, set), an object (map), or one object."""
    if isinstance(raw, str):
        # An expression in place of a block: an attribute in Terraform's older schemas, and handy everywhere.
        try:
            return parse_json(raw).evaluate(scope)
        except ExpressionError as found:
            raise DiagnosticsError(explain(found, origin)) from None
    if raw is None:
        return () if nested.nesting in (Nesting.LIST, Nesting.SET) else None
    if nested.nesting is Nesting.MAP:
        return _labelled(raw, nested, scope, origin)
    is_list = isinstance(raw, list | tuple)
    bodies = []
    for index, body in enumerate(_listed(raw)):
        where = origin.at(index) if is_list else origin
        if not isinstance(body, Mapping):
            raise _not_a_body(name, body, where)
        bodies.append(_body(body, nested.block, scope, where))
    if nested.nesting in (Nesting.SINGLE, Nesting.GROUP):
        if len(bodies) > 1:
            diagnostic = error(
                "Too many blocks",
                f'At most one "{name}" block is allowed, {len(bodies)} are given.',
                remedy="Remove all but one.",
            )
            raise DiagnosticsError(diagnostic.at(*locate(origin.at(1))))
        return bodies[0] if bodies else None
    return tuple(bodies)


def _labelled(raw: Any, nested: NestedBlock, scope: AnyScope, origin: Origin) -> Value:
    result = {}
    for group in _listed(raw):
        if not isinstance(group, Mapping):
            raise _not_a_body("map", group, origin)
        for label, body in group.items():
            result[label] = _body(body, nested.block, scope, origin.at(label))
    return result


def _not_a_body(name: str, raw: Any, origin: Origin) -> DiagnosticsError:
    diagnostic = error(
        "Invalid block",
        f'"{name}" is a block, so its value is a mapping of its arguments (or a list of them), not {raw!r}.',
        remedy=f"Write {name}: {{ARGUMENT: VALUE}}.",
    )
    return DiagnosticsError(diagnostic.at(*locate(origin)))


def _dynamic(result: dict[str, Value], name: str, specs: Any, block: Block, scope: AnyScope, origin: Origin) -> None:
    """Add the blocks that the `dynamic` specifications under one name make."""
    nested = written_as_block(block, name)
    if nested is None:
        known = ", ".join(sorted(block.blocks)) or "none"
        diagnostic = error(
            "Unsupported block type",
            f'There is no block type "{name}" here. Block types: {known}.',
            remedy="Choose one of these.",
        )
        raise DiagnosticsError(diagnostic.at(*locate(origin)))
    for spec in _listed(specs):
        if not isinstance(spec, Mapping) or "for_each" not in spec or "content" not in spec:
            remedy = f"Write dynamic: {{{name}: {{for_each: …, content: {{ … }}}}}}."
            diagnostic = error(
                "Invalid dynamic block", 'A dynamic block needs "for_each" and "content".', remedy=remedy
            )
            raise DiagnosticsError(diagnostic.at(*locate(origin)))
        made, marks = _generate(name, spec, nested, scope, origin)
        before = result.get(name)
        if isinstance(made, Unknown) or isinstance(before, Unknown):
            value: Value = Unknown()
        elif nested.nesting is Nesting.MAP:
            value = {**(before or {}), **dict(made)}
        elif nested.nesting in (Nesting.SINGLE, Nesting.GROUP):
            bodies = [body for _, body in made]
            if len(bodies) + (before is not None) > 1:
                detail = f'At most one "{name}" block is allowed, and "for_each" makes {len(bodies)}.'
                diagnostic = error("Too many blocks", detail, remedy="Let for_each have one element at most.")
                raise DiagnosticsError(diagnostic.at(*locate(origin)))
            value = bodies[0] if bodies else before
        elif not made and name in block.attributes:
            value = before  # no blocks are no value: what the provider then computes may stay
        else:
            value = (*(before or ()), *(body for _, body in made))
        result[name] = mark(value, marks)


def _generate(
    name: str, spec: Mapping[str, Any], nested: NestedBlock, scope: AnyScope, origin: Origin
) -> tuple[Any, frozenset[str]]:
    try:
        collection, marks = unmark(parse_json(spec["for_each"]).evaluate(scope))
    except ExpressionError as found:
        raise DiagnosticsError(explain(found, origin.at("for_each"))) from None
    iterator = str(spec.get("iterator", name))
    if isinstance(collection, Unknown):  # as for any element: what is wrong with the content is wrong already
        unknown: dict[Subject, Value] = {
            ("resource", iterator, "key"): Unknown(),
            ("resource", iterator, "value"): Unknown(),
        }
        _body(spec["content"], nested.block, scope.with_names(unknown), origin.at("content"))
        return collection, marks
    if is_null(collection):
        remedy = "For no block at all write []; coalesce gives a null another value."
        diagnostic = error("Invalid dynamic for_each value", "Cannot use a null value in for_each.", remedy=remedy)
        raise DiagnosticsError(with_values(diagnostic, spec["for_each"], scope, origin.at("for_each")))
    made = []
    if not isinstance(collection, SetValue | tuple | ListValue | MapValue | dict):
        diagnostic = error(
            "Invalid dynamic for_each value",
            f"for_each needs a list, a set, a map or an object, and this is a {friendly_name(type_of(collection))}.",
            remedy="For one block write [x], for one or none ${CONDITION ? [x] : []}.",
        )
        raise DiagnosticsError(with_values(diagnostic, spec["for_each"], scope, origin.at("for_each")))
    for key, value in _elements(collection):
        names: dict[Subject, Value] = {
            ("resource", iterator, "key"): key,
            ("resource", iterator, "value"): value,
        }
        inner = scope.with_names(names)
        label = key
        if "labels" in spec:
            labels = parse_json(spec["labels"]).evaluate(inner)
            label = labels[0] if isinstance(labels, tuple) and labels else key
        made.append((label, _body(spec["content"], nested.block, inner, origin.at("content"))))
    return made, marks


def _elements(collection: Value) -> list[tuple[Value, Value]]:
    if isinstance(collection, SetValue):
        return [(item, item) for item in collection.items]
    if isinstance(collection, tuple | ListValue):
        return list(enumerate(collection))
    if isinstance(collection, MapValue):
        return list(collection.items.items())
    return [(key, collection[key]) for key in sorted(collection)]
