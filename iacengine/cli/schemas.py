"""Schemas for views: what the attributes of stored objects mean."""

from __future__ import annotations

from iacengine.addresses import Mode, parse_provider_reference
from iacengine.cli.views.state_json import Schemas
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.provider.discovery import find_plugin
from iacengine.provider.protocol import ProviderSchema
from iacengine.schema import Schema


def installed_schemas() -> Schemas:
    """A function that answers from the installed providers, each asked once; None for what is not installed."""
    offers: dict[str, ProviderSchema | None] = {}

    def schema(provider: str, mode: Mode, type_: str) -> Schema | None:
        if provider not in offers:
            offers[provider] = _offer(parse_provider_reference(provider).source)
        offer = offers[provider]
        if offer is None:
            return None
        match mode:
            case Mode.MANAGED:
                return offer.resources.get(type_)
            case Mode.DATA:
                return offer.data_sources.get(type_)
            case Mode.EPHEMERAL:
                return offer.ephemeral_resources.get(type_)

    return schema


def _offer(source: str) -> ProviderSchema | None:
    try:
        provider = find_plugin(source).create()
    except DiagnosticsError:
        return None
    try:
        return provider.schema()
    finally:
        provider.close()
