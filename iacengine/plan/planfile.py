"""Plan files: a plan in one file, bound to its configuration (which it holds) and to the state it was made from.

Layout: a first line of JSON (`{"format": "iacengine-plan", "version": 1, "engine": …, "sha256": …}`), then the plan as
compressed JSON (zlib, RFC 1950); the digest is over the bytes that follow. Mode 0600: a plan holds sensitive values.

Where the stack has a key the whole plan is sealed with it, which authenticates it too: the first line then has
`"stack"`, `"lineage"` and `"encryption"` (see `iacengine.state.encryption.header`), all of it authenticated.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from iacengine.addresses import ModuleInstance, parse_resource_instance, parse_target
from iacengine.config.loader import Snapshot, from_snapshot, snapshot
from iacengine.config.model import Configuration
from iacengine.foundation.atomic import read_regular_file, write_atomically
from iacengine.foundation.crypto import ForgedError
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity, failure
from iacengine.foundation.disk import disk_failure
from iacengine.foundation.version import VERSION
from iacengine.lang.values import (
    EPHEMERAL,
    Marked,
    Unknown,
    Value,
    has_mark,
    map_children,
    mark,
    type_of,
    unmark_deep,
)
from iacengine.plan.model import (
    Action,
    Change,
    ModuleExpansion,
    OutputChange,
    Plan,
    PlanMode,
    Reason,
    Step,
)
from iacengine.plan.relevant import relevant_attributes
from iacengine.plan.value_codec import decode_value, encode_value
from iacengine.state.journal_entries import Operation
from iacengine.state.json_form import (
    changes_from_json,
    changes_to_json,
    check_from_json,
    check_to_json,
    dump,
    load,
    object_from_json,
    object_to_json,
)
from iacengine.state.statefile import decode_state, encode_state

if TYPE_CHECKING:
    from iacengine.state.encryption.keyring import Keyring

FORMAT = "iacengine-plan"
VERSION_OF_FORMAT = 1
_PLAIN = (
    "deposed",
    "import_id",
    "body_unknown",
    "schema_version",
    "dependencies",
    "create_before_destroy",
    "protected",
)
_REMEDY = "Make a new plan with `iac plan --out FILE`."


def save_plan(plan: Plan, path: str, stack_path: str, keys: Keyring | None = None) -> None:
    """Write a plan file. `stack_path`: what the configuration was loaded from. `keys` encrypt it, if they have one to
    do that with. Raises DiagnosticsError."""
    text, wide = dump(_to_json(plan, stack_path))
    body = zlib.compress((b"1" if wide else b"0") + text, 1)
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION_OF_FORMAT, "engine": VERSION}
    if keys is not None and keys.seals:
        key = keys.data_key(plan.lineage)
        head |= {"stack": stack_path, "lineage": plan.lineage, "encryption": key.header_for("full")}
        body = key.sealer("plan").seal(body, _place(head))
    head["sha256"] = hashlib.sha256(body).hexdigest()
    try:
        write_atomically(path, orjson.dumps(head) + b"\n" + body)
    except OSError as problem:
        raise disk_failure(problem, "write the plan", path, "No plan was saved.") from problem


def load_plan(
    path: str,
    keys: Callable[[str], Keyring | None] = lambda _: None,
    has_key: Callable[[Configuration], bool] = lambda _: False,
) -> Plan:
    """Read a plan file.

    `keys` finds the keys for an encrypted plan of the stack at a path; that path is what the file says, and not to be
    trusted. A plan that is not encrypted is refused where its configuration `has_key`.
    Raises DiagnosticsError when it is none, is damaged, was made by another version, or cannot be opened.
    """
    try:
        data = read_regular_file(path)
    except OSError as problem:
        raise disk_failure(problem, "read the plan", path, "Nothing was changed.") from problem
    if data is None:
        raise failure("No such plan file", f"There is no file {path}.", remedy=_REMEDY)
    line, _, body = data.partition(b"\n")
    try:
        head = orjson.loads(line)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise failure("Not a plan file", f"{path} was not written by `iac plan --out`.", remedy=_REMEDY)
    if head.get("version") != VERSION_OF_FORMAT or head.get("engine") != VERSION:
        made = f"version {head.get('engine')}"
        raise failure("Plan of another version", f"{path} was made by {made}; this is {VERSION}.", remedy=_REMEDY)
    if hashlib.sha256(body).hexdigest() != head.pop("sha256", None):
        raise failure("Damaged plan file", f"The digest of {path} does not fit its content.", remedy=_REMEDY)
    sealed = "encryption" in head
    if sealed:
        body = _opened(path, head, body, keys)
    try:
        text = zlib.decompress(body)
        plan = _from_json(load(text[1:], text[:1] == b"1"))
    except DiagnosticsError:
        raise
    except Exception as problem:
        detail = f"{path} cannot be read: {type(problem).__name__}."
        raise failure("Damaged plan file", detail, remedy=_REMEDY) from problem
    if not sealed and has_key(plan.configuration):
        raise failure(
            "Plan that is not encrypted",
            f"{path} is not encrypted, although its stack has a key: perhaps somebody else made it.",
            remedy=_REMEDY,
        )
    return plan


def _opened(path: str, head: dict[str, Any], body: bytes, keys: Callable[[str], Keyring | None]) -> bytes:
    """The compressed text of an encrypted plan. Raises DiagnosticsError."""
    from iacengine.state.encryption.keyring import Keyring  # lazy: most plans are not encrypted
    from iacengine.state.encryption.settings import EncryptionSettings

    stack, lineage = str(head.get("stack")), str(head.get("lineage"))
    keyring = keys(stack) or Keyring(EncryptionSettings())
    key = keyring.open(head["encryption"], lineage, f"The plan {path}")
    try:
        return key.sealer("plan").open(body, _place(head))
    except ForgedError:
        raise failure(
            "Plan file was tampered with",
            f"{path} cannot be opened, although its key is there: it was changed since it was saved.",
            remedy=_REMEDY,
        ) from None


def _place(head: dict[str, Any]) -> bytes:
    """What is authenticated with a sealed plan: its first line, without the digest."""
    return json.dumps(head, sort_keys=True).encode()


def _to_json(plan: Plan, stack_path: str) -> dict[str, Any]:
    held = snapshot(plan.configuration, stack_path)
    return {
        "stack": held.path,
        "files": [[path, base64.b64encode(text).decode()] for path, text in held.files],
        "directories": [[list(path), directory] for path, directory in held.directories.items()],
        "mode": plan.mode.value,
        "lineage": plan.lineage,
        "base_serial": plan.base_serial,
        "prior_state": encode_state(plan.prior_state).decode(),
        "changes": [_change_to_json(change) for change in plan.changes],
        "drift": [_change_to_json(change) for change in plan.drift],
        "steps": [
            [step.operation.value if step.operation else None, step.change, step.awaits, step.commits]
            for step in plan.steps
        ],
        "outputs": [
            [
                change.name,
                change.action.value,
                encode_value(change.before),
                encode_value(change.after),
                change.sensitive,
                change.had_before,
            ]
            for change in plan.outputs.values()
        ],
        "state_changes": changes_to_json(plan.state_changes),
        # Ephemeral values are never written: whoever applies the plan gives them again.
        "variables": {
            name: encode_value(value) for name, value in plan.variables.items() if not has_mark(value, EPHEMERAL)
        },
        "ephemeral_variables": plan.ephemeral_variables,
        "modules": [
            [str(parent), name, expansion.kind, list(expansion.keys)]
            for (parent, name), expansion in plan.modules.items()
        ],
        "checks": [check_to_json(check) for check in plan.checks],
        "on_failure": plan.on_failure,
        "targets": plan.targets,
        "excludes": plan.excludes,
        "relevant_attributes": relevant_attributes(plan),
        "deferred": plan.deferred,
        "timestamp": plan.timestamp,
        "warnings": [[found.summary, found.detail] for found in plan.diagnostics],
    }


def _from_json(data: dict[str, Any]) -> Plan:
    files = tuple((path, base64.b64decode(text)) for path, text in data["files"])
    held = Snapshot(data["stack"], files, {tuple(path): directory for path, directory in data["directories"]})
    outputs = [
        OutputChange(name, Action(action), decode_value(before), decode_value(after), sensitive, had_before)
        for name, action, before, after, sensitive, had_before in data["outputs"]
    ]
    return Plan(
        configuration=from_snapshot(held),
        mode=PlanMode(data["mode"]),
        lineage=data["lineage"],
        base_serial=data["base_serial"],
        prior_state=decode_state(data["prior_state"].encode(), "the plan file"),
        changes=tuple(_change_from_json(change) for change in data["changes"]),
        steps=tuple(
            Step(Operation(operation) if operation else None, change, tuple(awaits), commits)
            for operation, change, awaits, commits in data["steps"]
        ),
        outputs={change.name: change for change in outputs},
        drift=tuple(_change_from_json(change) for change in data["drift"]),
        state_changes=changes_from_json(data["state_changes"]),
        variables={name: decode_value(value) for name, value in data["variables"].items()},
        ephemeral_variables=tuple(data["ephemeral_variables"]),
        modules={
            (_module(parent), name): ModuleExpansion(kind, tuple(keys)) for parent, name, kind, keys in data["modules"]
        },
        checks=tuple(check_from_json(check) for check in data["checks"]),
        on_failure=data["on_failure"],
        targets=tuple(data["targets"]),
        excludes=tuple(data["excludes"]),
        relevant_attributes=tuple((address, tuple(path)) for address, path in data["relevant_attributes"]),
        deferred=tuple(data["deferred"]),
        timestamp=data["timestamp"],
        diagnostics=tuple(Diagnostic(Severity.WARNING, summary, detail) for summary, detail in data["warnings"]),
        stack_path=data["stack"],
    )


def _module(text: str) -> ModuleInstance:
    return parse_target(text).module if text else ModuleInstance()


def _change_to_json(change: Change) -> dict[str, Any]:
    """The change with everything left out that is as usual."""
    data: dict[str, Any] = {
        "address": str(change.address),
        "provider": change.provider,
        "action": change.action.value,
        "before": encode_value(change.before),
    }
    if change.after is not change.before:
        data["after"] = encode_value(change.after)
    if change.prior is not None:
        data["prior"] = object_to_json(change.prior, str(change.prior.address))
    if change.config is not None and change.action is not Action.NO_OP:
        data["config"] = encode_value(_without_ephemeral(change.config))
    if change.reason is not None:
        data["reason"] = change.reason.value
    if change.previous_address is not None:
        data["previous_address"] = str(change.previous_address)
    if change.planned_private is not None:
        data["planned_private"] = base64.b64encode(change.planned_private).decode()
    if change.replace_paths:
        data["replace_paths"] = change.replace_paths
    for name in _PLAIN:
        found = getattr(change, name)
        if found:
            data[name] = found
    return data


def _without_ephemeral(value: Value) -> Value:
    """The value with everything ephemeral unknown: it is evaluated again while applying, and written nowhere."""
    if not has_mark(value, EPHEMERAL):
        return value
    if value.__class__ is Marked and EPHEMERAL in value.marks:
        return mark(Unknown(type_of(unmark_deep(value)[0])), value.marks)
    if value.__class__ is Marked:
        return mark(_without_ephemeral(value.value), value.marks)
    return map_children(value, _without_ephemeral)


def _change_from_json(data: dict[str, Any]) -> Change:
    before = decode_value(data["before"])
    previous = data.get("previous_address")
    private = data.get("planned_private")
    return Change(
        address=parse_resource_instance(data["address"]),
        provider=data["provider"],
        action=Action(data["action"]),
        before=before,
        after=decode_value(data["after"]) if "after" in data else before,
        reason=Reason(data["reason"]) if "reason" in data else None,
        deposed=data.get("deposed", ""),
        previous_address=parse_resource_instance(previous) if previous is not None else None,
        prior=object_from_json(data["prior"]) if "prior" in data else None,
        config=decode_value(data["config"]) if "config" in data else None,
        body_unknown=data.get("body_unknown", False),
        replace_paths=tuple(tuple(path) for path in data.get("replace_paths", ())),
        import_id=data.get("import_id"),
        planned_private=base64.b64decode(private) if private is not None else None,
        schema_version=data.get("schema_version", 0),
        dependencies=tuple(data.get("dependencies", ())),
        create_before_destroy=data.get("create_before_destroy", False),
        protected=data.get("protected", False),
    )
