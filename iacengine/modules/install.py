"""The modules of a stack that come from elsewhere: resolved, got, verified, and locked when that was not done yet.

`Modules.directory` answers the loader. While everything that is called is locked and in the cache, it reads the lock
file, verifies the digest and the signatures of each tree, and asks nobody. What is not locked makes it resolve the
whole tree once, keeping what is locked, and write the lock file.

A folder `.iac/modules` beside the stack gets a link for each tree that is used, so that `path.module` is the same on
every machine. Where it cannot be written to, trees are named by their place in the cache.

Addresses without a host are those of the default registry when the stack names them, and those of the same registry
when a module does. Where the lock file knows such an address from another registry, nobody is asked: it is an error.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from iacengine.addresses import ModulePath, module_path_text
from iacengine.config.loader import load
from iacengine.config.model import Configuration, ModuleCall
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, failure
from iacengine.modules.cache import ModuleCache, open_cache
from iacengine.modules.calls import PackageCall, leads_out, place_of
from iacengine.modules.catalogue import WORKERS, InstallCatalogue
from iacengine.modules.constraint import Constraint, parse_constraint
from iacengine.modules.evidence import TrustCheck
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.locked import by_package, is_named, require_manifest
from iacengine.modules.lockfile import (
    Lock,
    describe_changes,
    read_lock,
    sorted_lock,
    write_lock,
)
from iacengine.modules.model import DEFAULT_REGISTRY_VARIABLE, LockedModule, ModuleAddress, SourceKind
from iacengine.modules.progress import Progress, nobody
from iacengine.modules.requirement import FixedPackage, Package, Requirement, Selected, package_of
from iacengine.modules.settings import RegistrySettings, registry_settings
from iacengine.modules.source import parse_source
from iacengine.modules.statement import time_text
from iacengine.modules.version import Version, version_or_none

if TYPE_CHECKING:
    from iacengine.modules.client import Offer, RegistryClient
    from iacengine.modules.fetching import Fetched, Fetcher
    from iacengine.modules.resolution import Resolution

ROUNDS: Final = 64
"""Times that modules which were just got may call further ones."""


@dataclass(frozen=True, slots=True)
class InstallOptions:
    """How to install. `frozen`: fail rather than change the lock file. `accepted`: ids of keys to trust from now on,
    where the policy asks. `progress` is told of downloads."""

    frozen: bool = False
    accepted: tuple[str, ...] = ()
    progress: Progress = nobody


@dataclass(frozen=True, slots=True)
class Installed:
    """What `install` did. `changes` are texts (`lockfile.describe_changes`)."""

    lock: Lock
    changes: tuple[str, ...]
    resolution: Resolution | None = None


@dataclass(slots=True)
class _Tools:
    """What is needed only when something has to be got; made when it is."""

    settings: RegistrySettings
    client: RegistryClient
    fetcher: Fetcher


@dataclass(frozen=True, slots=True)
class _Used:
    """A tree that is part of the stack: by which name the loader knows it, and the registry it came from (""). What
    `is_ours` came from this machine, and may call what else is on it."""

    root: str
    host: str = ""
    is_ours: bool = False


class Modules:
    """The modules from elsewhere of one stack. Close it when the stack is loaded."""

    def __init__(
        self,
        path: str,
        directory: str,
        options: InstallOptions = InstallOptions(),
        *,
        environment: Mapping[str, str] = os.environ,
        cache: ModuleCache | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`path` is what the stack is loaded from, `directory` where it is."""
        self._path, self._directory, self._options = path, directory or ".", options
        self._environment, self._now = environment, now
        self.cache = cache or open_cache(environment)
        self.lock = read_lock(path)
        self._by_package = by_package(self.lock)
        self._trust: TrustCheck | None = None
        self._tools_made: _Tools | None = None
        self._settings: RegistrySettings | None = None
        self._installed = self._is_changed = False
        self._mutex = threading.Lock()
        self._roots: dict[LockedModule, str] = {}
        self._used: dict[ModulePath, _Used] = {}

    def close(self) -> None:
        if self._tools_made is not None:
            self._tools_made.client.close()
            self._tools_made = None

    # --- what the loader asks -----------------------------------------------------------------------------------------

    def directory(self, call: ModuleCall, caller: ModulePath) -> str | None:
        """The directory of a module that a call names, verified; got and locked before, when it was not yet.

        Raises DiagnosticsError when it cannot be had, or is not to be trusted.
        """
        found = self._locked_directory(call, caller)
        if found is None and not self._installed:
            self.install()
            self._used.clear()
            self._is_changed = True
            found = self._locked_directory(call, caller)
        return found

    @property
    def is_installed(self) -> bool:
        """Whether something had to be resolved, so that the lock file may have changed."""
        return self._installed

    def took_changes(self) -> bool:
        """Whether something was installed since this was asked last: what was loaded before has to be loaded again."""
        changed, self._is_changed = self._is_changed, False
        return changed

    def check(self, configuration: Configuration) -> None:
        """Raise DiagnosticsError when a module got from elsewhere calls what is outside its package."""
        for path, module in configuration.modules.items():
            used = self._above(path)
            if used is not None:
                inside = posixpath.normpath(module.directory)
                if inside != used.root and not inside.startswith(f"{used.root}/"):
                    raise leads_out(f"{module_path_text(path)}: {module.directory}")

    def _locked_directory(self, call: ModuleCall, caller: ModulePath) -> str | None:
        """The directory, when the call is met by the lock file."""
        source = parse_source(call.source)
        if source.kind is SourceKind.LOCAL:
            return posixpath.join(source.location, source.subdirectory) if source.subdirectory else source.location
        above = self._above(caller)
        is_here = source.location.startswith("file:")
        if is_here and above is not None and not above.is_ours:
            raise leads_out(call.source)
        package = self.package(call.source, above.host if above is not None else "")
        locked = self._find(package, parse_constraint(call.version or ""))
        if locked is None:
            return None
        root = self._root(package, locked)
        host = package.host if isinstance(package, ModuleAddress) else ""
        self._used[(*caller, call.name)] = _Used(root, host, is_here)
        if not source.subdirectory:
            return root
        directory = posixpath.join(root, source.subdirectory)
        if not os.path.isdir(directory):  # noqa: PTH112 - text
            raise InstallError(
                InstallFault.NO_FOLDER,
                "No such folder in a module",
                f'{package} has no folder "{source.subdirectory}".',
                remedy="Check what stands behind // in the source.",
            )
        return directory

    def _above(self, path: ModulePath) -> _Used | None:
        """The tree that a module is part of; None for the stack's own."""
        for length in range(len(path), 0, -1):
            if (found := self._used.get(path[:length])) is not None:
                return found
        return None

    def _find(self, package: Package, constraint: Constraint) -> LockedModule | None:
        """The newest version of a package that is locked and that a call accepts."""
        for version, locked in self._by_package.get(package, ()):
            if version is None or constraint.accepts(version):
                return locked
        return None

    def _root(self, package: Package, locked: LockedModule) -> str:
        """The folder of a locked tree, verified, as the stack knows it."""
        known = self._roots.get(locked)
        if known is None:
            self._verified(package, locked)
            path = self.cache.path(locked.digest)
            known = self._roots[locked] = self._linked(path, package, locked)
        return known

    def _linked(self, path: str, package: Package, locked: LockedModule) -> str:
        name = package.name if isinstance(package, ModuleAddress) else posixpath.basename(package.location)
        plain = "".join(sign if sign.isalnum() or sign in "._" else "-" for sign in name.removesuffix(".git"))
        label = "-".join(part for part in (plain[:40], locked.version, locked.digest[7:19]) if part)
        link = posixpath.normpath(posixpath.join(self._directory, ".iac", "modules", label.replace("+", "-")))
        fresh = f"{link}.{os.urandom(4).hex()}.tmp"
        try:
            if os.path.islink(link) and os.readlink(link) == path:  # noqa: PTH114, PTH115 - text
                return link
            os.makedirs(posixpath.dirname(link), exist_ok=True)  # noqa: PTH103 - text
            os.symlink(path, fresh)  # noqa: PTH211 - text
            os.replace(fresh, link)  # noqa: PTH105 - text
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(fresh)  # noqa: PTH108 - text
            return path
        return link

    # --- asking about what is locked ----------------------------------------------------------------------------------

    def verify(self, locked: LockedModule) -> tuple[str, ...]:
        """Verify a locked module, which is got when it is not in the cache; the ids of the keys that count. Raises
        DiagnosticsError."""
        return self._verified(package_of(parse_source(locked.source)), locked)

    def _verified(self, package: Package, locked: LockedModule) -> tuple[str, ...]:
        if not self.cache.has(locked.digest):
            self._get_locked(package, locked)
        path = self.cache.verified(locked.digest)
        if not isinstance(package, ModuleAddress):
            return ()
        require_manifest(path, package, locked)
        return self._trusted().verify_locked(package, locked, self._envelopes)

    def hosts(self) -> set[str]:
        """The registries that what is locked came from."""
        return {package.host for package in self._by_package if isinstance(package, ModuleAddress)}

    def locked_as(self, selected: Selected) -> LockedModule | None:
        """The entry of the lock file for what was resolved."""
        for version, locked in self._by_package.get(selected.package, ()):
            if version == selected.version:
                return locked
        return None

    def offers(self, address: ModuleAddress) -> tuple[Offer, ...]:
        """What the registry of a module has of it now. Raises DiagnosticsError."""
        return self.tools().client.offers(address)

    # --- installing ---------------------------------------------------------------------------------------------------

    def install(self, upgrade: Sequence[str] | None = None) -> Installed:
        """Resolve all calls of the stack, get what is missing, and write the lock file when it changes.

        `upgrade` names what may have another version than the locked one: addresses or names of modules; an empty list
        means all. Raises DiagnosticsError.
        """
        before = self.lock
        kept = [one for one in before.modules if not is_named(one, upgrade)]
        extra: dict[tuple[PackageCall, str], Requirement] = {}
        resolution: Resolution | None = None
        got: dict[Selected, LockedModule] = {}
        calls = self._calls(descend=False)
        for _ in range(ROUNDS):
            new = [key for key in calls.items() if key not in extra]
            for call, host in new:
                extra[call, host] = self._requirement(call, host, upgrade)
            if resolution is not None and not new:
                break
            resolution, got = self._resolved(tuple(extra.values()), kept, upgrade)
            self._by_package = by_package(sorted_lock(got.values(), before.providers, before.path))
            calls = self._calls(descend=True)
        else:
            raise failure("Modules call one another without end", f"After {ROUNDS} rounds there are still new ones.")
        lock = sorted_lock(got.values(), before.providers, before.path)
        self.lock, self._by_package, self._installed = lock, by_package(lock), True
        changes = tuple(describe_changes(before, lock))
        if changes:
            if self._options.frozen:
                self._refuse_frozen(before, changes)
            write_lock(lock)
        return Installed(lock, changes, resolution)

    def _calls(self, *, descend: bool) -> dict[PackageCall, str]:
        """The calls of modules from elsewhere in the stack's own files, each with "". Or, to `descend`: those anywhere
        that nothing is there for, each with the registry that its package came from."""
        found: dict[PackageCall, str] = {}

        def note(call: ModuleCall, caller: ModulePath) -> str | None:
            directory = self._locked_directory(call, caller) if descend else None
            if directory is None:
                above = self._above(caller) if descend else None
                if parse_source(call.source).kind is SourceKind.LOCAL:
                    return self._locked_directory(call, caller)
                host = above.host if above is not None else ""
                found[PackageCall(call.source, call.version or "", place_of(call))] = host
            return directory

        with contextlib.suppress(DiagnosticsError):  # whoever loads the stack next is told of its mistakes
            load(self._path, resolve_source=note, findings=Findings())
        return found

    def _resolved(
        self, requirements: Sequence[Requirement], kept: Sequence[LockedModule], upgrade: Sequence[str] | None
    ) -> tuple[Resolution, dict[Selected, LockedModule]]:
        if self._options.frozen:
            wanted = ", ".join(sorted({str(one) for one in requirements if not self._is_met(one)}))
            if wanted:
                self._refuse_frozen(self.lock, [f"+ {wanted}"])
        from concurrent.futures import ThreadPoolExecutor  # lazy: what is locked needs neither

        from iacengine.modules.resolver import resolve

        catalogue = InstallCatalogue(self, kept)
        locked: dict[Package, frozenset[Version]] = {}
        for one in kept:
            if one.version and (version := version_or_none(one.version)) is not None:
                package = package_of(parse_source(one.source))
                locked[package] = locked.get(package, frozenset()) | {version}
        resolution = resolve(requirements, catalogue, locked=locked)
        if upgrade is not None:
            self._refuse_downgrades(resolution, catalogue)
        missing = [selected for selected in resolution.modules if catalogue.kept(selected) is None]
        with ThreadPoolExecutor(WORKERS) as pool:
            got = dict(zip(missing, pool.map(catalogue.get, missing), strict=True))
        return resolution, {selected: catalogue.kept(selected) or got[selected] for selected in resolution.modules}

    def _refuse_downgrades(self, resolution: Resolution, catalogue: InstallCatalogue) -> None:
        """An update never goes back behind what is locked because a registry has forgotten it."""
        for one in self.lock.modules:
            package = package_of(parse_source(one.source))
            was = version_or_none(one.version)
            chosen = resolution.versions(package)
            if was is None or not chosen or not isinstance(package, ModuleAddress):
                continue
            newest = max(selected.version for selected in chosen if selected.version is not None)
            if newest < was and was not in {info.version for info in catalogue.versions(package)}:
                raise InstallError(
                    InstallFault.VERSION_FORGOTTEN,
                    "A registry has forgotten a version",
                    f"{package} {was} is locked, and {package.host} offers only older ones now ({newest}).",
                    remedy=f"Find out why: somebody may want you to use {newest}. If that is right, remove {was} from "
                    f"{self.lock.path}.",
                )

    def _is_met(self, required: Requirement) -> bool:
        return self._find(required.package, required.constraint) is not None

    def _refuse_frozen(self, lock: Lock, changes: Sequence[str]) -> None:
        told = "; ".join(changes[:10]) + (f"; and {len(changes) - 10} more" if len(changes) > 10 else "")
        raise InstallError(
            InstallFault.LOCK_FROZEN,
            "The lock file would have to change",
            f"{lock.path} is frozen, but it does not lock what the stack asks for: {told}.",
            remedy="Run `iac init` without --frozen, look at the change, and commit it.",
        )

    # --- addresses ----------------------------------------------------------------------------------------------------

    def _requirement(self, call: PackageCall, host: str, upgrade: Sequence[str] | None) -> Requirement:
        try:
            return Requirement(
                self.package(call.source, host, upgrade is not None), parse_constraint(call.constraint), call.place
            )
        except DiagnosticsError as wrong:
            raise DiagnosticsError(*(one.at(call.place.range) for one in wrong.diagnostics)) from None

    def package(self, text: str, host: str, may_move: bool = False) -> Package:
        """The package of a source. `host`: the registry that the calling module came from."""
        source = parse_source(text)
        address = source.address
        if address is None or address.host:
            return package_of(source)
        return replace(address, host=host or self._default_host(address, may_move))

    def _default_host(self, address: ModuleAddress, may_move: bool) -> str:
        locked = sorted(
            {
                package.host
                for package in self._by_package
                if isinstance(package, ModuleAddress) and replace(package, host="") == address
            }
        )
        named = self._registry_settings().default_host
        if named and (not locked or named in locked or may_move):
            return named
        if not named and len(locked) == 1:
            return locked[0]
        if not named and not locked:
            raise InstallError(
                InstallFault.NO_REGISTRY,
                "No registry is named",
                f"{address} is in the default registry, and there is none.",
                remedy=f"Set {DEFAULT_REGISTRY_VARIABLE} to its host, or write HOST/{address}.",
            )
        raise InstallError(
            InstallFault.TWO_REGISTRIES,
            "A module is in two registries",
            f"{address} is locked from {' and '.join(locked)}" + (f", and the default registry is {named}." if named
            else "."),
            remedy=f"Write the one that is meant into the source, such as {locked[0]}/{address}.",
        )  # fmt: skip

    # --- tools --------------------------------------------------------------------------------------------------------

    def _registry_settings(self) -> RegistrySettings:
        if self._settings is None:
            self._settings = registry_settings(self._environment)
        return self._settings

    def _trusted(self) -> TrustCheck:
        if self._trust is None:
            self._trust = TrustCheck(
                self._directory,
                self.cache,
                environment=self._environment,
                now=self._now,
                accepted=self._options.accepted,
            )
        return self._trust

    def tools(self) -> _Tools:
        with self._mutex:
            if self._tools_made is None:
                from iacengine.modules.client import RegistryClient  # lazy: HTTP takes a tenth of a second
                from iacengine.modules.fetching import Fetcher

                settings = self._registry_settings()
                client = RegistryClient(settings, self.cache, environment=self._environment)
                fetcher = Fetcher(
                    client,
                    self.cache,
                    self._trusted(),
                    environment=self._environment,
                    progress=self._options.progress,
                )
                self._tools_made = _Tools(settings, client, fetcher)
            return self._tools_made

    def _envelopes(self, address: ModuleAddress, version: str) -> Sequence[bytes]:
        return self.tools().client.envelopes(address, version)

    def _get_locked(self, package: Package, locked: LockedModule) -> None:
        """Get what is locked and not in the cache: those very files, or an error."""
        fetcher = self.tools().fetcher
        if isinstance(package, FixedPackage):
            fetcher.fixed(package, locked)
            return
        self.refresh_revocations({package.host})
        offers = {offer.version: offer for offer in self.tools().client.offers(package)}
        offer = offers.get(locked.version)
        if offer is None:
            raise InstallError(
                InstallFault.VERSION_GONE,
                "A locked version is gone",
                f"{package.host} does not have {package} {locked.version} any more, and it is not in the cache.",
                remedy="Ask whoever runs the registry, or take another version: `iac module update`.",
            )
        fetcher.registry(package, offer, locked)

    def refresh_revocations(self, hosts: set[str]) -> None:
        """Ask registries which keys were revoked."""
        client = self.tools().client
        for host in sorted(hosts):
            told = client.revocations(host)
            self._trusted().keep_revocations(host, [(one.key, one.time, one.reason) for one in told])

    def get(self, package: Package, offer: Offer | None, locked: LockedModule | None) -> Fetched:
        fetcher = self.tools().fetcher
        if isinstance(package, FixedPackage):
            return fetcher.fixed(package, locked)
        assert offer is not None, "a version was chosen of those that are offered"
        return fetcher.registry(package, offer, locked)

    def now(self) -> str:
        return time_text(self._now())
