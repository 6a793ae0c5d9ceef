"""From a path to a `Configuration`: the root module, and every module it calls, directly or not."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from iacengine.addresses import ModulePath, module_path_text
from iacengine.config.assembly import assemble
from iacengine.config.cache import ParseCache
from iacengine.config.decode import decode
from iacengine.config.decode_module import is_local
from iacengine.config.directory import Files, ModuleFiles, SnapshotFiles, join, module_files
from iacengine.config.model import Configuration, Module, ModuleCall, SourceFile
from iacengine.config.overrides import Parsed, apply_overrides
from iacengine.config.source import locate, mistake, parse, source_file
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, error, near_match, warning
from iacengine.foundation.files import DiskFiles
from iacengine.foundation.garbage import collection_paused

ResolveSource = Callable[[ModuleCall, ModulePath], str | None]
"""The directory of a module that is no local path, as installed; None when it is not installed. May raise
DiagnosticsError. The path is that of the calling module."""

MAX_DEPTH = 64
"""Levels of module calls."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All a configuration was loaded from: the path that was named, the files, and where each module is."""

    path: str
    files: tuple[tuple[str, bytes], ...]
    directories: Mapping[ModulePath, str]


def load(
    path: str = ".",
    *,
    files: Files | None = None,
    resolve_source: ResolveSource | None = None,
    cache: ParseCache | None = None,
    findings: Findings | None = None,
) -> Configuration:
    """The configuration of a directory, or of one file.

    Warnings are added to `findings`. Raises DiagnosticsError with everything found when there is a mistake.
    """
    collected = Findings() if findings is None else findings
    loader = _Loader(files or DiskFiles(), resolve_source, cache, collected)
    with collection_paused():
        configuration = loader.configuration(path)
    collected.raise_errors()
    return configuration


def snapshot(configuration: Configuration, path: str = ".") -> Snapshot:
    """What `from_snapshot` needs to load the same configuration again. `path`: what was given to `load`."""
    return Snapshot(
        path,
        tuple((file.path, file.text) for file in configuration.files),
        {module_path: module.directory for module_path, module in configuration.modules.items()},
    )


def from_snapshot(held: Snapshot) -> Configuration:
    """The configuration a snapshot was taken of; nothing else is read. Raises DiagnosticsError."""

    def resolve(call: ModuleCall, caller: ModulePath) -> str | None:
        return held.directories.get((*caller, call.name))

    return load(held.path, files=SnapshotFiles(dict(held.files)), resolve_source=resolve)


