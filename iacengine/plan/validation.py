"""Validation by evaluation: every expression of a configuration, with nothing given and nothing known.

Finds what the structure does not show: unknown functions, operands and arguments of wrong types, attributes that cannot
be there, what providers refuse. Follows Terraform's validation in what it decides and what it leaves to planning; a
module that is called often is judged once, each of its calls by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from iacengine.addresses import Mode, ModuleInstance
from iacengine.config.model import (
    Check,
    Condition,
    Configuration,
    Connection,
    Import,
    Module,
    ModuleCall,
    Origin,
    Output,
    ProviderBlock,
    Provisioner,
    ResourceBlock,
)
from iacengine.config.provider_names import resolve_provider
from iacengine.config.provisioner_schemas import CONNECTION, PROVISIONERS
from iacengine.config.source import locate
from iacengine.evaluation.arguments import argument_value
from iacengine.evaluation.body import evaluate_body
from iacengine.evaluation.conditions import judge
from iacengine.evaluation.expansion import UnknownExpansionError, expand
from iacengine.evaluation.provider_setup import ProviderSetup
from iacengine.evaluation.scope import AnyScope, Scope, evaluate
from iacengine.evaluation.unknown_values import UnknownValues, any_instance
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings, Severity, error
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.types import STRING
from iacengine.lang.values import EPHEMERAL, UNKNOWN, is_null, unmark, unmark_deep
from iacengine.plan.imports import ID_REMEDY
from iacengine.plan.managed import evaluate_config
from iacengine.plan.outputs import refuse_exposure
from iacengine.plan.unsupported import unsupported_type
from iacengine.provider.instances import Providers
from iacengine.provider.redaction import redacted
from iacengine.schema import Block
from iacengine.schema.values import mark_with_paths, unmark_with_paths


def validate_by_evaluation(
    configuration: Configuration,
    providers: Providers,
    functions: FunctionContext,
    source_address: Callable[[str], str],
) -> tuple[Diagnostic, ...]:
    """All that is wrong, and warnings. The configuration has no reference cycles; providers need not be configured."""
    findings = Findings()
    values = UnknownValues(configuration, functions, findings)
    ProviderSetup(configuration, values, providers, source_address)  # it finds the functions of providers
    seen: set[str] = set()
    for module in configuration.modules.values():
        if module.directory not in seen:
            seen.add(module.directory)
            _ModuleValidation(configuration, module, values, providers, source_address, findings).run()
    return findings.all


class _ModuleValidation:
    def __init__(
        self,
        configuration: Configuration,
        module: Module,
        values: UnknownValues,
        providers: Providers,
        source_address: Callable[[str], str],
        findings: Findings,
    ) -> None:
        self._configuration = configuration
        self._module = module
        self._values = values
        self._scope: Scope = values.scope(_instance(module))
        self._providers = providers
        self._source_address = source_address
        self._findings = findings

    def run(self) -> None:
        module, scope = self._module, self._scope
        for variable in module.variables.values():
            if not module.path:  # of called modules they are judged with the arguments of each call
                self._judge(variable.validations, scope, "Invalid value for variable")
        for name in module.locals:
            with self._noting():
                scope.lookup(("local", name))
        for provider in module.providers.values():
            with self._noting():
                self._provider(provider)
        for block in module.resources.values():
            self._resource(block)
        for call in module.calls.values():
            self._call(call)
        for output in module.outputs.values():
            self._output(output)
        for check in module.checks.values():
            self._check(check)
        for imported in module.imports:
            with self._noting():
                self._import(imported)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Inside, what is raised is noted, so that the next thing is looked at all the same."""
        try:
            yield
        except DiagnosticsError as found:
            self._findings.add(*found.diagnostics)

    def _judge(self, conditions: tuple[Condition, ...], scope: AnyScope, what: str) -> None:
        for condition in conditions:
            verdict = judge(condition, scope, what)
            if verdict.diagnostic is not None:
                self._findings.add(verdict.diagnostic)
                continue
            with self._noting():  # a message that is not used now may be used later
                evaluate(condition.error_message, scope, condition.origin.at("error_message"))

    def _evaluate_conditions(self, conditions: tuple[Condition, ...], scope: AnyScope) -> None:
        """Evaluate conditions of objects: there may be no instance to judge, so what they come to does not matter."""
        for condition in conditions:
            with self._noting():
                evaluate(condition.condition, scope, condition.origin.at("condition"))
            with self._noting():
                evaluate(condition.error_message, scope, condition.origin.at("error_message"))

    # --- resources --------------------------------------------------------------------------------------------------

    def _resource(self, block: ResourceBlock) -> None:
        with self._noting():
            self._repetition(block)
        scope = any_instance(block.repetition, self._scope)
        with self._noting():
            self._body(block, scope)
        lifecycle = block.lifecycle
        if lifecycle.preconditions:
            self._evaluate_conditions(lifecycle.preconditions, scope)
        if lifecycle.postconditions or block.provisioners:
            inside = scope.with_names({("self",): UNKNOWN})
            self._evaluate_conditions(lifecycle.postconditions, inside)
            self._provisioners(block, inside)

    def _repetition(self, block: ResourceBlock | ModuleCall) -> None:
        if not block.repetition.is_single:
            try:
                expand(block.repetition, self._scope, block.origin)
            except UnknownExpansionError:
                return  # planning will tell

    def _body(self, block: ResourceBlock, scope: AnyScope) -> None:
        address = block.address
        resolved = resolve_provider(self._configuration, self._module.path, block.provider_name, self._source_address)
        if resolved is None:
            return  # the static checks tell of it
        source = resolved.reference.source
        schema = self._providers.resource_schema(source, address.mode, address.type)
        if schema is None:
            raise unsupported_type(address, resolved.reference, block, self._providers.schema(source))
        if address.mode is Mode.EPHEMERAL:
            config, marks = unmark_with_paths(evaluate_body(block.body, schema.block, scope, block.origin))
        else:
            config, marks = evaluate_config(block, schema, scope)
        provider = self._providers.unconfigured(source)
        match address.mode:
            case Mode.MANAGED:
                invalid = provider.validate_resource(address.type, config)
            case Mode.DATA:
                invalid = provider.validate_data_source(address.type, config)
            case Mode.EPHEMERAL:
                invalid = provider.validate_ephemeral(address.type, config)
        if invalid:
            self._tell(redacted(invalid, mark_with_paths(config, marks)), block.origin)

    def _tell(self, diagnostics: tuple[Diagnostic, ...] | list[Diagnostic], origin: Origin) -> None:
        self._findings.extend(found.at(*locate(origin)) for found in diagnostics)

    def _provisioners(self, block: ResourceBlock, scope: AnyScope) -> None:
        for provisioner in block.provisioners:
            with self._noting():
                evaluate_body(provisioner.body, PROVISIONERS[provisioner.type], scope, provisioner.origin)
            self._connection(provisioner, scope)
        if block.provisioners:
            self._connection(block, scope)

    def _connection(self, holder: Provisioner | ResourceBlock, scope: AnyScope) -> None:
        connection: Connection | None = holder.connection
        if connection is not None:
            with self._noting():
                evaluate_body(connection.body, _PART_OF_CONNECTION, scope, connection.origin)

    def _provider(self, block: ProviderBlock) -> None:
        resolved = resolve_provider(self._configuration, self._module.path, block.name, self._source_address)
        if resolved is None:
            return
        source = resolved.reference.source
        schema = self._providers.schema(source).provider
        config, _ = unmark_deep(evaluate_body(block.body, schema.block, self._scope, block.origin))
        self._tell(self._providers.unconfigured(source).validate_provider(config), block.origin)

    # --- modules ----------------------------------------------------------------------------------------------------

    def _call(self, call: ModuleCall) -> None:
        with self._noting():
            self._repetition(call)
        child = self._module.children.get(call.name)
        if child is None:
            return
        scope = any_instance(call.repetition, self._scope)
        inside = self._values.scope(_instance(child))
        for name, raw in call.arguments.items():
            variable = child.variables.get(name)
            if variable is None:
                continue
            origin = call.origin.at(name)
            with self._noting():
                value = argument_value(variable, evaluate(raw, scope, origin), given=True, origin=origin)
                if variable.validations:
                    self._judge(
                        variable.validations, inside.with_names({("var", name): value}), "Invalid value for variable"
                    )
        for variable in child.variables.values():
            if variable.validations and variable.has_default and variable.name not in call.arguments:
                with self._noting():
                    value = argument_value(variable, None, given=False, origin=call.origin)
                    named: Mapping[Any, Any] = {("var", variable.name): value}
                    self._judge(variable.validations, inside.with_names(named), "Invalid value for variable")

    def _output(self, output: Output) -> None:
        self._judge(output.preconditions, self._scope, "Module output value precondition failed")
        with self._noting():
            value = self._values.output(self._scope, output.name)
            if not self._module.path:
                refuse_exposure(output, value)

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _check(self, check: Check) -> None:
        """The assertions of a check never stop anything, so what is wrong with one is a warning."""
        if check.data is not None:
            self._resource(check.data)
        for condition in check.assertions:
            for part, raw in (("condition", condition.condition), ("error_message", condition.error_message)):
                try:
                    evaluate(raw, self._scope, condition.origin.at(part))
                except DiagnosticsError as found:
                    self._findings.extend(replace(each, severity=Severity.WARNING) for each in found.diagnostics)

    def _import(self, block: Import) -> None:
        scope: AnyScope = self._scope
        if block.has_for_each:
            evaluate(block.for_each, scope, block.origin.at("for_each"))
            scope = scope.with_names({("each", "key"): UNKNOWN, ("each", "value"): UNKNOWN})
        origin = block.origin.at("id")
        value, marks = unmark(evaluate(block.id, scope, origin))
        problem = None
        if is_null(value):
            problem = "The import id is null."
        elif value == "":
            problem = "The import id is empty."
        elif EPHEMERAL in marks:
            problem = "The import id is ephemeral; it would appear in the plan."
        else:
            try:
                convert(value, STRING)
            except ConversionError as found:
                problem = f"The import id must be a text: {found}."
        if problem is not None:
            raise DiagnosticsError(error("Invalid import id argument", problem, remedy=ID_REMEDY).at(*locate(origin)))


_PART_OF_CONNECTION = Block(
    {name: replace(attribute, required=False, optional=True) for name, attribute in CONNECTION.attributes.items()}
)


def _instance(module: Module) -> ModuleInstance:
    """One instance of a module to stand for all of them."""
    return ModuleInstance(tuple((name, None) for name in module.path))
