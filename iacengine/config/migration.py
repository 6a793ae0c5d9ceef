"""From files in Terraform's JSON syntax to YAML stack files that mean the same.

Each file becomes one YAML file of the same stem, so that a module stays divided as its authors divided it. In a file,
blocks of one kind stand together, in the order of `SECTIONS`. Lists around single blocks, which converters from
Terraform's native syntax write everywhere, are taken away; properties `//` become comments where they are ones.

Whether both mean the same is not believed but looked at: `difference` compares the loaded configurations.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from iacengine.config.block_reader import COMMENT
from iacengine.config.directory import Files
from iacengine.config.model import Configuration, Raw
from iacengine.config.yaml_document import Block, yaml_document

JSON_SUFFIXES = (".tf.json", ".iac.json")
YAML_SUFFIX = ".iac.yaml"

SECTIONS = (
    "stack",
    "terraform",
    "variable",
    "locals",
    "provider",
    "module",
    "data",
    "ephemeral",
    "resource",
    "output",
    "check",
    "moved",
    "removed",
    "import",
)
_LABELS = {
    **dict.fromkeys(("resource", "data", "ephemeral"), 2),
    **dict.fromkeys(("variable", "provider", "module", "output", "check"), 1),
}
_CONDITIONS = ("validation", "precondition", "postcondition", "assert")


def yaml_name(name: str) -> str | None:
    """The name of the YAML file that stands in for a JSON file; None when the name is not that of one."""
    for suffix in JSON_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix) + YAML_SUFFIX
    return None


def migrated_text(data: Raw) -> str:
    """The YAML text of the data of a JSON file, which has to be one that loads."""
    return yaml_document(arranged(data))


def arranged(data: Raw) -> Block:
    """The data of a file with its blocks in order, each a `Block` where `//` is a comment in it."""
    bodies = data if isinstance(data, list) else [data]
    found: dict[str, list[Any]] = {}
    comments: list[Any] = []
    for body in bodies:
        for key, value in (body or {}).items():
            if key == COMMENT:
                comments.append(value)
            else:
                found.setdefault(key, []).append(value)
    result = Block(is_spaced=True)
    if comments:
        result[COMMENT] = comments
    for key in (*(key for key in found if key not in SECTIONS), *(key for key in SECTIONS if key in found)):
        section = _section(key, found[key])
        if section is not None:
            result[key] = section
    return result


def _section(key: str, values: list[Any]) -> Any:
    """All blocks of a kind; None when there are none."""
    if key in _LABELS:
        return _labelled(values, _LABELS[key], _BODIES.get(key, Block)) or None
    if key == "locals":
        merged = Block()
        for body in _bodies(values):
            _take(merged, body)
        return merged or None
    if key not in _BODIES:
        return values[0]  # a key that begins with x-: nobody but its author knows what it holds
    return _unwrapped([_BODIES[key](body) for body in _bodies(values)])


def _labelled(values: list[Any], depth: int, make: Callable[[Mapping[str, Raw]], Block]) -> Block:
    """Blocks under their labels, whatever lists these were spread over."""
    result = Block(is_spaced=True)
    found: dict[str, list[Any]] = {}
    for group in _bodies(values):
        for name, inner in group.items():
            if name == COMMENT:
                _take(result, {COMMENT: inner})
            else:
                found.setdefault(name, []).append(inner)
    for name, inner in found.items():
        if depth > 1:
            result[name] = _labelled(inner, depth - 1, make)
        else:
            result[name] = _unwrapped([make(body) for body in _bodies(inner)])
    return Block({name: value for name, value in result.items() if value is not None}, is_spaced=True)


def _bodies(values: list[Any]) -> list[Mapping[str, Raw]]:
    """The objects of a list whose elements are objects, lists of such, or null."""
    return [
        body for value in values for body in (value if isinstance(value, list) else [value]) if isinstance(body, dict)
    ]


def _unwrapped(bodies: list[Any]) -> Any:
    """The only one of its kind without a list around it; None when there is none."""
    return bodies if len(bodies) > 1 else bodies[0] if bodies else None


def _take(target: Block, entries: Mapping[str, Raw]) -> None:
    for name, value in entries.items():
        if name == COMMENT and COMMENT in target:
            known = target[COMMENT]
            target[COMMENT] = [*(known if isinstance(known, list) else [known]), value]
        else:
            target[name] = value


# --- bodies -----------------------------------------------------------------------------------------------------------


def _with_blocks(body: Mapping[str, Raw], makers: Mapping[str, Callable[[Mapping[str, Raw]], Block]]) -> Block:
    """The body, with the nested blocks that are known to be ones made of the data under their names."""
    result = Block(body)
    for name, make in makers.items():
        if name in result:
            result[name] = _unwrapped([make(inner) for inner in _bodies([result[name]])])
            if result[name] is None:
                del result[name]
    return result


def _with_conditions(body: Mapping[str, Raw]) -> Block:
    return _with_blocks(body, dict.fromkeys(_CONDITIONS, Block))


def _resource(body: Mapping[str, Raw]) -> Block:
    return _with_blocks(body, {"lifecycle": _with_conditions})


def _removed(body: Mapping[str, Raw]) -> Block:
    return _with_blocks(body, {"lifecycle": Block})


def _check(body: Mapping[str, Raw]) -> Block:
    result = _with_conditions(body)
    if result.get("data") is not None:
        result["data"] = _labelled([result["data"]], 2, _resource)
    return result


def _settings(body: Mapping[str, Raw]) -> Block:
    return _with_blocks(body, {"required_providers": _block_of_blocks, "backend": _block_of_blocks})


def _block_of_blocks(body: Mapping[str, Raw]) -> Block:
    result = Block(body)
    for name, value in result.items():
        if name != COMMENT:
            bodies = _bodies([value])
            result[name] = Block(bodies[0]) if len(bodies) == 1 else value
    return result


_BODIES: dict[str, Callable[[Mapping[str, Raw]], Block]] = {
    **dict.fromkeys(("resource", "data", "ephemeral"), _resource),
    **dict.fromkeys(("variable", "output"), _with_conditions),
    **dict.fromkeys(("stack", "terraform"), _settings),
    **dict.fromkeys(("moved", "import"), Block),
    "check": _check,
    "removed": _removed,
}


# --- comparing --------------------------------------------------------------------------------------------------------


_PLACES = frozenset(("origin", "file", "files", "digest"))


def difference(before: Configuration, after: Configuration) -> str | None:
    """Where two configurations mean different things, as a path; None when they mean the same.

    Files and places in them count for nothing.
    """
    return _difference(before, after, "configuration")


def _difference(a: Any, b: Any, path: str) -> str | None:
    if a.__class__ is not b.__class__:
        return path
    if dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a) if field.name not in _PLACES]
        pairs = [(getattr(a, name), getattr(b, name), f"{path}.{name}") for name in names]
    elif isinstance(a, Mapping):
        if a.keys() != b.keys():
            return f"{path}: {', '.join(sorted(map(str, a.keys() ^ b.keys())))}"
        pairs = [(value, b[name], f"{path}.{name}") for name, value in a.items()]
    elif isinstance(a, list | tuple):
        if len(a) != len(b):
            return path
        pairs = [(one, other, f"{path}[{index}]") for index, (one, other) in enumerate(zip(a, b, strict=True))]
    else:
        return None if a == b else path
    return next((found for one, other, inner in pairs if (found := _difference(one, other, inner))), None)


class MigratedFiles:
    """The file system as it will be: some files hold other texts, some are there that are not yet, some are gone."""

    def __init__(self, files: Files, written: Mapping[str, bytes], gone: frozenset[str]) -> None:
        self._files = files
        self._written = {posixpath.normpath(path): text for path, text in written.items()}
        self._gone = gone

    def read(self, path: str) -> bytes:
        """The contents of a file. Raises OSError."""
        text = self._written.get(posixpath.normpath(path))
        return self._files.read(path) if text is None else text

    def kind(self, path: str) -> str | None:
        normal = posixpath.normpath(path)
        if normal in self._written:
            return "file"
        if any(posixpath.dirname(name) == normal for name in self._written):
            return "directory"
        return None if normal in self._gone else self._files.kind(path)

    def entries(self, directory: str) -> list[tuple[str, bool]]:
        normal = posixpath.normpath(directory)
        present = dict(self._files.entries(directory)) if self._files.kind(directory) == "directory" else {}
        for name in self._gone:
            if (posixpath.dirname(name) or ".") == normal:
                present.pop(posixpath.basename(name), None)
        for name in self._written:
            if (posixpath.dirname(name) or ".") == normal:
                present[posixpath.basename(name)] = False
        return sorted(present.items())

    def absolute(self, path: str) -> str:
        return self._files.absolute(path)
