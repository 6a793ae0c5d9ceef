"""Configuring providers: from the block a module declares, or the reference a stored object names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from iacengine.addresses import ModulePath, ProviderReference
from iacengine.config.model import Configuration, Module, ProviderName, ResourceBlock
from iacengine.config.provider_names import ResolvedProvider, resolve_provider
from iacengine.config.source import locate
from iacengine.evaluation.body import evaluate_body
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, has_errors
from iacengine.lang.functions.signature import Function
from iacengine.lang.secrets import secrets_of
from iacengine.lang.values import EPHEMERAL, Value, is_wholly_known, unmark_deep
from iacengine.provider.instances import Providers
from iacengine.schema.values import null_object

SourceAddress = Callable[[str], str]


class ProviderSetup:
    """Configures each provider once, when it is first needed; `on_configured` is told (refresh begins then)."""

    def __init__(
        self,
        configuration: Configuration,
        working: WorkingValues,
        providers: Providers,
        source_address: SourceAddress,
        on_configured: Callable[[ProviderReference], None] = lambda reference: None,
    ) -> None:
        self._configuration = configuration
        self._working = working
        self._providers = providers
        self._source_address = source_address
        self._on_configured = on_configured
        self._resolved: dict[tuple[ModulePath, ProviderName], ResolvedProvider | None] = {}
        self.warnings: list[Diagnostic] = []
        working.find_function = self._function

    def of_block(self, module: ModulePath, block: ResourceBlock) -> ProviderReference:
        """The configured provider of a resource block. Raises DiagnosticsError when it is declared nowhere."""
        resolved = self._resolve(module, block.provider_name)
        if resolved is None:
            diagnostic = error(
                "Provider configuration not present",
                f"{block.address} uses the provider configuration {block.provider_name}, which is declared nowhere.",
                remedy="Declare it in a provider block, or pass it to the module with `providers`.",
            )
            raise DiagnosticsError(diagnostic.at(*locate(block.origin)))
        return self._configure(resolved)

    def of_name(self, module: ModulePath, name: ProviderName) -> ProviderReference:
        """Configure the provider that a `provider` block of the module declares."""
        resolved = self._resolve(module, name)
        assert resolved is not None, "the block exists"
        return self._configure(resolved)

    def of_stored(self, reference: ProviderReference) -> bool:
        """Configure the provider a stored object names; False when its configuration exists no more."""
        if self._providers.is_configured(reference):
            return True
        path = reference.module
        while path and path not in self._configuration.modules:
            path = path[:-1]
        for name in self._names_of(reference, path):
            resolved = self._resolve(path, name)
            if resolved is not None:
                self._configure(replace(resolved, reference=reference))
                return True
        return False

    def _function(self, module: Module, name: str) -> Function | None:
        """The function behind `provider::NAMESPACE::NAME`; needs the provider's schema, not its configuration."""
        parts = name.split("::")
        if len(parts) != 3:
            return None
        resolved = self._resolve(module.path, ProviderName(parts[1]))
        if resolved is None:
            return None
        found = self._providers.schema(resolved.reference.source).functions.get(parts[2])
        return found if isinstance(found, Function) else None

    def _resolve(self, module: ModulePath, name: ProviderName) -> ResolvedProvider | None:
        key = (module, name)
        if key not in self._resolved:
            self._resolved[key] = resolve_provider(self._configuration, module, name, self._source_address)
        return self._resolved[key]

    def _names_of(self, reference: ProviderReference, path: ModulePath) -> list[ProviderName]:
        """The names by which a module may call the source of a reference."""
        requirements = self._configuration.modules[path].settings.required_providers
        names = [
            name
            for name, requirement in requirements.items()
            if self._source_address(requirement.source) == reference.source
        ]
        return [ProviderName(name, reference.alias) for name in (*names, reference.source.rsplit("/", 1)[-1])]

    def _configure(self, resolved: ResolvedProvider) -> ProviderReference:
        reference = resolved.reference
        if self._providers.is_configured(reference):
            return reference
        block = self._providers.schema(reference.source).provider.block
        marked: Value = null_object(block)
        if resolved.block is not None:
            scope = self._working.scope(self._working.module_instances(resolved.module)[0])
            marked = evaluate_body(resolved.block.body, block, scope, resolved.block.origin)
        config, marks = unmark_deep(marked)
        diagnostics = self._providers.configure(
            reference,
            config,
            final=is_wholly_known(config),
            lasting=EPHEMERAL not in marks,
            secrets=secrets_of(marked),
        )
        if resolved.block is not None:
            diagnostics = tuple(found.at(*locate(resolved.block.origin)) for found in diagnostics)
        if has_errors(diagnostics):
            raise DiagnosticsError(*diagnostics)
        self.warnings.extend(diagnostics)
        self._on_configured(reference)
        return reference
