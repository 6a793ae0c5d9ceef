"""Terraform's state files, version 4, in and out.

The format is that of Terraform's `internal/states/statefile/version4.go`. Addresses of providers, types, names and
attributes are the same on both sides. What only iacengine knows (`protected`, `token`) is not exported, and what
only Terraform knows (resource identities, check objects that were never expanded) is not imported.

Numbers stay exact: one that neither a 64-bit integer nor a float holds becomes its decimal text, which Terraform reads
where a number belongs.
"""

from __future__ import annotations

import binascii
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from iacengine.addresses import (
    ROOT,
    Mode,
    ModuleInstance,
    Resource,
    ResourceInstance,
    parse_provider_reference,
    parse_target,
)
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.garbage import collection_paused
from iacengine.schema import Path
from iacengine.state.json_form import Json
from iacengine.state.model import CheckResult, ObjectKey, OutputState, ResourceObject, State

VERSION = 4
WRITTEN_AS = "1.0.0"
"""The version that exported files name as their writer: the oldest with a stable format, so that any reads them."""

_DEEPEST_MARK = 6
_CHECK_KINDS = {"output": "output_value"}
_CHECK_KINDS_OUT = {"output_value": "output"}
_SEVERITY = ("fail", "error", "unknown", "pass")


# --- in -------------------------------------------------------------------------------------------------------------


def from_tfstate(data: bytes, where: str) -> State:
    """The state that a state file of Terraform holds; `where` names it in messages.

    Lineage and serial are Terraform's. Raises DiagnosticsError when it is no such file, or one that Terraform must
    upgrade first.
    """
    try:
        with collection_paused():
            content = json.loads(data, parse_int=_whole_number, parse_float=_decimal_number)
            _require_version(content, where)
            return _state_of(content)
    except RecursionError as problem:
        raise _malformed(where, "it is nested too deeply") from problem
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        if isinstance(problem, json.JSONDecodeError | UnicodeDecodeError):
            raise _malformed(where, f"it is no JSON: {problem}") from problem
        said = f"{problem.args[0]!r} is missing" if isinstance(problem, KeyError) else str(problem)
        raise _malformed(where, said) from problem


def _whole_number(text: str) -> int | str:
    value = int(text) if len(text) <= 20 else None
    return value if value is not None and -(1 << 63) <= value < (1 << 64) else text


def _decimal_number(text: str) -> float | str:
    value = float(text)
    short = repr(value)
    return value if short == text or _digits(short) == _digits(text) else text


def _digits(text: str) -> tuple[bool, str, int] | None:
    """Sign, digits without zeros at either end, and exponent: equal for texts of one number. None for an infinity."""
    mantissa, _, exponent = text.lower().lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    if not (whole + fraction).isdecimal():
        return None
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) - len(fraction) + len(digits) - len(digits.rstrip("0"))
    return (text.startswith("-"), digits.rstrip("0"), power if digits else 0)


def _malformed(where: str, why: str) -> DiagnosticsError:
    return failure(
        "Malformed Terraform state",
        f"{where} cannot be imported: {why}.",
        remedy="Give a file as `terraform state pull` writes it.",
    )


def _require_version(content: Any, where: str) -> None:
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(content, dict) and "format" in content:
        raise failure(
            "Not a Terraform state",
            f"{where} is a state of iacengine, not of Terraform.",
            remedy="Use it as it is: it needs no conversion.",
        )
    if isinstance(version, int) and 0 < version < VERSION:
        raise failure(
            "Terraform state of an old version",
            f"{where} has format version {version}; only version {VERSION} can be imported.",
            remedy="Let Terraform 0.12 or later write it anew (`terraform apply -refresh-only`), then import it.",
        )
    if isinstance(version, int) and version > VERSION:
        raise failure(
            "Terraform state of a newer version",
            f"{where} has format version {version}; this iacengine reads version {VERSION}.",
            remedy="Use a newer iacengine.",
        )
    if version != VERSION:
        raise failure(
            "Not a Terraform state",
            f'{where} has no `"version": {VERSION}`, so it is no state of Terraform.',
            remedy="Give a file as `terraform state pull` writes it.",
        )


