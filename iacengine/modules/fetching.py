"""Getting a package: from where it is into the cache, after everything that was promised about it was found to be true.

Nothing is kept of what is refused. A package of a registry is unpacked only if its bytes are the promised ones, and
kept only if its manifest names it, its files have the promised and the locked digest, and the trust policy accepts its
signatures. What has no registry (git, archives) is pinned by its digest once it is locked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.modules.archive import Form, UnpackedTree, unpacked
from iacengine.modules.cache import ModuleCache
from iacengine.modules.calls import calls_of
from iacengine.modules.client import Offer, RegistryClient
from iacengine.modules.evidence import TrustCheck
from iacengine.modules.git import commit_of
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.model import Dependency, LockedModule, ModuleAddress, ModuleSource, SourceKind
from iacengine.modules.package import tree_digest
from iacengine.modules.package_error import PackageError, PackageFault
from iacengine.modules.progress import Progress, nobody
from iacengine.modules.requirement import FixedPackage, package_of
from iacengine.modules.source import parse_source, without_secrets


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package that is in the cache now. `reference` is the commit of a git source."""

    digest: str
    dependencies: tuple[Dependency, ...]
    signers: tuple[str, ...] = ()
    reference: str = ""


class Fetcher:
    """Gets packages into a cache. Many threads may use one. Every failure is a DiagnosticsError."""

    def __init__(
        self,
        client: RegistryClient,
        cache: ModuleCache,
        trust: TrustCheck,
        *,
        environment: Mapping[str, str] = os.environ,
        progress: Progress = nobody,
    ) -> None:
        self._client, self._cache, self._trust = client, cache, trust
        self._environment, self._progress = environment, progress

    def registry(self, address: ModuleAddress, offer: Offer, locked: LockedModule | None = None) -> Fetched:
        """A version of a registry's module. `locked`: what the lock file says that it has to be."""
        source = self._client.terraform_source(address, offer.version)
        if source is not None:
            return self._of_terraform(address, offer.version, source, locked)
        if locked is not None and offer.tree_digest != locked.digest:
            raise _not_as_locked(f"{address} {offer.version}", offer.tree_digest, locked.digest, str(address.host))
        name = f"{address} {offer.version}"
        with (
            self._shown(name),
            self._client.package(address, offer, lambda done, whole: self._progress(name, done, whole)) as file,
            unpacked(file, self._cache.unpacking_place(), form=Form.PACKAGE, expected=offer.package_digest) as tree,
        ):
            if tree.tree_digest != offer.tree_digest:
                raise InstallError(
                    InstallFault.PROMISED_DIFFERS,
                    "A registry serves something else than it promised",
                    f"The files of {name} have the digest {tree.tree_digest}; {address.host} had promised "
                    f"{offer.tree_digest}.",
                    remedy="Do not use this registry before you know why.",
                )
            dependencies = _as_described(tree, address, offer)
            envelopes = self._client.envelopes(address, offer.version)
            signers = self._trust.verify(address, offer.version, tree.tree_digest, envelopes, offer.package_digest)
            calls_of(tree.folder)  # a call that leads out of the package
            self._trust.keep(address, offer.version, tree.tree_digest, envelopes)
            self._cache.keep(tree)
            return Fetched(tree.tree_digest, dependencies, signers)

    def fixed(self, package: FixedPackage, locked: LockedModule | None = None) -> Fetched:
        """A package that has no versions."""
        name = str(package)
        reference = locked.reference if locked is not None else ""
        with self._shown(name), self._got(package, name, reference) as (tree, commit):
            if locked is not None and tree.tree_digest != locked.digest:
                raise _not_as_locked(name, tree.tree_digest, locked.digest, "its source")
            dependencies = tuple(call.dependency for call in calls_of(tree.folder))
            self._cache.keep(tree)
            return Fetched(tree.tree_digest, dependencies, (), commit)

    def _of_terraform(self, address: ModuleAddress, version: str, text: str, locked: LockedModule | None) -> Fetched:
        """A module of a registry that only says where it is."""
        name = f"{address} {version}"
        source = parse_source(text)
        if source.kind in (SourceKind.LOCAL, SourceKind.REGISTRY) or source.location.startswith("file:"):
            raise failure(
                "A registry's answer makes no sense",
                f'{address.host} says that {name} is at "{without_secrets(text)}".',
                remedy="Tell whoever runs the registry.",
            )
        with self._shown(name), self._got(_fixed(source), name, "") as (tree, _):
            folder = f"{tree.folder}/{source.subdirectory}" if source.subdirectory else tree.folder
            digest = tree_digest(folder) if source.subdirectory else tree.tree_digest
            if locked is not None and digest != locked.digest:
                raise _not_as_locked(name, digest, locked.digest, address.host)
            signers = self._trust.verify(address, version, digest, ())
            dependencies = tuple(call.dependency for call in calls_of(folder))
            self._trust.keep(address, version, digest, ())
            self._cache.keep(_Part(tree, source.subdirectory, digest))
            return Fetched(digest, dependencies, signers)

    @contextlib.contextmanager
    def _shown(self, name: str) -> Iterator[None]:
        """Tell at the end that a package is no longer being got, also where nobody knew how large it is."""
        try:
            yield
        finally:
            self._progress(name, 1, 1)

    @contextlib.contextmanager
    def _got(self, package: FixedPackage, name: str, commit: str) -> Iterator[tuple[UnpackedTree, str]]:
        """The files of a package without versions, unpacked, and their commit."""
        place = self._cache.unpacking_place()
        if package.kind == SourceKind.GIT.value:
            self._progress(name, 0, None)
            with commit_of(
                package.location, package.reference, place, commit=commit, environment=self._environment
            ) as found:
                yield found.unpacked, found.commit
            return
        path = package.location.partition("?")[0].lower()
        form = Form.ZIP if path.endswith(".zip") else Form.TAR
        with self._archive(package, name) as file, unpacked(file, place, form=form) as tree:
            yield tree, ""

    @contextlib.contextmanager
    def _archive(self, package: FixedPackage, name: str) -> Iterator[BinaryIO]:
        digest = package.reference if package.reference.startswith("sha256:") else None
        if package.reference and digest is None:
            raise failure(
                "Only SHA-256 can be checked",
                f"{package} has another checksum.",
                remedy="Write checksum=sha256: and 64 hexadecimal digits, as `sha256sum` prints them.",
            )
        if package.kind == SourceKind.S3.value:
            from iacengine.modules.s3_archive import s3_archive  # lazy: botocore, for this kind of source alone

            with s3_archive(package.location, self._cache.place("downloads"), digest, self._environment) as file:
                yield file
            return
        progress = self._progress
        with self._client.archive(package.location, lambda done, whole: progress(name, done, whole), digest) as file:
            yield file