class _Loader:
    """One load: what was read already, and where we are."""

    def __init__(
        self, files: Files, resolve_source: ResolveSource | None, cache: ParseCache | None, findings: Findings
    ) -> None:
        self._files = files
        self._resolve = resolve_source
        self._cache = cache
        self._findings = findings
        self._read: dict[str, SourceFile] = {}
        self._modules: dict[str, Module] = {}  # by directory: a module that is called often is read once
        self._tree: dict[ModulePath, Module] = {}

    def configuration(self, path: str) -> Configuration:
        path = posixpath.normpath(path)
        if self._files.kind(path) == "file":
            directory = posixpath.dirname(path) or "."
            module = self._module(directory, ModuleFiles((path,), ()))
        else:
            directory = path
            if self._files.kind(path) is None and "." in posixpath.basename(path):
                raise DiagnosticsError(self._no_file(path))
            module = self._module(directory, module_files(directory, self._files))
        root = self._with_children(module, (), (self._files.absolute(directory),))
        read = tuple(self._read[name] for name in sorted(self._read))
        return Configuration(root, directory, read, digest(read), dict(self._tree))

    def _no_file(self, path: str) -> Diagnostic:
        folder = posixpath.dirname(path) or "."
        names = [name for name, _ in self._files.entries(folder)] if self._files.kind(folder) == "directory" else []
        near = near_match(posixpath.basename(path), names)
        return error(
            "No such file", f"There is no {path}.", remedy=f"Did you mean {join(folder, near)}?" if near else None
        )

    def _module(self, directory: str, paths: ModuleFiles) -> Module:
        self._findings.extend(paths.warnings)
        parsed = self._parsed(paths.regular)
        parsed = apply_overrides(parsed, self._parsed(paths.overrides), self._findings)
        fragments = [decode(file, data, self._findings) for file, data in parsed]
        module = assemble((), directory, fragments, self._findings)
        self._modules[directory] = module
        return module

    def _parsed(self, paths: Iterable[str]) -> list[Parsed]:
        found: list[Parsed] = []
        for path in paths:
            try:
                text = self._files.read(path)
            except OSError as failure:
                detail = f"{path}: {failure.strerror or failure}."
                self._findings.add(error("Cannot read a file", detail, remedy="Look at its permissions."))
                continue
            file = self._read[path] = source_file(path, text)
            try:
                found.append((file, parse(file) if self._cache is None else self._cache.data(file, parse)))
            except DiagnosticsError as failure:
                self._findings.extend(failure.diagnostics)
        return found

    def _with_children(self, module: Module, path: ModulePath, above: tuple[str, ...]) -> Module:
        """The module at its place in the tree, its calls followed. `above`: absolute directories, for cycles."""
        children: dict[str, Module] = {}
        self._ignored_settings(module, path)
        self._tree[path] = module  # keeps the order: parents first
        for name in sorted(module.calls):
            call = module.calls[name]
            child = self._child(module, call, path, above)
            if child is not None:
                children[name] = child
        placed = replace(module, path=path, children=children)
        self._tree[path] = placed
        return placed

    def _ignored_settings(self, module: Module, path: ModulePath) -> None:
        backend = module.settings.backend
        if path and backend is not None:
            self._findings.add(
                warning(
                    "The backend of a called module is ignored",
                    f"{module_path_text(path)} is not the root module, whose state holds everything.",
                    remedy="Remove it there.",
                ).at(*locate(backend.origin, key=True))
            )

    def _child(self, module: Module, call: ModuleCall, path: ModulePath, above: tuple[str, ...]) -> Module | None:
        directory = self._directory(module, call, path)
        if directory is None:
            return None
        absolute = self._files.absolute(directory)
        if absolute in above or len(above) > MAX_DEPTH:
            chain = " → ".join([*above[above.index(absolute) :], absolute] if absolute in above else above[-3:])
            self._findings.add(
                mistake(
                    call.origin,
                    "A module calls itself",
                    f"{module_path_text((*path, call.name))} leads back to a module that it is part of: {chain}.",
                    path=("source",),
                    remedy="Move what both need into a module of its own.",
                )
            )
            return None
        found = self._modules.get(directory)
        if found is None:
            try:
                found = self._module(directory, module_files(directory, self._files))
            except DiagnosticsError as failure:
                place = locate(call.origin, ("source",))
                self._findings.extend(diagnostic.at(*place) for diagnostic in failure.diagnostics)
                return None
        return self._with_children(found, (*path, call.name), (*above, absolute))

    def _directory(self, module: Module, call: ModuleCall, path: ModulePath) -> str | None:
        if not call.source:
            return None  # noted when it was decoded
        if is_local(call.source):
            return join(module.directory, call.source)
        try:
            directory = self._resolve(call, path) if self._resolve is not None else None
        except DiagnosticsError as failure:
            place = locate(call.origin, ("source",))
            self._findings.extend(diagnostic.at(*place) for diagnostic in failure.diagnostics)
            return None
        if directory is None:
            self._findings.add(self._not_installed(module, call, path))
        return directory

    def _not_installed(self, module: Module, call: ModuleCall, path: ModulePath) -> Diagnostic:
        if self._files.kind(join(module.directory, call.source)) == "directory":
            remedy = f'For the directory of this stack write "./{call.source}".'
        else:
            remedy = "Run `iac init`."
        return mistake(
            call.origin,
            "Module not installed",
            f'{module_path_text((*path, call.name))} comes from "{call.source}", which is not installed.',
            path=("source",),
            remedy=remedy,
        )


def digest(files: Iterable[SourceFile]) -> str:
    """One digest over the names and contents of all files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.path}\0{file.digest}\n".encode())
    return whole.hexdigest()
