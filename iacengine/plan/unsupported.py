"""Blocks of a type that their provider does not have."""

from __future__ import annotations

from iacengine.addresses import Mode, ProviderReference, Resource
from iacengine.config.model import ResourceBlock
from iacengine.config.source import locate
from iacengine.foundation.diagnostics import DiagnosticsError, error, near_match
from iacengine.provider.protocol import ProviderSchema


def unsupported_type(
    resource: Resource, reference: ProviderReference, block: ResourceBlock, offered: ProviderSchema
) -> DiagnosticsError:
    match resource.mode:
        case Mode.MANAGED:
            kind, known = "resource type", offered.resources
        case Mode.DATA:
            kind, known = "data source", offered.data_sources
        case Mode.EPHEMERAL:
            kind, known = "ephemeral resource", offered.ephemeral_resources
    near = near_match(resource.type, known)
    diagnostic = error(
        f"Invalid {kind}",
        f'The provider {reference.source} has no {kind} "{resource.type}".',
        remedy=f'Did you mean "{near}"?' if near else None,
    )
    return DiagnosticsError(diagnostic.at(*locate(block.origin)))
