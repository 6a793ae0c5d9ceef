"""What the resolver is told while installing: the lock file first, registries and packages for the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.constraint import parse_constraint
from iacengine.modules.locked import lock_source
from iacengine.modules.model import Dependency, LockedModule, ModuleAddress, SourceKind
from iacengine.modules.requirement import Package, Requirement, Selected, VersionInfo, package_of
from iacengine.modules.source import parse_source
from iacengine.modules.version import Version, version_or_none

if TYPE_CHECKING:
    from iacengine.modules.client import Offer
    from iacengine.modules.install import Modules

WORKERS = 8
"""Packages, or lists of versions, that are got at once."""


@dataclass(slots=True, eq=False)
class InstallCatalogue:
    """What the resolver asks: the lock file first, registries and packages for the rest."""

    modules: Modules
    locked: Sequence[LockedModule]
    _kept: dict[Selected, LockedModule] = field(default_factory=dict)
    _offers: dict[ModuleAddress, dict[Version, Offer]] = field(default_factory=dict)
    _got: dict[Selected, LockedModule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.locked:
            package = package_of(parse_source(one.source))
            self._kept[Selected(package, version_or_none(one.version) if one.version else None)] = one

    def kept(self, selected: Selected) -> LockedModule | None:
        """The entry of the lock file that is kept for it."""
        return self._kept.get(selected)

    def versions(self, address: ModuleAddress) -> Sequence[VersionInfo]:
        return [
            VersionInfo(version, offer.yanked, offer.yank_reason) for version, offer in self._offered(address).items()
        ]

    def dependencies(self, selected: Selected) -> Sequence[Requirement]:
        package, version = selected.package, selected.version
        kept = self._kept.get(selected)
        if kept is not None:
            return self._required(package, kept.dependencies)
        if isinstance(package, ModuleAddress) and version is not None:
            told = self._offered(package)[version].dependencies
            if told is not None:
                return self._required(package, told)
        return self._required(package, self.get(selected).dependencies)

    def announce(self, addresses: Sequence[ModuleAddress], selections: Sequence[Selected]) -> None:
        del selections  # a registry's list of versions has what they depend on
        new = [address for address in addresses if address not in self._offers]
        if len(new) > 1:
            from concurrent.futures import ThreadPoolExecutor  # lazy, as above

            self.modules.tools()
            with ThreadPoolExecutor(WORKERS) as pool:
                for _ in pool.map(self._offered_quietly, new):
                    pass

    def get(self, selected: Selected) -> LockedModule:
        """Get a package; what is to be locked of it."""
        known = self._got.get(selected)
        if known is None:
            package, version = selected.package, selected.version
            offer = None
            if isinstance(package, ModuleAddress) and version is not None:
                offer = self._offered(package)[version]
            fetched = self.modules.get(package, offer, None)
            known = self._got[selected] = LockedModule(
                lock_source(package),
                offer.version if offer is not None else "",
                fetched.digest,
                fetched.signers,
                self.modules.now(),
                fetched.reference,
                fetched.dependencies,
            )
        return known

    def _offered_quietly(self, address: ModuleAddress) -> None:
        with contextlib.suppress(DiagnosticsError):  # told when it is asked for, with its place
            self._offered(address)

    def _offered(self, address: ModuleAddress) -> dict[Version, Offer]:
        known = self._offers.get(address)
        if known is None:
            offers = self.modules.tools().client.offers(address)
            self.modules.refresh_revocations({address.host})
            known = {}
            for offer in offers:
                if (version := version_or_none(offer.version.removeprefix("v"))) is not None:
                    known[version] = offer
            self._offers[address] = known
        return known

    def _required(self, package: Package, dependencies: Sequence[Dependency]) -> list[Requirement]:
        host = package.host if isinstance(package, ModuleAddress) else ""
        found = []
        for one in dependencies:
            if parse_source(one.source).kind is not SourceKind.LOCAL:
                needed = self.modules.package(one.source, host)
                found.append(Requirement(needed, parse_constraint(one.constraint)))
        return found
