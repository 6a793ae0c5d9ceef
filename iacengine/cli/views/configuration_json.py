"""The configuration part of plan JSON: what the blocks say, with expressions as constants or lists of references.

https://developer.hashicorp.com/terraform/internals/json-format#configuration-representation
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iacengine.addresses import Mode, module_path_text, quote
from iacengine.cli.views.state_json import Schemas
from iacengine.cli.views.value_json import ABSENT, json_of
from iacengine.config.model import (
    Configuration,
    Module,
    ModuleCall,
    Output,
    ProviderName,
    Provisioner,
    Raw,
    ResourceBlock,
    Variable,
)
from iacengine.config.provider_names import provider_source
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_json
from iacengine.lang.references import Index, Reference
from iacengine.lang.values import from_python
from iacengine.provider.discovery import source_address
from iacengine.schema import Block, Nesting, Schema


def configuration_json(configuration: Configuration, schemas: Schemas) -> dict[str, Any]:
    """Provider configurations, and the tree of modules."""
    document: dict[str, Any] = {}
    providers = _provider_configs(configuration)
    if providers:
        document["provider_config"] = providers
    document["root_module"] = _module(configuration, configuration.root, schemas)
    return document


# --- providers ------------------------------------------------------------------------------------------------------


def _provider_configs(configuration: Configuration) -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = {}
    for module in configuration.root.walk():
        names = {ProviderName(block.provider_name.name) for block in module.resources.values()}
        for name in {*names, *module.providers, *map(ProviderName, module.settings.required_providers)}:
            if name in module.providers or not module.path:
                entries[_provider_key(module, name)] = _provider_config(configuration, module, name)
    return {key: entries[key] for key in sorted(entries)}


def _provider_key(module: Module, name: ProviderName) -> str:
    return f"{module_path_text(module.path)}:{name}" if module.path else str(name)


def _provider_config(configuration: Configuration, module: Module, name: ProviderName) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name.name}
    entry["full_name"] = _full_name(configuration, module, name.name)
    if name.alias is not None:
        entry["alias"] = name.alias
    requirement = module.settings.required_providers.get(name.name)
    if requirement is not None and requirement.version:
        entry["version_constraint"] = requirement.version
    if module.path:
        entry["module_address"] = module_path_text(module.path)
    block = module.providers.get(name)
    if block is not None:
        expressions = _attributes({key: raw for key, raw in block.body.items() if key != "alias"})
        if expressions:
            entry["expressions"] = expressions
    return entry


def _full_name(configuration: Configuration, module: Module, name: str) -> str:
    source = provider_source(configuration, module.path, name)
    try:
        return source_address(source)
    except DiagnosticsError:
        return source  # not installed any more; the plan is shown all the same


def _provider_of(module: Module, block: ResourceBlock) -> str:
    name = block.provider_name
    return _provider_key(module, name) if name in module.providers else str(name)


# --- modules --------------------------------------------------------------------------------------------------------


def _module(configuration: Configuration, module: Module, schemas: Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if module.outputs:
        document["outputs"] = {name: _output(output) for name, output in sorted(module.outputs.items())}
    if module.resources:
        blocks = sorted(
            module.resources.values(), key=lambda block: (block.address.mode is not Mode.MANAGED, str(block.address))
        )
        document["resources"] = [_resource(configuration, module, block, schemas) for block in blocks]
    if module.calls:
        document["module_calls"] = {
            name: _call(configuration, call, module.children.get(name), schemas)
            for name, call in sorted(module.calls.items())
        }
    if module.variables:
        document["variables"] = {name: _variable(variable) for name, variable in sorted(module.variables.items())}
    return document


def _output(output: Output) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if output.sensitive:
        entry["sensitive"] = True
    if output.ephemeral:
        entry["ephemeral"] = True
    entry["expression"] = _expression(output.value)
    if output.depends_on:
        entry["depends_on"] = _depends_on(output.depends_on)
    if output.description:
        entry["description"] = output.description
    return entry


def _variable(variable: Variable) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if variable.has_default:
        entry["default"] = _constant(variable.default)
    if variable.description:
        entry["description"] = variable.description
    if variable.sensitive:
        entry["sensitive"] = True
    if variable.ephemeral:
        entry["ephemeral"] = True
    return entry


def _call(configuration: Configuration, call: ModuleCall, child: Module | None, schemas: Schemas) -> dict[str, Any]:
    entry: dict[str, Any] = {"source": call.source}
    expressions = _attributes(call.arguments)
    if expressions:
        entry["expressions"] = expressions
    if call.repetition.has_count:
        entry["count_expression"] = _expression(call.repetition.count)
    if call.repetition.has_for_each:
        entry["for_each_expression"] = _expression(call.repetition.for_each)
    if child is not None:
        entry["module"] = _module(configuration, child, schemas)
    if call.version is not None:
        entry["version_constraint"] = call.version
    if call.depends_on:
        entry["depends_on"] = _depends_on(call.depends_on)
    return entry


def _resource(configuration: Configuration, module: Module, block: ResourceBlock, schemas: Schemas) -> dict[str, Any]:
    address = block.address
    entry: dict[str, Any] = {
        "address": str(address),
        "mode": address.mode.value,
        "type": address.type,
        "name": address.name,
        "provider_config_key": _provider_of(module, block),
    }
    source = _full_name(configuration, module, block.provider_name.name)
    schema: Schema | None = schemas(f'provider["{source}"]', address.mode, address.type)
    body = {name: raw for name, raw in block.body.items() if name != "timeouts"}
    if block.provisioners:
        entry["provisioners"] = [_provisioner(each) for each in block.provisioners]
    expressions = _attributes(body) if schema is None else _body(body, schema.block)
    if expressions:
        entry["expressions"] = expressions
    entry["schema_version"] = schema.version if schema is not None else 0
    if block.repetition.has_count:
        entry["count_expression"] = _expression(block.repetition.count)
    if block.repetition.has_for_each:
        entry["for_each_expression"] = _expression(block.repetition.for_each)
    if block.depends_on:
        entry["depends_on"] = _depends_on(block.depends_on)
    return entry


def _provisioner(provisioner: Provisioner) -> dict[str, Any]:
    expressions = _attributes(provisioner.body)
    return {"type": provisioner.type, "expressions": expressions} if expressions else {"type": provisioner.type}


# --- expressions ----------------------------------------------------------------------------------------------------


def _body(body: Mapping[str, Raw], block: Block) -> dict[str, Any]:
    """The expressions of a body; nested blocks as bodies of their own."""
    entries: dict[str, Any] = {}
    for name in sorted(body):
        raw, nested = body[name], block.blocks.get(name)
        if name == "dynamic" and isinstance(raw, Mapping) and name not in block.attributes:
            continue  # below, beside what stands there without it
        if nested is None:
            entries[name] = _expression(raw)
        elif nested.nesting is Nesting.MAP and isinstance(raw, Mapping):
            entries[name] = {
                key: _body(child, nested.block) for key, child in raw.items() if isinstance(child, Mapping)
            }
        else:
            bodies = [_body(child, nested.block) for child in _as_list(raw) if isinstance(child, Mapping)]
            if bodies:
                entries[name] = bodies[0] if nested.nesting in (Nesting.SINGLE, Nesting.GROUP) else bodies
    if "dynamic" in body and "dynamic" not in block.attributes and isinstance(body["dynamic"], Mapping):
        for name, bodies in _dynamic(body["dynamic"], block).items():
            present = entries.setdefault(name, [])
            if isinstance(present, list):
                present.extend(bodies)
    return entries


def _dynamic(raw: Mapping[str, Raw], block: Block) -> dict[str, list[Any]]:
    """What `dynamic` blocks repeat, once each."""
    entries: dict[str, list[Any]] = {}
    for name, blocks in raw.items():
        nested = block.blocks.get(name)
        for one in _as_list(blocks):
            for content in _as_list(one.get("content")) if isinstance(one, Mapping) else ():
                if nested is not None and isinstance(content, Mapping):
                    entries.setdefault(name, []).append(_body(content, nested.block))
    return entries


def _as_list(raw: Raw) -> list[Raw]:
    if raw is None:
        return []
    return list(raw) if isinstance(raw, list | tuple) else [raw]


def _attributes(arguments: Mapping[str, Raw]) -> dict[str, Any]:
    return {name: _expression(arguments[name]) for name in sorted(arguments)}


def _expression(raw: Raw) -> dict[str, Any]:
    """The constant that an expression is, or what it refers to; nothing for one that calls functions on constants."""
    if raw.__class__ is str and "${" not in raw and "%{" not in raw:
        return {"constant_value": raw}
    try:
        expression = parse_json(raw)
    except ExpressionError:
        return {}
    references = list(dict.fromkeys(text for reference in expression.references for text in _prefixes(reference)))
    if references:
        return {"references": references}
    return {} if _has_template(raw) else {"constant_value": _constant(raw)}


def _has_template(raw: Raw) -> bool:
    if isinstance(raw, str):
        return "${" in raw or "%{" in raw
    if isinstance(raw, Mapping):
        return any(_has_template(key) or _has_template(child) for key, child in raw.items())
    return isinstance(raw, list | tuple) and any(map(_has_template, raw))


def _constant(raw: Raw) -> Any:
    known = json_of(from_python(raw))
    return None if known is ABSENT else known


def _prefixes(reference: Reference) -> list[str]:
    """`aws_vpc.main.id` and `aws_vpc.main`: a reference, and all it goes through, longest first."""
    subject = reference.subject
    text = ".".join(subject[1:] if subject[0] == "resource" else subject)
    steps = list(reference.remaining)
    if subject[0] in ("each", "count", "path", "terraform", "self", "local"):
        return [text]
    texts = [text]
    for position, step in enumerate(steps):
        if isinstance(step, Index):
            text += f"[{step.key}]" if isinstance(step.key, int) else f"[{quote(step.key)}]"
            if position == 0 and subject[0] == "module":
                texts = []  # a module's instance stands for the whole call
        else:
            text += f".{step}"
        texts.append(text)
    return texts[::-1]


def _depends_on(references: Iterable[Reference]) -> list[str]:
    return [_prefixes(reference)[0] for reference in references]