def _state_of(content: Json) -> State:
    objects: dict[ObjectKey, ResourceObject] = {}
    for resource in content.get("resources") or ():
        for object_ in _objects_of(resource):
            if object_.key in objects:
                raise ValueError(f"{object_.address} occurs twice")
            objects[object_.key] = object_
    return State(
        lineage=str(content["lineage"]),
        serial=int(content["serial"]),
        objects=objects,
        outputs={
            name: OutputState(output["value"], output["type"], bool(output.get("sensitive", False)))
            for name, output in (content.get("outputs") or {}).items()
        },
        checks=tuple(_checks_in(content.get("check_results") or ())),
    )


def _objects_of(resource: Json) -> Iterable[ResourceObject]:
    module = _module(resource.get("module", ""))
    block = Resource(Mode(resource["mode"]), resource["type"], resource["name"])
    provider = _provider(resource["provider"])
    for instance in resource["instances"]:
        address = ResourceInstance(module, block, _instance_key(instance.get("index_key")))
        if "attributes" not in instance and instance.get("attributes_flat") is not None:
            raise ValueError(f"{address} was written by Terraform 0.11; let a later one refresh it first")
        if not isinstance(instance["attributes"], dict):
            raise ValueError(f"{address} has no attributes")
        private = instance.get("private")
        paths = [_path(steps) for steps in instance.get("sensitive_attributes") or ()]
        yield ResourceObject(
            address=address,
            provider=provider,
            attributes=instance["attributes"],
            schema_version=int(instance.get("schema_version", 0)),
            sensitive_paths=tuple(dict.fromkeys(path for path in paths if path)),
            private=binascii.a2b_base64(private) if private else None,
            dependencies=tuple(instance.get("dependencies") or ()),
            tainted=instance.get("status") == "tainted",
            create_before_destroy=bool(instance.get("create_before_destroy", False)),
            deposed=str(instance.get("deposed") or ""),
        )


def _module(text: str) -> ModuleInstance:
    if not text:
        return ROOT
    try:
        target = parse_target(text)
    except DiagnosticsError as problem:
        raise ValueError(f'"{text}" is no module address') from problem
    if target.resource is not None:
        raise ValueError(f'"{text}" is no module address')
    return target.module


def _provider(text: str) -> str:
    if text.startswith("provider."):  # Terraform 0.12 named providers without a source
        name, _, alias = text.removeprefix("provider.").partition(".")
        text = f'provider["registry.terraform.io/-/{name}"]{"." if alias else ""}{alias}'
    try:
        return str(parse_provider_reference(text))
    except DiagnosticsError as problem:
        raise ValueError(f"{text} is no provider address") from problem


def _instance_key(key: Any) -> int | str | None:
    if key is None or (isinstance(key, int | str) and not isinstance(key, bool)):
        return key
    raise ValueError(f"{key!r} is no instance key")


def _path(steps: Iterable[Json]) -> Path:
    """A path up to the first step that has no place here (into a set): what holds it is then sensitive as a whole."""
    path: list[str | int] = []
    for step in steps:
        value = step["value"]
        if step["type"] == "index":
            value = value["value"]
            if isinstance(value, float) and value.is_integer():
                value = int(value)
        if isinstance(value, bool) or not isinstance(value, str | int):
            break
        path.append(value)
    return tuple(path)


def _checks_in(results: Iterable[Json]) -> Iterable[CheckResult]:
    for result in results:
        kind: str = result["object_kind"]
        for checked in result.get("objects") or ():
            yield CheckResult(
                kind=_CHECK_KINDS.get(kind, kind),
                address=checked["object_addr"],
                status=checked["status"],
                config_address=result["config_addr"],
                problems=tuple(checked.get("failure_messages") or ()),
            )


