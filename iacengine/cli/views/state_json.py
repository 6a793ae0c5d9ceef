"""The state as `iac show --json` prints it: Terraform's state representation, format 1.0.

https://developer.hashicorp.com/terraform/internals/json-format#state-representation
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from iacengine.addresses import Mode, ModuleInstance, ResourceInstance, parse_provider_reference
from iacengine.cli.views.checks_json import checks_json
from iacengine.cli.views.value_json import json_of, sensitive_of
from iacengine.foundation.version import TERRAFORM_VERSION
from iacengine.lang.types import type_from_json
from iacengine.lang.values import SENSITIVE, Value
from iacengine.schema import Schema
from iacengine.schema.decoding import decode, decode_type
from iacengine.schema.errors import SchemaError
from iacengine.schema.marks import mark_paths, schema_marks
from iacengine.state.model import OutputState, ResourceObject, State

Schemas = Callable[[str, Mode, str], Schema | None]
"""The schema of a resource type, by the text of its provider reference and the mode; None when it cannot be had."""

_MOST_DEPENDENCIES: Final = 1_000_000


def state_json(state: State | None, schemas: Schemas) -> dict[str, Any]:
    """The whole document."""
    if state is None or (state.is_empty and not state.checks):
        return {"format_version": "1.0"}
    document: dict[str, Any] = {
        "format_version": "1.0",
        "terraform_version": TERRAFORM_VERSION,
        "values": state_values(state, schemas),
    }
    if state.checks:
        document["checks"] = checks_json(state.checks)
    return document


def state_values(state: State, schemas: Schemas) -> dict[str, Any]:
    """The outputs and the tree of modules with their resources."""
    values: dict[str, Any] = {}
    if state.outputs:
        values["outputs"] = outputs_json(state.outputs)
    objects = sorted(state.objects.values(), key=lambda obj: (obj.address.sort_key, obj.deposed))
    dependencies = all_dependencies(state)
    values["root_module"] = module_tree((obj.address, resource_json(obj, schemas, dependencies)) for obj in objects)
    return values


def all_dependencies(state: State) -> Mapping[str, Collection[str]]:
    """What the objects of each block depend on, through others too, as Terraform's states say it.

    A long chain of objects would make that the square of their number. Beyond a bound nothing is answered, so that
    `resource_json` tells the direct ones.
    """
    direct: dict[str, set[str]] = {}
    for obj in state.objects.values():
        direct.setdefault(str(obj.address.config), set()).update(obj.dependencies)
    found: dict[str, frozenset[str]] = {}
    opened: set[str] = set()
    total = 0
    for start in direct:
        todo = [start]
        while todo:
            block = todo[-1]
            here = direct.get(block, set())
            if block not in opened:
                opened.add(block)
                todo.extend(each for each in here if each not in opened)
                continue
            todo.pop()
            if block in found:
                continue
            found[block] = frozenset(here).union(*(found.get(each, ()) for each in here)) - {block}
            total += len(found[block])
            if total > _MOST_DEPENDENCIES:
                return {}
    return found


def outputs_json(outputs: Mapping[str, OutputState]) -> dict[str, Any]:
    return {
        name: {
            "sensitive": outputs[name].sensitive,
            "value": json_of(output_value(outputs[name])),
            "type": outputs[name].type,
        }
        for name in sorted(outputs)
    }


def output_value(output: OutputState) -> Value:
    """The value of a stored output, unmarked."""
    return decode_type(output.value, type_from_json(output.type))


def object_value(obj: ResourceObject, schema: Schema | None) -> Value | None:
    """The attributes of an object as a value with its sensitive parts marked.

    None when there is no schema to read them with, or the stored attributes are not of that schema.
    """
    if schema is None:
        return None
    try:
        value: Value = decode(obj.attributes, schema.block)
    except SchemaError:
        return None
    return mark_paths(value, (*obj.sensitive_paths, *schema_marks(value, schema.block)), SENSITIVE)


def resource_head(address: ResourceInstance) -> dict[str, Any]:
    """What every description of a resource begins with."""
    resource = address.resource
    head: dict[str, Any] = {
        "address": str(address),
        "mode": resource.mode.value,
        "type": resource.type,
        "name": resource.name,
    }
    if address.key is not None:
        head["index"] = address.key
    return head


def provider_name(reference: str) -> str:
    return parse_provider_reference(reference).source


def module_tree(resources: Iterable[tuple[ResourceInstance, dict[str, Any]]]) -> dict[str, Any]:
    """Resources, in order, put into the tree of the modules they are in."""
    modules: dict[ModuleInstance, dict[str, Any]] = {ModuleInstance(): {}}

    def module(address: ModuleInstance) -> dict[str, Any]:
        found = modules.get(address)
        if found is None:
            found = modules[address] = {"address": str(address)}
            module(address.parent).setdefault("child_modules", []).append(found)
        return found

    for address, entry in resources:
        module(address.module).setdefault("resources", []).append(entry)
    for entry in modules.values():
        if "child_modules" in entry:
            entry["child_modules"].sort(key=lambda child: child["address"])
    return modules[ModuleInstance()]


def resource_json(
    obj: ResourceObject, schemas: Schemas, dependencies: Mapping[str, Collection[str]] = MappingProxyType({})
) -> dict[str, Any]:
    """One object with its attributes. `dependencies` of its block stand in for the direct ones it has stored."""
    schema = schemas(obj.provider, obj.address.resource.mode, obj.address.resource.type)
    value = object_value(obj, schema)
    entry = resource_head(obj.address)
    entry["provider_name"] = provider_name(obj.provider)
    entry["schema_version"] = obj.schema_version
    entry["values"] = dict(obj.attributes) if value is None else json_of(value)
    entry["sensitive_values"] = (
        {path[0]: True for path in obj.sensitive_paths if path} if value is None else sensitive_of(value)
    )
    if obj.dependencies and obj.address.resource.mode is Mode.MANAGED:
        entry["depends_on"] = sorted(dependencies.get(str(obj.address.config), obj.dependencies))
    if obj.tainted:
        entry["tainted"] = True
    if obj.protected:
        entry["protected"] = True  # not in Terraform's format, which allows more
    if obj.deposed:
        entry["deposed_key"] = obj.deposed
    return entry
