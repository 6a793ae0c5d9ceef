"""Override files (`override.tf.json`, `*_override.iac.yaml`): their blocks change blocks that are declared elsewhere.

As in Terraform (https://developer.hashicorp.com/terraform/language/files/override): an argument replaces the argument
of that name, `lifecycle` and `required_providers` are merged entry by entry, locals by name. Merging is done on the
data, before it is decoded; a mistake in an overriding argument is shown at the block that it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iacengine.config.block_reader import COMMENT, labelled
from iacengine.config.model import KeyPath, Origin, Raw, SourceFile
from iacengine.config.source import mistake
from iacengine.foundation.diagnostics import Findings

Parsed = tuple[SourceFile, Raw]

_LABELS: dict[str, tuple[str, ...]] = {
    "resource": ("type", "name"),
    "data": ("type", "name"),
    "ephemeral": ("type", "name"),
    "variable": ("name",),
    "output": ("name",),
    "module": ("name",),
    "provider": ("name",),
}
_EXCLUSIVE = {"count": "for_each", "for_each": "count"}
_Identity = tuple[str, ...]


def apply_overrides(files: list[Parsed], overrides: list[Parsed], findings: Findings) -> list[Parsed]:
    """The files' data with all overrides merged in, in the order given."""
    if not overrides:
        return files
    result = list(files)
    index: dict[_Identity, tuple[int, KeyPath]] = {}
    for number, (file, data) in enumerate(files):
        for identity, _, path in _blocks(file, data, findings):
            index.setdefault(identity, (number, path))
    for file, data in overrides:
        for identity, body, path in _blocks(file, data, findings):
            place = index.get(identity)
            if place is not None:
                number, base_path = place
                base_file, base_data = result[number]
                result[number] = (base_file, _changed(base_data, base_path, identity, body))
            elif identity[0] == "settings":
                result.append((file, {"stack": body}))
            else:
                findings.add(
                    mistake(
                        Origin(file),
                        "Nothing to override",
                        f"No file of the module declares {'.'.join(identity)}, which this override file changes.",
                        path=path,
                        key=True,
                        remedy="Declare it in a file that is no override file.",
                    )
                )
    return result


def _blocks(file: SourceFile, data: Raw, findings: Findings) -> Iterator[tuple[_Identity, Any, KeyPath]]:
    """What can be overridden in a file: identity, body, path. Anything else an override file holds is refused."""
    if data.__class__ is not dict:
        return
    for key, value in data.items():
        if key in _LABELS:
            for labels, body, path in labelled(value, file, (key,), _LABELS[key], findings):
                alias = body.get("alias") if key == "provider" else None
                yield (key, *labels, alias) if alias.__class__ is str else (key, *labels), body, path
        elif key == "locals":
            for _, body, path in labelled(value, file, (key,), (), findings):
                for name, item in body.items():
                    if name != COMMENT:
                        yield (key, name), item, (*path, name)
        elif key in ("stack", "terraform"):
            for _, body, path in labelled(value, file, (key,), (), findings):
                yield ("settings",), body, path


def _changed(data: Any, path: KeyPath, identity: _Identity, body: Any) -> Any:
    """The data with the block at the path merged with the body; nothing that is shared is written to."""
    if not path:
        return body if identity[0] == "locals" else _merged(data, body)
    step = path[0]
    copy: Any = dict(data) if data.__class__ is dict else list(data)
    copy[step] = _changed(data[step], path[1:], identity, body)
    return copy


def _merged(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in override.items():
        result.pop(_EXCLUSIVE.get(name, ""), None)
        old = _only(base.get(name))
        new = _only(value)
        if name in ("lifecycle", "required_providers") and old.__class__ is dict and new.__class__ is dict:
            result[name] = {**old, **new}
        else:
            result[name] = value
    return result


def _only(value: Any) -> Any:
    """A block that is written as a list of one."""
    return value[0] if value.__class__ is list and len(value) == 1 else value