@dataclass(frozen=True, slots=True)
class _Part:
    """A folder of an unpacked tree, kept alone."""

    tree: UnpackedTree
    subdirectory: str
    tree_digest: str

    def keep_as(self, target: str) -> bool:
        return self.tree.keep_as(target, self.subdirectory)


def _fixed(source: ModuleSource) -> FixedPackage:
    package = package_of(source)
    assert isinstance(package, FixedPackage), "a source that is of no registry"
    return package


def _as_described(tree: UnpackedTree, address: ModuleAddress, offer: Offer) -> tuple[Dependency, ...]:
    """What the manifest says it depends on, if it is what the registry said about it. Raises DiagnosticsError."""
    manifest = tree.manifest
    assert manifest is not None, "a package has one, or was refused"
    named = manifest.address
    if (named.namespace, named.name, named.system) != (address.namespace, address.name, address.system):
        raise _wrong_manifest(address, offer.version, f"it says that it is {named}")
    if manifest.version != offer.version:
        raise _wrong_manifest(address, offer.version, f"it says that it is version {manifest.version}")
    own = tuple(sorted(manifest.dependencies, key=_order))
    if offer.dependencies is not None and own != tuple(sorted(offer.dependencies, key=_order)):
        raise _wrong_manifest(address, offer.version, "it depends on other modules than the registry says")
    return own


def _order(dependency: Dependency) -> tuple[str, str]:
    return dependency.source, dependency.constraint


def _wrong_manifest(address: ModuleAddress, version: str, why: str) -> DiagnosticsError:
    return PackageError(
        PackageFault.WRONG_MANIFEST,
        "A package is not what the registry said",
        f"{address} {version}: {why}.",
        remedy="Do not use this registry before you know why.",
    )


def _not_as_locked(name: str, found: str, wanted: str, who: str) -> DiagnosticsError:
    return InstallError(
        InstallFault.LOCKED_DIFFERS,
        "A module's files are not those that were locked",
        f"{name} now has the digest {found}; {wanted} is locked.",
        remedy=f"What {who} serves was changed, or the lock file was. Find out why before you run `iac module update`.",
    )
