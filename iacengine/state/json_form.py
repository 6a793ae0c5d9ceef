"""The JSON form of objects, outputs and check results, shared by the state file and the journal.

An object is

    {"address": "aws_vpc.main", "provider": "provider[\\"…\\"]", "attributes": {…},
     "deposed": "1a2b3c4d", "schema_version": 1, "sensitive_paths": [["tags", "k"]], "private": "base64",
     "dependencies": ["aws_subnet.app"], "tainted": true, "create_before_destroy": true, "protected": true,
     "token": "…"}

where all but the first three are left out when they say nothing. Keys are sorted, so that equal data is equal bytes.

orjson reads integers beyond 64 bits as floats and refuses lone surrogates. Data that holds such a thing is written by
the standard library instead and flagged by its container as *wide*, so that it is read back by the standard library.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from iacengine.addresses import ResourceInstance, parse_resource_instance
from iacengine.state.model import (
    CheckResult,
    Identity,
    ObjectKey,
    OutputState,
    PendingChange,
    PendingRollback,
    ResourceObject,
)

Json = dict[str, Any]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value.__class__.__name__} is no JSON data")


_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def dump(data: Any) -> tuple[bytes, bool]:
    """The data as one line of JSON, and whether it is wide. Raises TypeError when it is not JSON data."""
    try:
        return orjson.dumps(data, _plain, _OPTIONS), False
    except TypeError:
        return json.dumps(data, default=_plain, sort_keys=True, separators=(",", ":")).encode("ascii"), True


def load(text: bytes | memoryview, wide: bool) -> Any:
    """The data of a JSON text. Raises ValueError when it is none."""
    return json.loads(bytes(text)) if wide else orjson.loads(text)


# --- objects --------------------------------------------------------------------------------------------------------


def object_to_json(object_: ResourceObject, address: str) -> Json:
    """The JSON form of an object; `address` is the text of its address."""
    data: Json = {"address": address, "provider": object_.provider, "attributes": object_.attributes}
    if object_.deposed:
        data["deposed"] = object_.deposed
    if object_.schema_version:
        data["schema_version"] = object_.schema_version
    if object_.sensitive_paths:
        data["sensitive_paths"] = object_.sensitive_paths
    if object_.private is not None:
        data["private"] = binascii.b2a_base64(object_.private, newline=False).decode("ascii")
    if object_.dependencies:
        data["dependencies"] = object_.dependencies
    if object_.tainted:
        data["tainted"] = True
    if object_.create_before_destroy:
        data["create_before_destroy"] = True
    if object_.protected:
        data["protected"] = True
    if object_.token is not None:
        data["token"] = object_.token
    return data


def object_from_json(data: Json) -> ResourceObject:
    """The object of its JSON form. Raises KeyError, TypeError, ValueError or DiagnosticsError when it is none."""
    address = parse_resource_instance(data["address"])
    if len(data) == 3:
        return ResourceObject(address, data["provider"], data["attributes"])
    private = data.get("private")
    return ResourceObject(
        address=address,
        provider=data["provider"],
        attributes=data["attributes"],
        schema_version=data.get("schema_version", 0),
        sensitive_paths=tuple(tuple(path) for path in data.get("sensitive_paths", ())),
        private=None if private is None else binascii.a2b_base64(private, strict_mode=True),
        dependencies=tuple(data.get("dependencies", ())),
        tainted=data.get("tainted", False),
        create_before_destroy=data.get("create_before_destroy", False),
        protected=data.get("protected", False),
        deposed=data.get("deposed", ""),
        token=data.get("token"),
    )


def require_key(key: ObjectKey, object_: ResourceObject) -> None:
    """Raises ValueError when an object is filed under another's key: written down, it would change its place."""
    if key[1] != object_.deposed or (key[0] is not object_.address and key[0] != object_.address):
        raise ValueError(f"{object_.address} is filed under {key[0]}, {key[1]!r}")


