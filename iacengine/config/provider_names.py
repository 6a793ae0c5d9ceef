"""Which provider configuration a resource uses: the names modules give to providers, resolved up the module tree.

A module names a provider configuration locally (`aws`, `aws.west`). It is declared by a `provider` block of the module
itself, or passed in by the caller (`providers`), or, for one without an alias, inherited from the nearest module above
that has one. Where nobody declares it, the root module has an empty one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iacengine.addresses import ModulePath, ProviderReference
from iacengine.config.model import Configuration, ProviderBlock, ProviderName


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedProvider:
    """A provider configuration: where it is declared, under which local name, and its block (None: an empty one)."""

    reference: ProviderReference
    module: ModulePath
    name: ProviderName
    block: ProviderBlock | None


def provider_source(configuration: Configuration, module: ModulePath, name: str) -> str:
    """The source a module's `required_providers` gives for a local name; the name itself where it gives none."""
    requirement = configuration.modules[module].settings.required_providers.get(name)
    return requirement.source if requirement is not None else name


def resolve_provider(
    configuration: Configuration, module: ModulePath, name: ProviderName, address: Callable[[str], str]
) -> ResolvedProvider | None:
    """The configuration that `name` means in a module; None when an alias is declared nowhere.

    `address` turns a source as written (`aws`, `hashicorp/aws`) into the full source address kept in state.
    """
    source = provider_source(configuration, module, name.name)
    if name.name == "terraform" and source == "terraform":
        source = "terraform.io/builtin/terraform"
    path, local = module, name
    while True:
        block = configuration.modules[path].providers.get(local)
        if block is not None or not path:
            break
        call = configuration.modules[path[:-1]].calls[path[-1]]
        passed = call.providers.get(str(local))
        if passed is not None:
            local = passed
        elif local.alias is not None:
            return None
        path = path[:-1]
    if block is None and local.alias is not None:
        return None
    if source == name.name:
        source = provider_source(configuration, path, local.name)
    return ResolvedProvider(ProviderReference(address(source), path, local.alias), path, local, block)
