"""Checking a configuration without planning it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iacengine.addresses import Mode, ModulePath
from iacengine.config.model import Configuration, Module, ProviderName
from iacengine.config.provider_names import resolve_provider
from iacengine.config.validate import validate as check_configuration
from iacengine.engine.model import DEFAULT_PARALLELISM, Engine
from iacengine.engine.surroundings import function_context, new_providers
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings
from iacengine.lang.errors import ExpressionError
from iacengine.provider.discovery import source_address
from iacengine.provider.instances import Providers
from iacengine.schema import Schema

if TYPE_CHECKING:
    from iacengine.graph.build import ConfigGraph


def validate(engine: Engine) -> tuple[Diagnostic, ...]:
    """Check the configuration against the schemas of its providers. Raises with every error found; gives warnings."""
    providers = new_providers(engine, DEFAULT_PARALLELISM)
    try:
        return (*engine.warnings, *_validated(engine, providers))
    finally:
        providers.close()


def _validated(engine: Engine, providers: Providers) -> tuple[Diagnostic, ...]:
    """The warnings of a valid configuration. Raises with every error.

    What is wrong with the structure of a line makes evaluating it fail too: such a line is told of once.
    """
    findings = Findings()
    try:
        findings.extend(check(engine, providers))
    except DiagnosticsError as problem:
        findings.extend(problem.diagnostics)
    try:
        _build_graph(engine.configuration)
    except DiagnosticsError as problem:
        findings.extend(problem.diagnostics)
        raise DiagnosticsError(*findings.all) from None
    except ExpressionError:
        if not findings.errors:
            raise
        raise DiagnosticsError(*findings.all) from None  # it was told by the check
    from iacengine.plan.validation import validate_by_evaluation  # lazy: only this verb needs it

    told = {(found.range.path, found.range.start.line) for found in findings.errors if found.range is not None}
    functions = function_context("", planning=True)
    for found in validate_by_evaluation(engine.configuration, providers, functions, source_address):
        where = (found.range.path, found.range.start.line) if found.range is not None else None
        if not told or (where is not None and where not in told):
            findings.add(found)
    findings.raise_errors()
    return findings.all


def dependency_graph(engine: Engine) -> ConfigGraph:
    """What refers to what in the stack."""
    return _build_graph(engine.configuration)


def check(engine: Engine, providers: Providers) -> tuple[Diagnostic, ...]:
    """Static checks, attributes and types by the providers' schemas; the warnings. Raises with every error."""
    findings = Findings()
    findings.extend(check_configuration(engine.configuration, _schemas(engine.configuration, providers)))
    if any(module.settings.retries for module in engine.configuration.modules.values()):
        from iacengine.config.retries_check import unused_retries  # lazy: few stacks have them

        findings.extend(unused_retries(engine.configuration))
    findings.raise_errors()
    return findings.all


def _schemas(configuration: Configuration, providers: Providers) -> Callable[[Mode, str, Module], Schema | None]:
    """The schema of a resource type as a module knows it: by the provider its blocks name, or its prefix."""
    known: dict[tuple[ModulePath, Mode, str], Schema | None] = {}
    names: dict[ModulePath, dict[tuple[Mode, str], str]] = {}

    def schema(mode: Mode, type_: str, module: Module) -> Schema | None:
        key = (module.path, mode, type_)
        if key not in known:
            if module.path not in names:
                names[module.path] = {
                    (resource.mode, resource.type): block.provider.name
                    for resource, block in module.resources.items()
                    if block.provider is not None
                }
            name = names[module.path].get((mode, type_), type_.split("_", 1)[0])
            resolved = resolve_provider(configuration, module.path, ProviderName(name), source_address)
            source = resolved.reference.source if resolved is not None else None
            known[key] = providers.resource_schema(source, mode, type_) if source is not None else None
        return known[key]

    return schema


def _build_graph(configuration: Configuration) -> ConfigGraph:
    from iacengine.graph.build import build_graph  # lazy: networkx is not needed to read state

    return build_graph(configuration)
