"""The provider configurations of a stack, as the configuration part of plan JSON names them.

One entry for each configuration that is declared or implied, by a key: `aws.west`, `module.m:aws` in a called module.
A module's name for what its caller passes or leaves to it has no entry; resources name the entry it stands for. The
rules are those of `marshalProviderConfigs` in Terraform's `jsonconfig` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iacengine.addresses import ModulePath, module_path_text
from iacengine.cli.views.expression_json import attributes_json, body_json
from iacengine.config.model import Configuration, Module, ProviderName
from iacengine.config.provider_names import provider_source
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.provider.discovery import source_address
from iacengine.schema import Schema

ProviderSchemas = Callable[[str], Schema | None]
"""The schema of a provider's own configuration, by its full source address."""


def no_provider_schemas(source: str) -> Schema | None:
    """Without schemas every nested block is shown as an attribute."""
    return None


def provider_full_name(configuration: Configuration, module: Module, name: str) -> str:
    """The source address behind a module's local name of a provider."""
    source = provider_source(configuration, module.path, name)
    try:
        return source_address(source)
    except DiagnosticsError:
        return source  # not installed any more; the plan is shown all the same


class ProviderConfigs:
    """Every provider configuration; `sources` leads from a name that stands for another to that one."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._names: dict[str, tuple[Module, ProviderName, str]] = {}
        self._sources: dict[str, str] = {}
        for module in configuration.root.walk():
            self._add_module(module)

    def _add_module(self, module: Module) -> None:
        passed = self._passed(module)
        for name, outer in passed.items():
            self._add(module, name, outer)
        for name in module.providers:
            self._add(module, name, None)
        requirements = module.settings.required_providers
        blocks = [*module.resources.values(), *(check.data for check in module.checks.values() if check.data)]
        implied = {ProviderName(block.provider_name.name) for block in blocks}
        for name in (
            *(alias for requirement in requirements.values() for alias in requirement.aliases),
            *map(ProviderName, requirements),
            *sorted(implied, key=str),
        ):
            if _key(module.path, name) not in self._names:
                self._add(module, name, name if module.path and name.alias is None else None)

    def _passed(self, module: Module) -> Mapping[ProviderName, ProviderName]:
        """What the caller passes to a module: its name there, and the caller's own."""
        if not module.path:
            return {}
        call = self._configuration.modules[module.path[:-1]].calls[module.path[-1]]
        names = {}
        for inner, outer in call.providers.items():
            name, _, alias = inner.partition(".")
            names[ProviderName(name, alias or None)] = outer
        return names

    def _add(self, module: Module, name: ProviderName, outer: ProviderName | None) -> None:
        key = _key(module.path, name)
        full_name = provider_full_name(self._configuration, module, name.name)
        self._names[key] = module, name, full_name
        self._sources.pop(key, None)
        if outer is not None:
            above = _key(module.path[:-1], outer)
            if above in self._names and self._names[above][2] == full_name:
                self._sources[key] = self._sources.get(above, above)

    def key_of(self, module: Module, name: ProviderName) -> str:
        """The key of the configuration that a resource of a module uses."""
        key = _key(module.path, name)
        return self._sources.get(key, key)

    def entries(self, schemas: ProviderSchemas) -> dict[str, Any]:
        """The configurations by key."""
        keys = sorted(key for key in self._names if key not in self._sources)
        return {key: self._entry(*self._names[key], schemas) for key in keys}

    def _entry(self, module: Module, name: ProviderName, full_name: str, schemas: ProviderSchemas) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": name.name, "full_name": full_name}
        block = module.providers.get(name)
        if block is not None and name.alias is not None:
            entry["alias"] = name.alias
        requirement = module.settings.required_providers.get(name.name)
        if requirement is not None and requirement.version:
            entry["version_constraint"] = requirement.version
        if module.path:
            entry["module_address"] = module_path_text(module.path)
        if block is not None:
            body = {key: raw for key, raw in block.body.items() if key != "alias"}
            literal = block.origin.file.syntax == "json"
            schema = schemas(full_name)
            expressions = (
                attributes_json(body, literal=literal)
                if schema is None
                else body_json(body, schema.block, literal=literal)
            )
            if expressions:
                entry["expressions"] = expressions
        return entry


def _key(path: ModulePath, name: ProviderName) -> str:
    return f"{module_path_text(path)}:{name}" if path else str(name)
