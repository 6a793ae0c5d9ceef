"""The configuration part of plan JSON: what the blocks say, with expressions as constants or lists of references.

https://developer.hashicorp.com/terraform/internals/json-format#configuration-representation
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine.addresses import Mode
from iacengine.cli.views.expression_json import (
    attributes_json,
    body_json,
    constant_json,
    depends_on_json,
    expression_json,
)
from iacengine.cli.views.provider_config_json import (
    ProviderConfigs,
    ProviderSchemas,
    no_provider_schemas,
    provider_full_name,
)
from iacengine.cli.views.state_json import Schemas
from iacengine.cli.views.value_json import json_of
from iacengine.config.model import (
    Configuration,
    Module,
    ModuleCall,
    Origin,
    Output,
    Provisioner,
    Raw,
    Repetition,
    ResourceBlock,
    Variable,
)
from iacengine.lang.convert import ConversionError
from iacengine.lang.values import from_python
from iacengine.schema import Schema


def configuration_json(
    configuration: Configuration, schemas: Schemas, provider_schemas: ProviderSchemas = no_provider_schemas
) -> dict[str, Any]:
    """Provider configurations, and the tree of modules."""
    document: dict[str, Any] = {}
    providers = ProviderConfigs(configuration)
    entries = providers.entries(provider_schemas)
    if entries:
        document["provider_config"] = entries
    document["root_module"] = _module(configuration, configuration.root, schemas, providers)
    return document


def _module(
    configuration: Configuration, module: Module, schemas: Schemas, providers: ProviderConfigs
) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if module.outputs:
        document["outputs"] = {name: _output(output) for name, output in sorted(module.outputs.items())}
    in_checks = (check.data for check in module.checks.values() if check.data is not None)
    blocks = sorted(
        (*module.resources.values(), *in_checks),
        key=lambda block: (block.address.mode is not Mode.MANAGED, str(block.address)),
    )
    if blocks:
        document["resources"] = [_resource(configuration, module, block, schemas, providers) for block in blocks]
    if module.calls:
        document["module_calls"] = {
            name: _call(configuration, call, module.children.get(name), schemas, providers)
            for name, call in sorted(module.calls.items())
        }
    if module.variables:
        document["variables"] = {name: _variable(variable) for name, variable in sorted(module.variables.items())}
    return document


def _is_literal(origin: Origin) -> bool:
    return origin.file.syntax == "json"


def _output(output: Output) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if output.sensitive:
        entry["sensitive"] = True
    entry["expression"] = expression_json(output.value, literal=_is_literal(output.origin))
    if output.depends_on:
        entry["depends_on"] = depends_on_json(output.depends_on)
    if output.description:
        entry["description"] = output.description
    return entry


def _variable(variable: Variable) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if variable.has_default:
        entry["default"] = default_json(variable)
    if variable.description:
        entry["description"] = variable.description
    if variable.sensitive:
        entry["sensitive"] = True
    return entry


def default_json(variable: Variable) -> Any:
    """The default in the variable's own type."""
    value = from_python(variable.default)
    if variable.constraint is not None:
        try:
            value = variable.constraint.apply(value)
        except ConversionError:
            return constant_json(variable.default)  # told when the configuration was read
    return json_of(value)


def _repetition(repetition: Repetition, *, literal: bool) -> dict[str, Any]:
    for name, present, raw in (
        ("count_expression", repetition.has_count, repetition.count),
        ("for_each_expression", repetition.has_for_each, repetition.for_each),
    ):
        if present:
            return {name: expression_json(raw, literal=literal)}
    return {}


def _call(
    configuration: Configuration, call: ModuleCall, child: Module | None, schemas: Schemas, providers: ProviderConfigs
) -> dict[str, Any]:
    literal = _is_literal(call.origin)
    entry: dict[str, Any] = {"source": call.source}
    expressions = attributes_json(call.arguments, literal=literal)
    if expressions:
        entry["expressions"] = expressions
    entry |= _repetition(call.repetition, literal=literal)
    if child is not None:
        entry["module"] = _module(configuration, child, schemas, providers)
    if call.version is not None:
        entry["version_constraint"] = call.version
    if call.depends_on:
        entry["depends_on"] = depends_on_json(call.depends_on)
    return entry


def _resource(
    configuration: Configuration, module: Module, block: ResourceBlock, schemas: Schemas, providers: ProviderConfigs
) -> dict[str, Any]:
    address, literal = block.address, _is_literal(block.origin)
    entry: dict[str, Any] = {
        "address": str(address),
        "mode": address.mode.value,
        "type": address.type,
        "name": address.name,
        "provider_config_key": providers.key_of(module, block.provider_name),
    }
    source = provider_full_name(configuration, module, block.provider_name.name)
    schema: Schema | None = schemas(f'provider["{source}"]', address.mode, address.type)
    if block.provisioners:
        entry["provisioners"] = [_provisioner(each) for each in block.provisioners]
    expressions = _body(block.body, schema, literal=literal)
    if expressions:
        entry["expressions"] = expressions
    entry["schema_version"] = schema.version if schema is not None else 0
    entry |= _repetition(block.repetition, literal=literal)
    if block.depends_on:
        entry["depends_on"] = depends_on_json(block.depends_on)
    return entry


def _body(body: Mapping[str, Raw], schema: Schema | None, *, literal: bool) -> dict[str, Any]:
    """The arguments of a resource. `timeouts` is a block of every resource that has it, whatever the schema says."""
    inner = {name: raw for name, raw in body.items() if name != "timeouts" or not isinstance(raw, Mapping)}
    entries = (
        attributes_json(inner, literal=literal) if schema is None else body_json(inner, schema.block, literal=literal)
    )
    if len(inner) < len(body):
        entries["timeouts"] = attributes_json(body["timeouts"], literal=literal)
    return entries


def _provisioner(provisioner: Provisioner) -> dict[str, Any]:
    expressions = attributes_json(provisioner.body, literal=_is_literal(provisioner.origin))
    return {"type": provisioner.type, "expressions": expressions} if expressions else {"type": provisioner.type}
