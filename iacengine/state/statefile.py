"""The state file, format version 1.

It is one JSON text, laid out so that a diff shows objects, and the first line tells whose state it is:

    {"format":"iacengine-state","version":1,"lineage":"…","serial":7,"engine_version":"…",
    "outputs":{
    "name":{…}
    },
    "pending_rollback":{… only after a run that is still to be undone …},
    "checks":[
    {…}
    ],
    "objects":[
    {…one object a line, in the order of addresses…}
    ],
    "digest":"sha256:…"}

The digest is the SHA-256 of every byte before the last line. `"wide":true` at the end of the first line says that
orjson cannot read the numbers or strings of this file exactly (see `iacengine.state.json_form`). `"encryption"` in the
first line says how sealed values are to be opened; `"sealed"` holds all the rest when the whole state is encrypted;
`"moved_to"` says that the state was moved to another backend, and nothing else is left of it here.
Equal states are equal bytes. The file of a state with nothing in it is written as well: its lineage and serial matter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from iacengine.addresses import ModuleInstance, Resource, ResourceInstance, SortKey
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.garbage import collection_paused
from iacengine.state.json_form import (
    Json,
    check_from_json,
    check_to_json,
    dump,
    load,
    object_from_json,
    object_to_json,
    output_from_json,
    output_to_json,
    pending_from_json,
    pending_to_json,
    require_key,
)
from iacengine.state.model import ObjectKey, ResourceObject, State

FORMAT = "iacengine-state"
VERSION = 1

_HEAD = re.compile(rb'\{"format":"iacengine-state","version":(\d+),')
_TAIL = re.compile(rb'\n"digest":"sha256:([0-9a-f]{64})"\}\n?\Z')
_TAIL_LENGTH = len('\n"digest":"sha256:"}\n') + 64


# --- writing --------------------------------------------------------------------------------------------------------


def encode_state(state: State) -> bytes:
    """The state as the bytes of a state file. Raises TypeError when attributes or outputs hold what is no JSON data."""
    wide = False

    def line(data: Any) -> bytes:
        nonlocal wide
        text, text_is_wide = dump(data)
        wide |= text_is_wide
        return text

    outputs = [line(name) + b":" + line(output_to_json(state.outputs[name])) for name in sorted(state.outputs)]
    checks = [line(check_to_json(check)) for check in state.checks]
    pending = state.pending_rollback
    way_back = b"" if pending is None else b'\n"pending_rollback":%b,' % line(pending_to_json(pending))
    objects = [line(object_to_json(object_, str(object_.address))) for object_ in in_order(state.objects)]
    head: Json = {"format": FORMAT, "version": VERSION, "lineage": state.lineage, "serial": state.serial}
    head["engine_version"] = state.engine_version
    if state.encryption is not None:
        head["encryption"] = dict(state.encryption)
    if state.sealed is not None:
        head["sealed"] = state.sealed
    if state.moved_to:
        head["moved_to"] = state.moved_to
    if wide:
        head["wide"] = True
    body = b"".join(
        (
            orjson.dumps(head)[:-1],
            b',\n"outputs":{',
            _lines(outputs),
            b"\n},",
            way_back,
            b'\n"checks":[',
            _lines(checks),
            b'\n],\n"objects":[',
            _lines(objects),
            b"\n],",
        )
    )
    return b'%b\n"digest":"sha256:%b"}\n' % (body, hashlib.sha256(body).hexdigest().encode("ascii"))


def _lines(texts: list[bytes]) -> bytes:
    return b"\n" + b",\n".join(texts) if texts else b""


def in_order(objects: Mapping[ObjectKey, ResourceObject]) -> Iterable[ResourceObject]:
    """The objects in the order of their addresses; the parts of the sort keys that many share are made once."""
    blocks: dict[tuple[ModuleInstance, Resource], tuple[SortKey, SortKey]] = {}
    keyed: list[tuple[SortKey, SortKey, object, str, ResourceObject]] = []
    for key, object_ in objects.items():
        require_key(key, object_)
        address: ResourceInstance = object_.address
        block = blocks.get((address.module, address.resource))
        if block is None:
            block = (address.module.sort_key, address.resource.sort_key)
            blocks[(address.module, address.resource)] = block
        keyed.append((*block, address.sort_key[2], object_.deposed, object_))
    keyed.sort(key=lambda entry: entry[:4])
    return [entry[4] for entry in keyed]


# --- reading --------------------------------------------------------------------------------------------------------


def decode_state(data: bytes, where: str) -> State:
    """The state of a state file's bytes; `where` names the file in messages.

    Raises DiagnosticsError for an empty, cut, damaged or newer file, for Terraform's, and for anything else.
    """
    head = _verified_head(data, where)
    try:
        with collection_paused():
            return _state_of(load(data, head.get("wide", False)))
    except (KeyError, TypeError, ValueError, AttributeError, DiagnosticsError) as problem:
        raise failure(
            "Malformed state file",
            f"{where} is intact, but what it says makes no sense: {problem}.",
            remedy="Restore an earlier version of the file, and report this as a defect of iacengine.",
        ) from problem


def _state_of(content: Json) -> State:
    objects: dict[ObjectKey, ResourceObject] = {}
    for form in content["objects"]:
        object_ = object_from_json(form)
        objects[object_.key] = object_
    if len(objects) != len(content["objects"]):
        raise ValueError("an object occurs twice")
    return State(
        lineage=content["lineage"],
        serial=content["serial"],
        objects=objects,
        outputs={name: output_from_json(form) for name, form in content["outputs"].items()},
        checks=tuple(check_from_json(form) for form in content["checks"]),
        engine_version=content["engine_version"],
        encryption=content.get("encryption"),
        sealed=content.get("sealed"),
        moved_to=content.get("moved_to", ""),
        pending_rollback=pending_from_json(content["pending_rollback"]) if "pending_rollback" in content else None,
    )


def state_identity(data: bytes, where: str) -> tuple[str, int]:
    """Lineage and serial of a state file, its digest verified but its objects not read. Raises like `decode_state`."""
    head = _verified_head(data, where)
    try:
        return str(head["lineage"]), int(head["serial"])
    except (KeyError, ValueError, TypeError) as problem:
        raise _unreadable(where, "its first line does not say whose state it is") from problem


def _verified_head(data: bytes, where: str) -> Json:
    """The first line, as data, of a file that is whole."""
    if not data.strip():
        raise failure(
            "Empty state file",
            f"{where} is empty; a state file never is.",
            remedy="Restore the copy beside it (.backup) or an earlier version. If there never was a state, "
            "remove the file.",
        )
    match = _HEAD.match(data)
    if match is None:
        raise _not_a_state_file(data, where)
    _require_version(int(match[1]), where)
    tail = _TAIL.search(data, max(0, len(data) - _TAIL_LENGTH))
    if tail is None:
        raise _without_digest(data, where)
    if hashlib.sha256(memoryview(data)[: tail.start()]).hexdigest().encode("ascii") != tail[1]:
        raise _unreadable(where, "its digest does not match its content: it was damaged, or changed by hand")
    try:
        first_line = data[: data.index(b"\n")].rstrip(b",")
        return orjson.loads(first_line + b"}")
    except ValueError as problem:
        raise _unreadable(where, "its first line is no JSON") from problem


def _require_version(version: int, where: str) -> None:
    if version != VERSION:
        raise failure(
            "State file of another version",
            f"{where} has format version {version}; this iacengine reads version {VERSION}.",
            remedy="Use the version of iacengine that wrote it, or a newer one.",
        )


def _without_digest(data: bytes, where: str) -> DiagnosticsError:
    try:
        orjson.loads(data)
    except ValueError:
        return failure(
            "Truncated state file",
            f"{where} ends too early: its last line, which holds the digest, is missing or cut.",
            remedy="Restore the copy beside it (.backup) or an earlier version.",
        )
    return _unreadable(where, "it was written anew by something other than iacengine, so its digest is void")


def _unreadable(where: str, why: str) -> DiagnosticsError:
    return failure(
        "Damaged state file",
        f"{where} cannot be trusted: {why}.",
        remedy="Restore the copy beside it (.backup) or an earlier version; change state with `iac state` only.",
    )


def _not_a_state_file(data: bytes, where: str) -> DiagnosticsError:
    opening = b'{"format":"iacengine-state","version":'
    if opening.startswith(data.rstrip(b"0123456789")):
        return failure(
            "Truncated state file",
            f"{where} ends within its first line.",
            remedy="Restore the copy beside it (.backup) or an earlier version.",
        )
    try:
        content = orjson.loads(data)
    except ValueError:
        return failure(
            "Not a state file",
            f"{where} holds no JSON.",
            remedy="Check the path of the state. If it is right, restore the copy beside it (.backup).",
        )
    if isinstance(content, dict):
        if content.get("format") == FORMAT:
            version = content.get("version")
            if isinstance(version, int):
                try:
                    _require_version(version, where)
                except DiagnosticsError as newer:
                    return newer
            return _unreadable(where, "it was written anew by something other than iacengine, so its digest is void")
        if isinstance(content.get("version"), int) and ("terraform_version" in content or "lineage" in content):
            return failure(
                "Terraform's state file",
                f"{where} is a state of Terraform (format version {content['version']}), which is left as it is.",
                remedy="Name another file as the state of this stack, and import this one into it with "
                f"`iac state push {where}`.",
            )
    return failure(
        "Not a state file",
        f"{where} holds JSON, but not a state of iacengine.",
        remedy="Check the path of the state.",
    )
