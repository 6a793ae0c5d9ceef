"""The stack files of a module's directory."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, near_match, warning

SUFFIXES = (".iac.yaml", ".iac.yml", ".iac.json", ".tf.json")


def stack_name(path: str) -> str:
    """The name of a stack that is one file, `NAME.iac.yaml`; "" of one that is a directory."""
    if not os.path.isfile(path):  # noqa: PTH113 - text in, text out
        return ""
    base = posixpath.basename(path)
    return next((base[: -len(end)] for end in (*SUFFIXES, ".yaml", ".yml", ".json") if base.endswith(end)), "")


class Files(Protocol):
    """The file system, as the loader asks for it (`iacengine.foundation.files.DiskFiles`)."""

    def read(self, path: str) -> bytes: ...
    def kind(self, path: str) -> str | None: ...
    def entries(self, directory: str) -> list[tuple[str, bool]]: ...
    def absolute(self, path: str) -> str: ...


@dataclass(frozen=True, slots=True)
class ModuleFiles:
    """Paths of the files to read, in the order of their names; overrides apart."""

    regular: tuple[str, ...]
    overrides: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()


def join(directory: str, name: str) -> str:
    """The path of something inside a directory, as a user would write it."""
    return posixpath.normpath(posixpath.join(directory, name))


def module_files(directory: str, files: Files) -> ModuleFiles:
    """What a directory holds. Raises DiagnosticsError when it is not there, or has no stack file."""
    kind = files.kind(directory)
    if kind != "directory":
        raise DiagnosticsError(_no_directory(directory, kind, files))
    try:
        entries = files.entries(directory)
    except OSError as failure:
        raise DiagnosticsError(
            error(
                "Cannot read a directory",
                f"{directory}: {failure.strerror or failure}.",
                remedy="Look at its permissions.",
            )
        ) from failure
    names = [name for name, is_directory in entries if not is_directory and not _is_hidden(name)]
    found = [name for name in names if name.endswith(SUFFIXES)]
    native = [name for name in names if name.endswith((".tf", ".tofu"))]
    if not found:
        raise DiagnosticsError(_no_files(directory, names, native))
    return ModuleFiles(
        regular=tuple(join(directory, name) for name in found if not _is_override(name)),
        overrides=tuple(join(directory, name) for name in found if _is_override(name)),
        warnings=(_native_ignored(directory, native),) if native else (),
    )


def _native_ignored(directory: str, native: list[str]) -> Diagnostic:
    more = f" and {len(native) - 1} more" if len(native) > 1 else ""
    return warning(
        "Files in Terraform's native syntax are not read",
        f"{join(directory, native[0])}{more} will have no effect: stack files are YAML or JSON.",
        remedy="Write what they declare as *.iac.yaml or *.tf.json.",
    )


def _is_hidden(name: str) -> bool:
    """Files of editors and of version control, as Terraform ignores them."""
    return name.startswith(".") or name.endswith("~") or (name.startswith("#") and name.endswith("#"))


def _is_override(name: str) -> bool:
    stem = name[: -len(next(suffix for suffix in SUFFIXES if name.endswith(suffix)))]
    return stem == "override" or stem.endswith("_override")


def _no_directory(directory: str, kind: str | None, files: Files) -> Diagnostic:
    if kind is not None:
        detail = f"{directory} is a {kind}, not a module's directory."
        return error("Not a directory", detail, remedy="Name the directory that holds the files of the module.")
    parent, name = posixpath.split(directory)
    near = None
    if files.kind(parent or ".") == "directory":
        siblings = [entry for entry, is_directory in files.entries(parent or ".") if is_directory]
        near = near_match(name, siblings)
    return error(
        "No such directory",
        f"There is no {directory}.",
        remedy=f"Did you mean {posixpath.join(parent, near)}?" if near else None,
    )


def _no_files(directory: str, names: list[str], native: list[str]) -> Diagnostic:
    where = "This directory" if directory == "." else directory
    if native:
        return error(
            "No stack files",
            f"{where} holds configuration in Terraform's native syntax ({', '.join(native[:3])}"
            f"{', …' if len(native) > 3 else ''}), which is not read here.",
            remedy="Write it as *.iac.yaml, or in Terraform's JSON syntax as *.tf.json.",
        )
    other = next((name for name in names if name.endswith((".yaml", ".yml"))), None)
    return error(
        "No stack files",
        f"{where} has no file whose name ends in {', '.join(SUFFIXES)}.",
        remedy=f"Rename {other} to {other.rsplit('.', 1)[0]}.iac.yaml, or name the file itself." if other else None,
    )


class SnapshotFiles:
    """Files held in memory, by path: the configuration that a saved plan was made of."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = {posixpath.normpath(path): content for path, content in contents.items()}

    def read(self, path: str) -> bytes:
        """The contents of a file. Raises FileNotFoundError."""
        try:
            return self._contents[posixpath.normpath(path)]
        except KeyError:
            raise FileNotFoundError(2, "no such file", path) from None

    def kind(self, path: str) -> str | None:
        """`file`, `directory`, or None."""
        normal = posixpath.normpath(path)
        if normal in self._contents:
            return "file"
        prefix = "" if normal == "." else f"{normal}/"
        return "directory" if any(name.startswith(prefix) for name in self._contents) else None

    def entries(self, directory: str) -> list[tuple[str, bool]]:
        """Names directly inside a directory."""
        normal = posixpath.normpath(directory)
        prefix = "" if normal == "." else f"{normal}/"
        found: dict[str, bool] = {}
        for name in self._contents:
            if name.startswith(prefix):
                first, slash, _ = name[len(prefix) :].partition("/")
                found[first] = bool(slash)
        return sorted(found.items())

    def absolute(self, path: str) -> str:
        """The path itself: a snapshot has no place."""
        return posixpath.normpath(path)
