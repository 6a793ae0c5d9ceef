"""Entries of the lock file as packages: how they are named, found, and compared with what they lock."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.foundation.atomic import read_regular_file
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.lockfile import Lock
from iacengine.modules.manifest import MANIFEST_NAME, decode_manifest
from iacengine.modules.model import LockedModule, ModuleAddress, SourceKind
from iacengine.modules.requirement import Package, package_of
from iacengine.modules.source import parse_source
from iacengine.modules.version import Version, version_or_none


def lock_source(package: Package) -> str:
    """How the lock file names a package: as a source that leads to it."""
    if isinstance(package, ModuleAddress):
        return str(package)
    mark = "&" if "?" in package.location else "?"
    if package.kind == SourceKind.GIT.value:
        return f"git::{package.location}{f'{mark}ref={package.reference}' if package.reference else ''}"
    forced = "s3::" if package.kind == SourceKind.S3.value and not package.location.startswith("s3://") else ""
    return f"{forced}{package.location}{f'{mark}checksum={package.reference}' if package.reference else ''}"


def by_package(lock: Lock) -> dict[Package, tuple[tuple[Version | None, LockedModule], ...]]:
    """What is locked of each package, the newest first. Raises DiagnosticsError for what no lock file has."""
    found: dict[Package, list[tuple[Version | None, LockedModule]]] = {}
    for one in lock.modules:
        package = package_of(parse_source(one.source))
        version = version_or_none(one.version) if one.version else None
        if isinstance(package, ModuleAddress) and (version is None or not package.host):
            raise InstallError(
                InstallFault.LOCK_DAMAGED,
                "Damaged lock file",
                f"{lock.path}: {one.source} {one.version} is no version of a module in a registry.",
                remedy="Take the file from version control, or remove it and run `iac init`.",
            )
        found.setdefault(package, []).append((version, one))
    return {
        package: tuple(sorted(entries, key=lambda entry: entry[0] or Version(0, 0, 0), reverse=True))
        for package, entries in found.items()
    }


def require_manifest(path: str, address: ModuleAddress, locked: LockedModule) -> None:
    """Raise InstallError unless the verified files say that they are what the lock file says. Those from a registry of
    Terraform's protocol say nothing."""
    data = read_regular_file(f"{path}/{MANIFEST_NAME}")
    if data is None:
        return
    manifest = decode_manifest(data)
    named = manifest.address
    is_same = (named.namespace, named.name, named.system, manifest.version) == (
        address.namespace,
        address.name,
        address.system,
        locked.version,
    )
    if not is_same or set(manifest.dependencies) != set(locked.dependencies):
        what = "what it calls" if is_same else f"{named} {manifest.version}"
        raise InstallError(
            InstallFault.LOCKED_DIFFERS,
            "A module is not what the lock file says",
            f"The files that are locked for {address} {locked.version} say otherwise: {what}.",
            remedy="The lock file was changed: take it from version control, or remove it and run `iac init`.",
        )


def is_named(locked: LockedModule, upgrade: Sequence[str] | None) -> bool:
    """Whether `update` is about a locked module: by its address, its last parts, or its name."""
    if upgrade is None:
        return False
    if not upgrade:
        return True
    parts = locked.source.split("/")
    address = package_of(parse_source(locked.source))
    names = {locked.source, "/".join(parts[1:])}
    if isinstance(address, ModuleAddress):
        names |= {address.name, f"{address.namespace}/{address.name}"}
    return bool(names & set(upgrade))
