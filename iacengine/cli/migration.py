"""Moving a stack from Terraform's JSON files to YAML: what is to be written, whether it may be, and the writing.

Without an output directory the stack is rewritten where it is, and each JSON file is kept as `NAME.tf.json.bak`, which
neither engine reads. With one, the originals stay as they are, and whatever else lies with them is copied along.
Nothing is written before both forms were loaded and found to mean the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from iacengine import engine
from iacengine.addresses import ModulePath, module_path_text, parse_provider_reference
from iacengine.config.loader import load
from iacengine.config.migration import MigratedFiles, difference, migrated_text, yaml_name
from iacengine.config.model import Configuration, ModuleCall
from iacengine.config.source import parse
from iacengine.foundation.diagnostics import (
    Diagnostic,
    DiagnosticsError,
    Findings,
    Severity,
    error,
    failure,
    some,
    warning,
)
from iacengine.foundation.files import DiskFiles
from iacengine.provider.discovery import find_plugin
from iacengine.state.model import State

BACKUP = ".bak"
_NATIVE = (".tf", ".tofu")
_ELSEWHERE = ".iac-not-installed"
_NEVER_COPIED = ("iac.state.json",)
_CONVERT = (
    "Convert it first, for example with hcl2json (https://github.com/tmccombs/hcl2json): "
    "`hcl2json main.tf > main.tf.json` for each file; move the .tf files away, and run `iac migrate` again."
)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One file: where it is, where its YAML goes, and that YAML."""

    source: Path
    target: Path
    text: bytes

    @property
    def backup(self) -> Path:
        return self.source.with_name(self.source.name + BACKUP)


@dataclass(frozen=True, slots=True, eq=False)
class Migration:
    """What there is to do. `copies` are other files and where they go, when the stack goes to another directory."""

    directory: Path
    out: Path
    configuration: Configuration
    rewrites: tuple[Rewrite, ...]
    copies: tuple[tuple[Path, Path], ...] = ()
    warnings: tuple[Diagnostic, ...] = field(default=())

    @property
    def in_place(self) -> bool:
        return self.directory.resolve() == self.out.resolve()

    def stack(self) -> engine.Engine:
        """The stack as it will be. Raises DiagnosticsError for a backend that is not known."""
        return engine.engine_of(replace(self.configuration, directory=str(self.out)), str(self.out))


def prepare(directory: str, out: str | None) -> Migration:
    """Read a stack, and find out what has to be written. Raises DiagnosticsError with all that is in the way."""
    source = Path(directory)
    if source.is_file():
        raise failure(
            "Not a directory", f"{directory} is a file.", remedy="Name the directory of the stack that it is part of."
        )
    if source.is_dir():
        _refuse_native([source])
    findings = Findings()
    configuration = _loaded(directory, DiskFiles(), findings)
    _refuse_native([Path(module.directory) for module in configuration.root.walk()])
    target = source if out is None else Path(out)
    rewrites = _rewrites(configuration, source, target, findings)
    after = _loaded(
        directory,
        MigratedFiles(
            DiskFiles(),
            {str(one.source.with_name(one.target.name)): one.text for one in rewrites},
            frozenset(os.path.normpath(one.source) for one in rewrites),
        ),
        Findings(),
    )
    different = difference(configuration, after)
    if different is not None:
        raise failure(
            "Cannot migrate the stack",
            f"The YAML would not mean the same as the JSON at {different}, so nothing was written.",
            remedy="Please report it, with the files: this is a mistake of iacengine.",
        )
    migration = Migration(source, target, configuration, rewrites, warnings=_warnings(configuration, findings))
    return migration if migration.in_place else replace(migration, copies=_copies(migration))


def _loaded(directory: str, files: DiskFiles | MigratedFiles, findings: Findings) -> Configuration:
    """The configuration; modules that have to be installed count as empty ones."""
    empty = os.path.join(directory, _ELSEWHERE)  # noqa: PTH118 - the loader's paths are texts

    def resolve(call: ModuleCall, caller: ModulePath) -> str:
        findings.add(
            warning(
                "Module not looked at",
                f'{module_path_text((*caller, call.name))} comes from "{call.source}", which is not part of the stack.',
                remedy="It is used as it is, once it is installed.",
            )
        )
        return empty

    nothing = {os.path.join(empty, "empty.iac.yaml"): b""}  # noqa: PTH118
    try:
        return load(directory, files=MigratedFiles(files, nothing, frozenset()), resolve_source=resolve)
    except DiagnosticsError as problem:
        native = _native_below(Path(directory))
        if not native:
            raise
        raise DiagnosticsError(*problem.diagnostics, _native(native)) from None


def _rewrites(configuration: Configuration, source: Path, out: Path, findings: Findings) -> tuple[Rewrite, ...]:
    found: list[Rewrite] = []
    for file in configuration.files:
        path = Path(file.path)
        name = yaml_name(path.name)
        inside = os.path.relpath(path.parent, source)
        if path.parent.name == _ELSEWHERE:
            continue
        if Path(inside).parts[:1] == (os.pardir,):
            _check_outside(path, source, out)
            if name is not None:
                findings.add(
                    warning(
                        "File left as it is",
                        f"{path} is outside of {source}, where other stacks may use it; it is read as JSON.",
                    )
                )
        elif name is not None:
            text = migrated_text(parse(file)).encode()
            found.append(Rewrite(path, Path(os.path.normpath(out / inside / name)), text))
    return tuple(found)


