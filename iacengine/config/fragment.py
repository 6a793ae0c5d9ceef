"""The blocks one file holds, before they are put together with those of the module's other files."""

from __future__ import annotations

from dataclasses import dataclass, field

from iacengine.config.model import (
    BackendBlock,
    Check,
    EncryptionBlock,
    Import,
    Local,
    ModuleCall,
    Moved,
    Origin,
    Output,
    ProviderBlock,
    ProviderRequirement,
    Removed,
    ResourceBlock,
    RetryBlock,
    Variable,
)


@dataclass(slots=True, eq=False)
class Settings:
    """One `stack` or `terraform` block."""

    origin: Origin
    required_version: str | None = None
    required_providers: list[ProviderRequirement] = field(default_factory=list)
    providers_origin: Origin | None = None
    backend: BackendBlock | None = None
    on_failure: str | None = None
    encryption: EncryptionBlock | None = None
    retries: list[RetryBlock] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Fragment:
    """What decoding adds to while it walks a file."""

    settings: list[Settings] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    locals: list[Local] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    providers: list[ProviderBlock] = field(default_factory=list)
    resources: list[ResourceBlock] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
