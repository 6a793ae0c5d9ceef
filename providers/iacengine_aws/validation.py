"""What is wrong with a resource's configuration beyond its schema: what is not supported, and what AWS would refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping

from iacengine.foundation.diagnostics import Diagnostic, error, near_match
from iacengine.foundation.duration import parse_duration
from iacengine.lang.values import Value, is_null, is_unknown, unmark
from iacengine.schema import Path
from iacengine.schema.values import path_text
from iacengine_aws.spec import ID, TAGS_ALL, Field, Nested, ResourceSpec


def validate_config(spec: ResourceSpec, config: Value) -> tuple[Diagnostic, ...]:
    """The findings. Values may be unknown, and are then not looked at."""
    fields = {"id": ID, **spec.fields}
    if spec.tags is not None:
        fields["tags_all"] = TAGS_ALL
    findings = _body(spec.type, fields, spec.blocks, config, ())
    for pair in spec.conflicts:
        if all(not is_null(config.get(name)) and not is_unknown(config.get(name)) for name in pair):
            findings.append(
                error(
                    "Conflicting attributes",
                    f"{spec.type} takes {pair[0]} or {pair[1]}, and both are set.",
                    remedy=f"Remove {pair[0]} or {pair[1]}.",
                )
            )
    if spec.name is not None:
        findings += _name_length(spec, config)
    if spec.hooks.validate is not None:
        findings += spec.hooks.validate(config)
    return tuple(findings)


def _body(
    type_: str, fields: Mapping[str, Field], blocks: Mapping[str, Nested], config: Mapping[str, Value], path: Path
) -> list[Diagnostic]:
    findings: list[Diagnostic] = []
    for name, described in fields.items():
        value, _ = unmark(config.get(name))
        if not is_null(value):
            findings += _field(type_, described, value, (*path, name))
    for name, nested in blocks.items():
        value, _ = unmark(config.get(name))
        if is_null(value) or is_unknown(value):
            continue
        items = [value] if value.__class__ is dict else list(value)
        if items and not nested.supported:
            findings.append(_not_supported(type_, (*path, name)))
            continue
        for index, item in enumerate(items):
            place: Path = (*path, name) if value.__class__ is dict else (*path, name, index)
            if not is_null(item) and not is_unknown(item):
                findings += _body(type_, nested.fields, nested.blocks, unmark(item)[0], place)
                if name == "timeouts":
                    findings += _durations(item, place)
    return findings


def _field(type_: str, described: Field, value: Value, path: Path) -> list[Diagnostic]:
    if not described.supported:
        return [_not_supported(type_, path)]
    if is_unknown(value):
        return []
    if described.choices and value not in described.choices:
        known = [str(choice) for choice in described.choices]
        near = near_match(str(value), known) or next(
            (name for name in known if name.lower() == str(value).lower()), None
        )
        return [
            error(
                "Invalid value",
                f"{path_text(path)} of {type_} must be one of {', '.join(known)}.",
                remedy=f'Did you mean "{near}"?' if near else None,
            )
        ]
    if described.bounds is not None and not described.bounds[0] <= value <= described.bounds[1]:
        low, high = described.bounds
        return [error("Invalid value", f"{path_text(path)} of {type_} must be between {low} and {high}.")]
    if described.json is not None and isinstance(value, str) and value:
        try:
            json.loads(value)
        except ValueError as problem:
            where = getattr(problem, "pos", 0)
            return [
                error(
                    "Invalid JSON",
                    f"{path_text(path)} of {type_} must be a JSON document; it is not from character {where + 1} on.",
                    remedy="Write it with jsonencode, or with the data source aws_iam_policy_document.",
                )
            ]
    return []


def _not_supported(type_: str, path: Path) -> Diagnostic:
    return error(
        "Not supported yet",
        f"The AWS provider does not support {path_text(path)} of {type_} yet.",
        remedy=f"Remove {path_text(path)} from the configuration.",
    )


def _name_length(spec: ResourceSpec, config: Mapping[str, Value]) -> list[Diagnostic]:
    name = spec.name
    if name is None:
        return []
    for attribute, limit in ((name.attribute, name.limit), (name.prefix, name.limit - 26)):
        value = unmark(config.get(attribute))[0]
        if isinstance(value, str) and len(value) > limit:
            return [
                error(
                    "Invalid value",
                    f"{attribute} of {spec.type} has {len(value)} characters; {limit} are allowed.",
                    remedy="Shorten it.",
                )
            ]
    return []


def _durations(block: Mapping[str, Value], path: Path) -> list[Diagnostic]:
    findings = []
    for name, value in block.items():
        if isinstance(value, str):
            try:
                parse_duration(value)
            except ValueError as problem:
                findings.append(error("Invalid duration", f"{path_text((*path, name))}: {problem}."))
    return findings
