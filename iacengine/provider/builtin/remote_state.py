"""`terraform_remote_state`: the root outputs of another stack, read from its state file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, near_match
from iacengine.lang.types import DYNAMIC, STRING, MapType, ObjectType, type_from_json
from iacengine.lang.values import MapValue, Value, is_null, is_unknown, is_wholly_known, type_of
from iacengine.provider.protocol import ReadResponse
from iacengine.schema import Attribute, Block, Schema
from iacengine.schema.values import SchemaError, decode_type

REMOTE_STATE_SCHEMA = Schema(
    Block(
        {
            "backend": Attribute(STRING, required=True, description="Where the state is: `local`."),
            "config": Attribute(DYNAMIC, optional=True, description="The backend's settings; for `local` the `path`."),
            "defaults": Attribute(DYNAMIC, optional=True, description="Outputs to assume where the state lacks them."),
            "outputs": Attribute(DYNAMIC, computed=True, description="An object of all root outputs."),
            "workspace": Attribute(STRING, optional=True, description="The workspace, `default` when left out."),
        }
    )
)


class StoredOutput(Protocol):
    """An output as a state holds it: its value in stored form and its type in JSON notation."""

    @property
    def value(self) -> Any: ...

    @property
    def type(self) -> Any: ...


ReadState = Callable[[str], Mapping[str, StoredOutput] | None]
"""The root outputs of the state file at an absolute path, this engine's or Terraform's; None when there is no file.

Raises DiagnosticsError when it cannot be read.
"""

_BACKENDS = ("local",)
_SETTINGS = ("path", "workspace_dir")
_DEFAULT_PATH, _WORKSPACE_FOLDER = "terraform.tfstate", "terraform.tfstate.d"


def validate_remote_state(config: Value) -> tuple[Diagnostic, ...]:
    """What is wrong with the configuration, as far as it is known."""
    found: list[Diagnostic] = []
    backend, settings, defaults = config["backend"], config["config"], config["defaults"]
    if not is_unknown(backend) and backend not in (*_BACKENDS, "_local", None):
        near = near_match(backend, _BACKENDS)
        remedy = f'Did you mean "{near}"?' if near else f"Use one of: {', '.join(_BACKENDS)}."
        found.append(
            error("Invalid backend configuration", f'There is no backend type named "{backend}".', remedy=remedy)
        )
    elif not _is_object(settings):
        found.append(error("Invalid backend configuration", "The configuration must be an object value."))
    elif not is_unknown(settings) and not is_null(settings) and is_wholly_known(settings):
        found.extend(_check_settings(_entries(settings), backend))
    if not _is_object(defaults):
        found.append(error("Invalid default values", "Defaults must be given in an object value."))
    return tuple(found)


def _check_settings(settings: Mapping[str, Value], backend: Value) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for name, value in settings.items():
        detail = f'The given configuration is not valid for backend "{backend}": '
        if name not in _SETTINGS:
            near = near_match(name, _SETTINGS)
            remedy = f'Did you mean "{near}"?' if near else f"Use: {', '.join(_SETTINGS)}."
            found.append(
                error("Invalid backend configuration", f'{detail}unexpected attribute "{name}".', remedy=remedy)
            )
        elif not is_null(value) and value.__class__ is not str:
            found.append(error("Invalid backend configuration", f'{detail}attribute "{name}": string required.'))
    return found


def _is_object(value: Value) -> bool:
    type_ = type_of(value)
    return type_ is DYNAMIC or isinstance(type_, ObjectType | MapType)


def _entries(value: Value) -> Mapping[str, Value]:
    if is_null(value):
        return {}
    return value.items if value.__class__ is MapValue else value


def read_remote_state(config: Value, directory: str, read_state: ReadState | None) -> ReadResponse:
    """The data source with its outputs. Relative paths are relative to `directory`."""
    problems = validate_remote_state(config)
    if problems:
        return ReadResponse(None, diagnostics=problems)
    path = os.path.join(directory, _path(_entries(config["config"]), config["workspace"]))  # noqa: PTH118 -- keeps text
    if read_state is None:
        detail = "The states of other stacks cannot be read here."
        return ReadResponse(None, diagnostics=(error("Remote state not available", detail),))
    try:
        outputs = read_state(path)
        if outputs is None:
            return ReadResponse(None, diagnostics=(_missing(path),))
        values = dict(_entries(config["defaults"]))
        for name, output in outputs.items():
            values[name] = decode_type(output.value, type_from_json(output.type))
    except DiagnosticsError as problem:
        return ReadResponse(None, diagnostics=problem.diagnostics)
    except (SchemaError, ValueError) as problem:
        return ReadResponse(None, diagnostics=(error("Unreadable remote state", f"{path}: {problem}."),))
    return ReadResponse({**config, "outputs": values})


def _path(settings: Mapping[str, Value], workspace: Value) -> str:
    if workspace is None or workspace == "default":
        return settings.get("path") or _DEFAULT_PATH
    return f"{settings.get('workspace_dir') or _WORKSPACE_FOLDER}/{workspace}/terraform.tfstate"


def _missing(path: str) -> Diagnostic:
    return error(
        "Unable to find remote state",
        f"No stored state was found for the given workspace in the given backend: there is no file {path}.",
        remedy="Apply the other stack first, or correct the path; `defaults` does not stand in for a missing state.",
    )
