"""The calls of modules from elsewhere that stand in a folder: what a package depends on."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from iacengine.addresses import ModulePath
from iacengine.config.directory import SUFFIXES
from iacengine.config.loader import load
from iacengine.config.model import ModuleCall
from iacengine.config.source import locate
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.files import DiskFiles
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.model import Dependency
from iacengine.modules.requirement import Place

SUBMODULES = "modules"
"""The folder whose folders others may call too (`//modules/NAME`), as Terraform has it for modules that are shared."""


@dataclass(frozen=True, slots=True)
class PackageCall:
    """A call of a module from elsewhere: as written, and where."""

    source: str
    constraint: str
    place: Place

    @property
    def dependency(self) -> Dependency:
        return Dependency(self.source, self.constraint)


def place_of(call: ModuleCall) -> Place:
    """Where the call's source stands."""
    range_, _ = locate(call.origin, ("source",))
    return Place(range_.path, range_.start.line, range_.start.column, call.name)


def calls_of(folder: str, subdirectory: str = "", *, strict: bool = False) -> tuple[PackageCall, ...]:
    """The calls in the modules of a package: that at its root (or the subdirectory), those in `modules/`, and all that
    these call inside the package; sorted, each source and constraint once.

    Mistakes in files are left to whoever loads them, unless `strict`. Raises DiagnosticsError for a call that leads out
    of the folder.
    """
    files = _Contained(folder)
    found: dict[tuple[str, str], PackageCall] = {}

    def note(call: ModuleCall, caller: ModulePath) -> str | None:
        del caller
        made = PackageCall(call.source, call.version or "", place_of(call))
        found.setdefault((made.source, made.constraint), made)
        return None

    start = posixpath.join(folder, subdirectory) if subdirectory else folder
    for directory in (start, *_submodules(start)):
        if any(name.endswith(SUFFIXES) for name, is_folder in files.entries(directory) if not is_folder):
            try:
                load(directory, files=files, resolve_source=note)
            except DiagnosticsError as mistakes:
                if files.escaped is not None:
                    raise leads_out(files.escaped) from None
                if strict and (left := [one for one in mistakes.diagnostics if one.summary != "Module not installed"]):
                    raise DiagnosticsError(*left) from None
    if files.escaped is not None:
        raise leads_out(files.escaped)
    return tuple(found[key] for key in sorted(found))


def leads_out(path: str) -> DiagnosticsError:
    """A package that calls what is not in it."""
    return InstallError(
        InstallFault.LEADS_OUT,
        "A module leads out of its package",
        f"A call in it names {path}, which is not part of the package.",
        remedy="What a package calls by a path has to be inside it: tell its publisher.",
    )


def _submodules(folder: str) -> Iterator[str]:
    above = posixpath.join(folder, SUBMODULES)
    if os.path.isdir(above):  # noqa: PTH112 - text
        for entry in sorted(os.listdir(above)):  # noqa: PTH208 - text
            path = posixpath.join(above, entry)
            if os.path.isdir(path) and not entry.startswith("."):  # noqa: PTH112 - text
                yield path


class _Contained(DiskFiles):
    """The files in a folder, and no others."""

    __slots__ = ("_root", "escaped")

    def __init__(self, folder: str) -> None:
        self._root = self.absolute(folder)
        self.escaped: str | None = None

    def _inside(self, path: str) -> bool:
        absolute = self.absolute(path)
        if absolute == self._root or absolute.startswith(self._root + "/"):
            return True
        self.escaped = path
        return False

    def read(self, path: str) -> bytes:
        if not self._inside(path):
            raise FileNotFoundError(path)
        return DiskFiles.read(self, path)

    def kind(self, path: str) -> str | None:
        return DiskFiles.kind(self, path) if self._inside(path) else None

    def entries(self, directory: str) -> list[tuple[str, bool]]:
        return DiskFiles.entries(self, directory) if self._inside(directory) else []
