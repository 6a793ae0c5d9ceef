"""Opening a stack: its configuration, its encryption, and where its state is."""

from __future__ import annotations

import os
from collections.abc import Callable

from iacengine.config.cache import ParseCache
from iacengine.config.directory import stack_name
from iacengine.config.model import Configuration
from iacengine.config.source import locate
from iacengine.engine.model import Engine
from iacengine.engine.modules import AS_LOCKED, ModuleOptions, load_with_modules
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings
from iacengine.state.backends.base import Backend
from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.local import LocalBackend
from iacengine.state.backends.placement import Placement
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.encryption.settings import EncryptionSettings, encryption_settings

STATE_NAME = "iac.state.json"


def open_stack(path: str = ".", *, state_path: str | None = None, modules: ModuleOptions = AS_LOCKED) -> Engine:
    """Load a stack (a directory or one file), install what it has from elsewhere, and find its state."""
    findings = Findings()
    directory = stack_directory(path)
    cache = ParseCache(os.path.join(directory, ".iac", "cache"))  # noqa: PTH118
    configuration = load_with_modules(path, directory, cache, findings, modules)
    return engine_of(configuration, path, state_path=state_path, warnings=findings.all)


def stack_directory(path: str) -> str:
    """Where a stack is that is a directory, or one file."""
    return path if os.path.isdir(path) else os.path.dirname(path)  # noqa: PTH112, PTH120 - text in, text out


def engine_of(
    configuration: Configuration,
    path: str = ".",
    *,
    state_path: str | None = None,
    warnings: tuple[Diagnostic, ...] = (),
) -> Engine:
    """The engine of a configuration that is loaded already: one made by a program, or held by a plan."""
    encryption = encryption_of(configuration)
    if state_path is not None:
        return Engine(configuration, SealedBackend(LocalBackend(state_path), encryption), path, warnings)
    settings = backend_settings(configuration, path)
    default = os.path.basename(default_state_path(configuration.directory, path))  # noqa: PTH119 - text in, text out
    placement = Placement(settings, default, open_backend)
    return Engine(configuration, SealedBackend(open_backend(settings), encryption), path, warnings, placement)


def backend_settings(configuration: Configuration, path: str) -> BackendSettings:
    """What the stack's backend block says; without one, a file beside the stack."""
    directory = configuration.directory or "."
    default = os.path.basename(default_state_path(configuration.directory, path))  # noqa: PTH119 - text in, text out
    block = configuration.root.settings.backend
    if block is None:
        return BackendSettings("local", {"path": default}, directory)

    def place(found: Diagnostic, name: str | None) -> Diagnostic:
        return found.at(*locate(block.origin.at(name) if name is not None else block.origin))

    values = dict(block.body)
    if block.type == "local":
        values.setdefault("path", default)
    return BackendSettings(block.type, values, directory, place=place)


def require_unmoved(engine: Engine) -> None:
    """Raise DiagnosticsError when the state was moved, or its backend block was changed and it was not moved along."""
    if engine.placement is not None:
        engine.placement.require_unmoved(inner_backend(engine.backend))


def inner_backend(backend: Backend) -> Backend:
    return backend.inner if isinstance(backend, SealedBackend) else backend


def remarks(backend: Backend) -> tuple[Diagnostic, ...]:
    """Warnings about what the place of the state cannot do, as far as its backend has some."""
    told: Callable[[], tuple[Diagnostic, ...]] | None = getattr(inner_backend(backend), "remarks", None)
    return told() if told is not None else ()


def encryption_of(configuration: Configuration) -> EncryptionSettings:
    """How the stack is encrypted, as its file and the environment say. Raises DiagnosticsError."""
    block = configuration.root.settings.encryption
    if block is None:
        return encryption_settings()
    try:
        return encryption_settings(
            ((block.key.kind, block.key.value),) if block.key is not None else (),
            tuple((key.kind, key.value) for key in block.previous),
            full=block.full,
            asked=True,
            directory=configuration.directory or ".",
        )
    except DiagnosticsError as found:
        place = locate(block.origin)
        raise DiagnosticsError(*(one.at(*place) for one in found.diagnostics)) from None


def default_state_path(directory: str, path: str) -> str:
    """`iac.state.json` in the stack's folder; `NAME.state.json` for a stack that is the file `NAME.iac.yaml`."""
    own = stack_name(path)
    name = f"{own}.state.json" if own else STATE_NAME
    return os.path.join(directory, name) if directory not in ("", ".") else name  # noqa: PTH118