def _check_outside(path: Path, source: Path, out: Path) -> None:
    """A module outside of the stack's directory has to be found from the new one in the same way."""
    way = os.path.relpath(path.parent.resolve(), source.resolve())
    if Path(os.path.normpath(out.resolve() / way)) != path.parent.resolve():
        raise failure(
            "A module is outside of the stack",
            f"{path.parent} is outside of {source}: from {out} it would not be found.",
            remedy=f"Leave out --out, or name a directory beside {source}.",
        )


def _warnings(configuration: Configuration, findings: Findings) -> tuple[Diagnostic, ...]:
    try:
        engine.engine_of(configuration)
    except DiagnosticsError as problem:
        findings.extend(replace(one, severity=Severity.WARNING) for one in problem.diagnostics)
    return findings.all


# --- native syntax ----------------------------------------------------------------------------------------------------


def _refuse_native(directories: list[Path]) -> None:
    native = [
        path
        for directory in dict.fromkeys(directories)
        if directory.is_dir()
        for path in sorted(directory.iterdir())
        if path.name.endswith(_NATIVE) and not path.name.startswith(".") and path.is_file()
    ]
    if native:
        raise DiagnosticsError(_native(native))


def _native_below(directory: Path) -> list[Path]:
    """Files in the native syntax in a directory and those below, hidden ones left out."""
    found: list[Path] = []
    for folder, below, names in os.walk(directory):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(names) if name.endswith(_NATIVE)]
    return found


def _native(paths: list[Path]) -> Diagnostic:
    return error(
        "Files in Terraform's native syntax",
        f"Only Terraform's JSON syntax is read, and {some(paths, 3)} {'is' if len(paths) == 1 else 'are'} not written "
        "in it.",
        remedy=_CONVERT,
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def _copies(migration: Migration) -> tuple[tuple[Path, Path], ...]:
    """The other files of the stack (variables, templates, …), without hidden ones and states."""
    rewritten = {one.source.resolve() for one in migration.rewrites}
    out = migration.out.resolve()
    found: list[tuple[Path, Path]] = []
    for folder, below, names in os.walk(migration.directory):
        below[:] = sorted(name for name in below if not name.startswith(".") and Path(folder, name).resolve() != out)
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith((".", *_NEVER_COPIED)) or ".tfstate" in name or not path.is_file():
                continue
            if path.resolve() not in rewritten:
                found.append((path, migration.out / path.relative_to(migration.directory)))
    return tuple(found)


def refuse_overwriting(migration: Migration) -> None:
    """Raises DiagnosticsError when something that would be written is there already, and is something else."""
    taken = [one.target for one in migration.rewrites if _differs(one.target, one.text)]
    if migration.in_place:
        taken += [one.backup for one in migration.rewrites if os.path.lexists(one.backup)]
    taken += [target for source, target in migration.copies if _differs(target, source.read_bytes())]
    if taken:
        raise failure(
            "Files are there already",
            f"{some(taken, 3)} would be overwritten, so nothing was written.",
            remedy="Name another directory with --out, or add --force to overwrite them.",
        )


def _differs(path: Path, text: bytes) -> bool:
    return os.path.lexists(path) and not (path.is_file() and path.read_bytes() == text)


def write(migration: Migration) -> None:
    """Write the YAML files, each whole or not at all. Raises DiagnosticsError when that cannot be done."""
    path = migration.out
    try:
        for source, path in migration.copies:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path)
        for one in migration.rewrites:
            path = one.target
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, one.text, one.source)
        for one in migration.rewrites if migration.in_place else ():
            path = one.backup
            one.source.replace(path)
    except OSError as problem:
        raise failure(
            "File cannot be written",
            f"{path}: {problem.strerror}. All JSON files are still there, some perhaps as *{BACKUP}.",
            remedy="Make room or give the permission, and run it again with --force.",
        ) from None


def _replace(path: Path, text: bytes, like: Path) -> None:
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        shutil.copymode(like, fresh)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


# --- state ------------------------------------------------------------------------------------------------------------


def find_state_file(path: str, directory: str) -> str:
    """The state file as named: from the working directory, or else from the stack's."""
    beside = os.path.join(directory, path)  # noqa: PTH118 - text in, text out
    return beside if not os.path.exists(path) and os.path.exists(beside) else path  # noqa: PTH110


def refuse_other_state(stack: engine.Engine, state_file: str, *, force: bool) -> None:
    """Raises DiagnosticsError when the stack has a state already, or something else lies in its place."""
    place = stack.backend.describe()
    if os.path.realpath(place) == os.path.realpath(state_file):
        raise failure(
            "The backend names the file of Terraform's state",
            f"The stack would keep its state in {place}, where Terraform's is; that one is never overwritten.",
            remedy="Give the backend another path, such as iac.state.json, or remove it from the terraform block.",
        )
    stored = engine.read_state(stack)
    if stored is not None and not force:
        raise failure(
            "The stack has a state already",
            f"{place} holds {len(stored.objects)} objects, with the serial {stored.serial}.",
            remedy="Leave out --state to keep it, or add --force to replace it.",
        )


def missing_providers(state: State) -> list[Diagnostic]:
    """A warning for every provider of objects of the state that is not installed."""
    found: list[Diagnostic] = []
    for source in sorted({parse_provider_reference(obj.provider).source for obj in state.objects.values()}):
        try:
            find_plugin(source)
        except DiagnosticsError as problem:
            found.extend(replace(one, severity=Severity.WARNING) for one in problem.diagnostics)
    return found
