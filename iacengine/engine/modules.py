"""Loading a configuration whose modules may come from elsewhere. What that needs is imported with the first one."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iacengine.addresses import ModulePath
from iacengine.config.cache import ParseCache
from iacengine.config.directory import stack_name
from iacengine.config.loader import load
from iacengine.config.model import Configuration, ModuleCall
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, warning

if TYPE_CHECKING:
    from iacengine.modules.install import Modules
    from iacengine.modules.lockfile import Lock

_INSTALLED = ".iac/modules/"
"""Below the stack's folder: links to the trees of modules, named by them (`iacengine.modules.install`)."""


@dataclass(frozen=True, slots=True)
class ModuleOptions:
    """How to install modules from elsewhere.

    `frozen`: fail rather than change the lock file, and require it to be right about providers. `accepted`: ids of keys
    to trust from now on. `progress` is told of downloads: name, bytes, of how many. `checks_providers`: warn when they
    are not those that are locked.
    """

    frozen: bool = False
    accepted: tuple[str, ...] = ()
    progress: Callable[[str, int, int | None], None] | None = None
    checks_providers: bool = False


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
        require_locked_providers(path, configuration)
    elif opened and opened[0].is_installed:
        lock_providers(path, configuration)
    elif options.checks_providers and _has_lock(path, directory):
        findings.extend(provider_warnings(path, configuration))
    return configuration


def _has_lock(path: str, directory: str) -> bool:
    """Whether there is a lock file; `iacengine.modules.lockfile`, which names it, is for stacks that have one."""
    name = stack_name(path) or "iac"
    return os.path.exists(os.path.join(directory, f"{name}.lock.yaml"))  # noqa: PTH110, PTH118 - text


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


def require_locked_providers(path: str, configuration: Configuration) -> None:
    """Raise DiagnosticsError unless the installed providers are those of the lock file."""
    from iacengine.modules.lockfile import require_same  # lazy, as above

    lock, installed = _with_installed_providers(path, configuration)
    require_same(lock, installed)


def lock_providers(path: str, configuration: Configuration) -> None:
    """Write the installed providers into the lock file, which was just made for the modules."""
    from iacengine.modules.lockfile import write_lock  # lazy, as above

    with contextlib.suppress(DiagnosticsError):  # whoever needs a provider that is not installed is told then
        write_lock(_with_installed_providers(path, configuration)[1])


def provider_warnings(path: str, configuration: Configuration) -> list[Diagnostic]:
    """A warning for each provider that is locked, and installed otherwise."""
    try:
        lock, installed = _with_installed_providers(path, configuration)
    except DiagnosticsError:
        return []  # a provider that is not installed: told by whoever needs it
    found = {one.source: one for one in installed.providers}
    return [
        warning(
            "A provider is not the one that is locked",
            f"{lock.path} has {was.source} {was.version}; installed is {is_.version}"
            + (", with other files." if is_.version == was.version else "."),
            remedy="Install what is locked, or take what is installed into the lock file: `iac init`.",
        )
        for was in lock.providers
        if (is_ := found.get(was.source)) is not None and is_ != was
    ]


def _with_installed_providers(path: str, configuration: Configuration) -> tuple[Lock, Lock]:
    """The lock file as it is, and as it were with the providers that are installed."""
    from iacengine.modules.lockfile import read_lock, sorted_lock  # lazy, as above
    from iacengine.modules.provider_lock import locked_providers, provider_plugins

    lock = read_lock(path)
    return lock, sorted_lock(lock.modules, locked_providers(provider_plugins(configuration)), lock.path)


def verify_held_modules(configuration: Configuration) -> None:
    """Verify the files of modules from elsewhere that a saved plan was made of: functions read some while applying.

    Where they are not on this machine nothing can be read of them. Raises DiagnosticsError.
    """
    links = {
        f"{above}{_INSTALLED}{below.partition('/')[0]}"
        for module in configuration.modules.values()
        for above, mark, below in (module.directory.partition(_INSTALLED),)
        if mark
    }
    for link in sorted(links):
        if os.path.lexists(link):
            _verify_link(link)


def _verify_link(link: str) -> None:
    from iacengine.modules.install_error import InstallError, InstallFault  # lazy: most stacks have no modules
    from iacengine.modules.package import verify_tree

    target = os.readlink(link) if os.path.islink(link) else ""  # noqa: PTH114, PTH115 - text
    digest = posixpath.basename(target)
    if not digest or not link.endswith(f"-{digest[:12]}"):
        raise InstallError(
            InstallFault.LOCKED_DIFFERS,
            "A module is not the one that was planned",
            f"{link} does not lead to the files that the plan was made of.",
            remedy="Run `iac init`, and plan again.",
        )
    verify_tree(target, f"sha256:{digest}")


@dataclass(frozen=True, slots=True)
class InstalledStack:
    """A stack with all it needs. `changes` of the lock file are texts, `providers` are versions by address."""

    configuration: Configuration
    lock: Lock
    changes: tuple[str, ...]
    providers: Mapping[str, str]


def install(path: str, directory: str, options: ModuleOptions, upgrade: Sequence[str] | None = None) -> InstalledStack:
    """Install everything that a stack needs and write the lock file, with the providers that are installed.

    `upgrade` names the modules that may have newer versions than the locked ones; an empty list means all. Raises
    DiagnosticsError; VerificationError of the one module that is refused first.
    """
    from iacengine.modules.lockfile import describe_changes, read_lock, require_same, sorted_lock, write_lock  # lazy
    from iacengine.modules.provider_lock import locked_providers, provider_plugins

    before = read_lock(path)
    cache = ParseCache(posixpath.join(directory, ".iac", "cache"))
    modules = open_modules(path, directory, options)
    try:
        modules.install(upgrade)
        configuration = load(path, cache=cache, resolve_source=modules.directory)
        modules.check(configuration)
    finally:
        modules.close()
    plugins = provider_plugins(configuration)
    lock = sorted_lock(modules.lock.modules, locked_providers(plugins), before.path)
    changes = tuple(describe_changes(before, lock))
    if options.frozen:
        require_same(before, lock)
    elif changes:
        write_lock(lock)
    return InstalledStack(configuration, lock, changes, {name: plugin.version for name, plugin in plugins.items()})
