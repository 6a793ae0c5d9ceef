"""Asking a registry for a person: which one is meant, and who answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from iacengine.foundation.diagnostics import failure
from iacengine.modules.cache import open_cache
from iacengine.modules.client import RegistryClient
from iacengine.modules.install_error import InstallError, InstallFault
from iacengine.modules.model import DEFAULT_REGISTRY_VARIABLE, ModuleAddress
from iacengine.modules.settings import named_host, registry_settings
from iacengine.modules.source import parse_address
from iacengine.modules.version import parse_version


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """A client, and the host that is asked where none is named."""

    client: RegistryClient
    default_host: str

    def host(self, given: str = "") -> str:
        """The host to ask. Raises DiagnosticsError when none is named anywhere."""
        if found := given or self.default_host:
            return found
        raise InstallError(
            InstallFault.NO_REGISTRY,
            "No registry is named",
            "There is no default registry.",
            remedy=f"Set {DEFAULT_REGISTRY_VARIABLE} to its host, or use --registry.",
        )

    def address(self, text: str) -> ModuleAddress:
        """An address that somebody typed, with its host. Raises DiagnosticsError."""
        found = parse_address(text)
        return replace(found, host=self.host(found.host))


@contextmanager
def registry_access(registry: str | None = None) -> Iterator[RegistryAccess]:
    """A client by the user's settings; `registry` is a host that goes before the default one."""
    settings = registry_settings(os.environ)
    if registry is not None:
        settings = named_host(settings, registry)
    client = RegistryClient(settings, open_cache(os.environ))
    try:
        yield RegistryAccess(client, settings.default_host)
    finally:
        client.close()


def split_version(text: str) -> tuple[str, str]:
    """`ADDRESS[@VERSION]` as both; "" when no version is named. Raises DiagnosticsError."""
    address, separator, version = text.partition("@")
    if separator:
        version = str(parse_version(version))
    return address, version


def one_version(text: str, version: str | None) -> tuple[str, str]:
    """An address and a version that are needed, as `ADDRESS@VERSION` or as two words. Raises DiagnosticsError."""
    address, found = split_version(text)
    if version is not None and found:
        raise failure("Two versions", f"{text} {version} names two versions.", remedy="Name one.")
    if version is None and not found:
        raise failure("No version", f"{text} names no version.", remedy=f"Write {address}@1.2.0.")
    return address, found or str(parse_version(version or ""))
