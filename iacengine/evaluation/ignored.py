"""`ignore_changes`: what the configuration says is overruled by what is there."""

from __future__ import annotations

from collections.abc import Mapping

from iacengine.config.model import BracketKey
from iacengine.lang.values import ListValue, MapValue, Value, mark, unmark


def ignore_changes(config: Value, prior: Value, paths: tuple[tuple[str | int, ...], ...] | None) -> Value:
    """The configuration with the prior value wherever a path is ignored (`None`: everywhere), before it is planned."""
    if prior is None:
        return config
    if paths is None:
        return prior
    for path in paths:
        config = _ignored(config, prior, path)
    return config


def _ignored(config: Value, prior: Value, path: tuple[str | int, ...]) -> Value:
    if not path:
        return prior
    plain, marks = unmark(config)
    before, _ = unmark(prior)
    step, rest = path[0], path[1:]
    if isinstance(step, BracketKey) and isinstance(plain, dict):
        return prior  # a key in brackets does not name an attribute: the whole object is ignored, as in Terraform
    if isinstance(plain, dict) and isinstance(before, dict):
        return mark(_ignored_key(plain, before, step, rest), marks)
    if isinstance(plain, MapValue) and isinstance(before, MapValue):
        entries = _ignored_key(plain.items, before.items, step, rest)
        return mark(MapValue(plain.element_type, entries), marks)
    if isinstance(plain, tuple | ListValue) and isinstance(before, tuple | ListValue) and isinstance(step, int):
        items, old = list(plain), list(before)
        if step < len(items) and step < len(old):
            items[step] = _ignored(items[step], old[step], rest)
        changed = tuple(items) if isinstance(plain, tuple) else ListValue(plain.element_type, items)
        return mark(changed, marks)
    return config


def _ignored_key(
    entries: Mapping[str, Value], before: Mapping[str, Value], step: str | int, rest: tuple[str | int, ...]
) -> dict[str, Value]:
    result = dict(entries)
    if step in before and (step in result or not rest):
        result[str(step)] = _ignored(result.get(str(step)), before[str(step)], rest) if rest else before[str(step)]
    elif step in result and not rest and step not in before:
        del result[str(step)]
    return result