def changes_to_json(changes: Mapping[ObjectKey, ResourceObject | None]) -> list[Json]:
    """Changes as a list: an object to put in, or the address (and deposed key) of one to take out."""
    listed: list[Json] = []
    for key, changed in changes.items():
        if changed is not None:
            require_key(key, changed)
            listed.append(object_to_json(changed, str(key[0])))
        elif key[1]:
            listed.append({"address": str(key[0]), "deposed": key[1]})
        else:
            listed.append({"address": str(key[0])})
    return listed


def changes_from_json(listed: Iterable[Json]) -> dict[ObjectKey, ResourceObject | None]:
    changes: dict[ObjectKey, ResourceObject | None] = {}
    for data in listed:
        if "provider" in data:
            changed = object_from_json(data)
            changes[changed.key] = changed
        else:
            changes[(parse_resource_instance(data["address"]), data.get("deposed", ""))] = None
    return changes


def moves_to_json(moves: Iterable[tuple[ResourceInstance, ResourceInstance]]) -> list[list[str]]:
    return [[str(source), str(target)] for source, target in moves]


def moves_from_json(listed: Iterable[Sequence[str]]) -> tuple[tuple[ResourceInstance, ResourceInstance], ...]:
    return tuple((parse_resource_instance(source), parse_resource_instance(target)) for source, target in listed)


def pending_to_json(pending: PendingRollback) -> Json:
    return {
        "run": pending.run,
        "serial": pending.serial,
        "changes": [_pending_change_to_json(change) for change in pending.changes],
        "outputs": {name: output_to_json(pending.outputs[name]) for name in sorted(pending.outputs)},
        "checks": [check_to_json(check) for check in pending.checks],
        "paused": pending.paused,
        "taken_up": list(map(_identity_to_json, pending.taken_up)),
    }


def pending_from_json(data: Json) -> PendingRollback:
    """Raises as `object_from_json` does."""
    return PendingRollback(
        data["run"],
        data["serial"],
        tuple(map(_pending_change_from_json, data["changes"])),
        {name: output_from_json(form) for name, form in data["outputs"].items()},
        tuple(map(check_from_json, data["checks"])),
        data["paused"],
        tuple(map(_identity_from_json, data["taken_up"])),
    )


def _pending_change_to_json(change: PendingChange) -> Json:
    there, wanted = change.there, change.wanted
    return {
        **({"there": _identity_to_json(there)} if there is not None else {}),
        **({"wanted": object_to_json(wanted, str(wanted.address))} if wanted is not None else {}),
        **({"destroyed": True} if change.destroyed else {}),
    }


def _pending_change_from_json(data: Json) -> PendingChange:
    there, wanted = data.get("there"), data.get("wanted")
    return PendingChange(
        _identity_from_json(there) if there is not None else None,
        object_from_json(wanted) if wanted is not None else None,
        data.get("destroyed", False),
    )


def _identity_to_json(identity: Identity) -> Json:
    id_ = "" if identity.hidden else identity.id
    names = {"deposed": identity.deposed, "token": identity.token, "id": id_, "hidden": identity.hidden}
    data = {"address": str(identity.address), "provider": identity.provider}
    return {**data, **{name: value for name, value in names.items() if value}}


def _identity_from_json(data: Json) -> Identity:
    return Identity(
        parse_resource_instance(data["address"]),
        data.get("deposed", ""),
        data["provider"],
        data.get("token", ""),
        data.get("id", ""),
        data.get("hidden", False),
    )


# --- outputs and checks ---------------------------------------------------------------------------------------------


def output_to_json(output: OutputState) -> Json:
    data: Json = {"value": output.value, "type": output.type}
    if output.sensitive:
        data["sensitive"] = True
    return data


def output_from_json(data: Json) -> OutputState:
    return OutputState(data["value"], data["type"], data.get("sensitive", False))


def check_to_json(check: CheckResult) -> Json:
    data: Json = {
        "kind": check.kind,
        "address": check.address,
        "status": check.status,
        "config_address": check.config_address,
    }
    if check.problems:
        data["problems"] = check.problems
    return data


def check_from_json(data: Json) -> CheckResult:
    return CheckResult(
        data["kind"], data["address"], data["status"], data["config_address"], tuple(data.get("problems", ()))
    )
