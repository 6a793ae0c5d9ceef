"""Loading a configuration whose modules may come from elsewhere. What that needs is imported with the first one."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iacengine.addresses import ModulePath
from iacengine.config.cache import ParseCache
from iacengine.config.loader import load
from iacengine.config.model import Configuration, ModuleCall
from iacengine.foundation.diagnostics import DiagnosticsError, Findings

if TYPE_CHECKING:
    from iacengine.modules.install import Modules
    from iacengine.modules.lockfile import Lock


@dataclass(frozen=True, slots=True)
class ModuleOptions:
    """How to install modules from elsewhere.

    `frozen`: fail rather than change the lock file, and require it to be right about providers. `accepted`: ids of keys
    to trust from now on. `progress` is told of downloads: name, bytes, of how many.
    """

    frozen: bool = False
    accepted: tuple[str, ...] = ()
    progress: Callable[[str, int, int | None], None] | None = None


AS_LOCKED = ModuleOptions()


def load_with_modules(
    path: str, directory: str, cache: ParseCache, findings: Findings, options: ModuleOptions
) -> Configuration:
    """The configuration of a stack; modules from elsewhere are verified, and installed when they are not there yet.

    Raises DiagnosticsError.
    """
    opened: list[Modules] = []

    def resolve(call: ModuleCall, caller: ModulePath) -> str | None:
        if not opened:
            opened.append(open_modules(path, directory, options))
        return opened[0].directory(call, caller)

    try:
        configuration = _loaded(path, cache, findings, resolve, opened)
        if opened:
            opened[0].check(configuration)
    finally:
        for modules in opened:
            modules.close()
    if options.frozen:
        require_locked_providers(configuration)
    return configuration


def _loaded(
    path: str,
    cache: ParseCache,
    findings: Findings,
    resolve: Callable[[ModuleCall, ModulePath], str | None],
    opened: list[Modules],
) -> Configuration:
    """Load; and load again when modules were installed meanwhile, which may have changed those that came before."""
    first = Findings()
    try:
        configuration = load(path, cache=cache, findings=first, resolve_source=resolve)
    except DiagnosticsError:
        if not opened or not opened[0].took_changes():
            raise
    else:
        if not opened or not opened[0].took_changes():
            findings.extend(first.all)
            return configuration
    return load(path, cache=cache, findings=findings, resolve_source=resolve)


def open_modules(path: str, directory: str, options: ModuleOptions = AS_LOCKED) -> Modules:
    """The modules from elsewhere of a stack. Close them."""
    from iacengine.modules.install import InstallOptions, Modules  # lazy: most stacks have none
    from iacengine.modules.progress import nobody

    return Modules(path, directory, InstallOptions(options.frozen, options.accepted, options.progress or nobody))


def require_locked_providers(configuration: Configuration) -> None:
    """Raise DiagnosticsError unless the installed providers are those of the lock file."""
    from iacengine.modules.lockfile import read_lock, require_same, sorted_lock  # lazy, as above
    from iacengine.modules.provider_lock import locked_providers, provider_plugins

    lock = read_lock(configuration.directory)
    installed = locked_providers(provider_plugins(configuration))
    require_same(lock, sorted_lock(lock.modules, installed, lock.path))


def install(
    path: str, directory: str, options: ModuleOptions, upgrade: Sequence[str] | None = None
) -> tuple[Configuration, Lock, tuple[str, ...]]:
    """Install everything that a stack needs and write the lock file, with the providers that are installed.

    `upgrade` names the modules that may have newer versions than the locked ones; an empty list means all. Returns the
    configuration, the lock, and a text for each change of it. Raises DiagnosticsError.
    """
    from iacengine.modules.lockfile import describe_changes, read_lock, require_same, sorted_lock, write_lock  # lazy
    from iacengine.modules.provider_lock import locked_providers, provider_plugins

    before = read_lock(directory)
    cache = ParseCache(posixpath.join(directory, ".iac", "cache"))
    modules = open_modules(path, directory, options)
    try:
        modules.install(upgrade)
        configuration = load(path, cache=cache, resolve_source=modules.directory)
        modules.check(configuration)
    finally:
        modules.close()
    providers = locked_providers(provider_plugins(configuration))
    lock = sorted_lock(modules.lock.modules, providers, before.path)
    if options.frozen:
        require_same(before, lock)
    elif describe_changes(before, lock):
        write_lock(lock)
    return configuration, lock, tuple(describe_changes(before, lock))
