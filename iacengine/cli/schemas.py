"""Schemas for views: what the attributes of stored objects mean."""

from __future__ import annotations

from iacengine.addresses import Mode, parse_provider_reference
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.provider.discovery import find_plugin
from iacengine.provider.protocol import ProviderSchema
from iacengine.schema import Schema


class InstalledSchemas:
    """Answers from the installed providers, each asked once; None for what is not installed."""

    def __init__(self) -> None:
        self._offers: dict[str, ProviderSchema | None] = {}

    def __call__(self, provider: str, mode: Mode, type_: str) -> Schema | None:
        """The schema of a resource type, by the text of its provider reference."""
        offer = self._of(provider)
        if offer is None:
            return None
        match mode:
            case Mode.MANAGED:
                return offer.resources.get(type_)
            case Mode.DATA:
                return offer.data_sources.get(type_)
            case Mode.EPHEMERAL:
                return offer.ephemeral_resources.get(type_)

    def of_provider(self, source: str) -> Schema | None:
        """The schema of a provider's own configuration, by its full source address."""
        offer = self._of(f'provider["{source}"]')
        return offer.provider if offer is not None else None

    def _of(self, provider: str) -> ProviderSchema | None:
        if provider not in self._offers:
            self._offers[provider] = _offer(parse_provider_reference(provider).source)
        return self._offers[provider]


def installed_schemas() -> InstalledSchemas:
    return InstalledSchemas()


def _offer(source: str) -> ProviderSchema | None:
    try:
        provider = find_plugin(source).create()
    except DiagnosticsError:
        return None
    try:
        return provider.schema()
    finally:
        provider.close()