# --- out ------------------------------------------------------------------------------------------------------------


def to_tfstate(state: State) -> bytes:
    """The state as a state file of Terraform, ready for `terraform state push` or to lie beside a configuration."""
    content = {
        "version": VERSION,
        "terraform_version": WRITTEN_AS,
        "serial": state.serial,
        "lineage": state.lineage,
        "outputs": {name: _output(state.outputs[name]) for name in sorted(state.outputs)},
        "resources": _resources(state.objects.values()),
        "check_results": _checks_out(state.checks) or None,
    }
    try:
        return orjson.dumps(content, _plain, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # integers beyond 64 bits; the standard library is exact, but slow
        return json.dumps(content, default=_plain, indent=2).encode("ascii") + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value.__class__.__name__} is no JSON data")


def _output(output: OutputState) -> Json:
    data: Json = {"value": output.value, "type": output.type}
    if output.sensitive:
        data["sensitive"] = True
    return data


def _resources(objects: Iterable[ResourceObject]) -> list[Json]:
    resources: list[Json] = []
    in_order = sorted(objects, key=lambda object_: (object_.address.sort_key, object_.deposed))
    for (module, block, provider), group in itertools.groupby(
        in_order, key=lambda object_: (object_.address.module, object_.address.resource, object_.provider)
    ):
        data: Json = {"module": str(module)} if module.steps else {}
        data |= {"mode": block.mode.value, "type": block.type, "name": block.name, "provider": provider}
        data["instances"] = [_instance(object_) for object_ in group]
        resources.append(data)
    return resources


def _instance(object_: ResourceObject) -> Json:
    data: Json = {}
    if object_.address.key is not None:
        data["index_key"] = object_.address.key
    if object_.tainted:
        data["status"] = "tainted"
    if object_.deposed:
        data["deposed"] = object_.deposed
    data["schema_version"] = object_.schema_version
    data["attributes"] = object_.attributes
    data["sensitive_attributes"] = [steps for path in object_.sensitive_paths for steps in _steps(path)]
    if object_.private is not None:
        data["private"] = binascii.b2a_base64(object_.private, newline=False).decode("ascii")
    if object_.dependencies:
        data["dependencies"] = object_.dependencies
    if object_.create_before_destroy:
        data["create_before_destroy"] = True
    return data


def _steps(path: Path) -> Iterable[list[Json]]:
    """The path in Terraform's form, once for each reading.

    Without a schema it is not known whether a name below the first is an attribute of an object or a key of a map.
    Terraform ignores a path that leads nowhere, and shows in plain text what no path marks; so both are given. Below
    the sixth step, the path is cut: what holds the rest is sensitive as a whole.
    """
    readings: list[tuple[Json, ...]] = []
    for depth, step in enumerate(path[:_DEEPEST_MARK]):
        if isinstance(step, int):
            readings.append(({"type": "index", "value": {"value": step, "type": "number"}},))
        else:
            attribute = {"type": "get_attr", "value": step}
            key = {"type": "index", "value": {"value": step, "type": "string"}}
            readings.append((attribute,) if depth == 0 else (attribute, key))
    return [list(steps) for steps in itertools.product(*readings)]


def _checks_out(checks: Iterable[CheckResult]) -> list[Json]:
    blocks: dict[tuple[str, str], list[CheckResult]] = {}
    for check in checks:
        blocks.setdefault((check.kind, check.config_address), []).append(check)
    results: list[Json] = []
    for (kind, config_address), found in blocks.items():
        objects: list[Json] = []
        for check in found:
            data: Json = {"object_addr": check.address, "status": check.status}
            if check.problems:
                data["failure_messages"] = check.problems
            objects.append(data)
        statuses = {check.status for check in found}
        results.append(
            {
                "object_kind": _CHECK_KINDS_OUT.get(kind, kind),
                "config_addr": config_address,
                "status": next((status for status in _SEVERITY if status in statuses), "unknown"),
                "objects": objects,
            }
        )
    return results
