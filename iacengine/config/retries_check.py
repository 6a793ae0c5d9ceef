"""What `retries` of a stack are about, and those that are about nothing."""

from __future__ import annotations

from collections.abc import Iterator

from iacengine.config.model import Configuration, RetryBlock
from iacengine.config.source import locate
from iacengine.foundation.diagnostics import Diagnostic, near_match, warning


def names_provider(entry: RetryBlock, configuration: Configuration) -> bool:
    """True for an entry that is about a provider, by the name the root module has for it; else it is about a type."""
    return entry.name in _providers(configuration)


def unused_retries(configuration: Configuration) -> Iterator[Diagnostic]:
    """A warning for each entry that changes nothing."""
    for module in configuration.modules.values():
        if module.path:
            for entry in module.settings.retries:
                yield warning(
                    "Retries of a module",
                    "Only those of the root module count.",
                    remedy="Move them to the stack that calls the module.",
                ).at(*locate(entry.origin))
    if not configuration.root.settings.retries:
        return
    known = _providers(configuration) | {
        address.type for module in configuration.modules.values() for address in module.resources
    }
    for entry in configuration.root.settings.retries:
        if entry.name not in known:
            near = near_match(entry.name, known)
            yield warning(
                "Retries of nothing",
                f'The stack uses neither a provider nor a resource type "{entry.name}".',
                remedy=f'Did you mean "{near}"?' if near else "Remove the entry.",
            ).at(*locate(entry.origin))


def _providers(configuration: Configuration) -> set[str]:
    """The names that the root module has for providers; in other modules the prefix of a type stands for one, too."""
    root = configuration.root
    found = {*root.settings.required_providers, *(name.name for name in root.providers)}
    for module in configuration.modules.values():
        found.update(address.type.partition("_")[0] for address in module.resources)
    return found
