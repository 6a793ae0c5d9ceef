"""A plan as `iac show --json PLAN` prints it: Terraform's plan representation, format 1.2.

https://developer.hashicorp.com/terraform/internals/json-format#plan-representation. Sensitive values stand in it as
they are, marked by `before_sensitive` and `after_sensitive`: tools that check a plan need them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from iacengine.addresses import Mode, ResourceInstance
from iacengine.cli.views.checks_json import checks_json
from iacengine.cli.views.configuration_json import configuration_json, default_json
from iacengine.cli.views.provider_config_json import ProviderSchemas, no_provider_schemas
from iacengine.cli.views.state_json import Schemas, module_tree, provider_name, resource_head, state_json
from iacengine.cli.views.value_json import ABSENT, change_json, json_of, sensitive_of, unknown_of
from iacengine.foundation.diagnostics import has_errors
from iacengine.foundation.garbage import collection_paused
from iacengine.foundation.version import TERRAFORM_VERSION
from iacengine.lang.types import type_to_json
from iacengine.lang.values import is_null, is_wholly_known, type_of, unmark_deep
from iacengine.plan.model import Action, Change, OutputChange, Plan, PlanMode, Reason
from iacengine.plan.prior import stored_value
from iacengine.plan.reversibility import reversibility
from iacengine.schema import Path
from iacengine.schema.values import encode_type
from iacengine.state.model import OutputState, ResourceObject, State


def plan_json(plan: Plan, schemas: Schemas, provider_schemas: ProviderSchemas = no_provider_schemas) -> dict[str, Any]:
    """The whole document."""
    with collection_paused():
        return _plan_json(plan, schemas, provider_schemas)


def _plan_json(plan: Plan, schemas: Schemas, provider_schemas: ProviderSchemas) -> dict[str, Any]:
    document: dict[str, Any] = {"format_version": "1.2", "terraform_version": TERRAFORM_VERSION}
    variables = _variables(plan)
    if variables:
        document["variables"] = variables
    document["planned_values"] = _planned_values(plan, schemas)
    drift = [
        change
        for change in plan.drift
        if change.action is not Action.NO_OP or plan.mode is PlanMode.REFRESH_ONLY or change.previous_address
    ]
    if drift:
        document["resource_drift"] = _changes(drift)
    changes = _changes(plan.changes)
    if changes:
        document["resource_changes"] = changes
    if plan.outputs:
        document["output_changes"] = {name: _output(change) for name, change in sorted(plan.outputs.items())}
    prior = _prior_state(plan, schemas)
    if not prior.is_empty:
        document["prior_state"] = state_json(prior, schemas)
    document["configuration"] = configuration_json(plan.configuration, schemas, provider_schemas)
    if plan.relevant_attributes:
        document["relevant_attributes"] = [
            {"resource": resource, "attribute": list(path)} for resource, path in plan.relevant_attributes
        ]
    if plan.checks:
        document["checks"] = checks_json(plan.checks)
    document["timestamp"] = plan.timestamp
    document["applyable"] = plan.applyable
    document["complete"] = not plan.targets and not plan.excludes
    document["errored"] = has_errors(plan.diagnostics)
    document["iacengine"] = {"on_failure": plan.on_failure, "steps": _steps(plan)}
    return document


def _steps(plan: Plan) -> list[dict[str, Any]]:
    """What Terraform's format has no word for: each side effect, and whether it is undone when a later one fails."""
    steps: list[dict[str, Any]] = []
    for step in plan.steps:
        if step.operation is None:
            continue
        change = plan.changes[step.change]
        entry = {"address": str(change.address), "operation": step.operation.value}
        if change.deposed:
            entry["deposed"] = change.deposed
        steps.append(entry | {"reversibility": reversibility(step, change).value})
    return steps


def _variables(plan: Plan) -> dict[str, Any]:
    """The values of root variables. A plan holds no ephemeral ones; as in Terraform the defaults of these are shown."""
    entries: dict[str, Any] = {}
    for name, variable in plan.configuration.root.variables.items():
        if name not in plan.variables and variable.has_default:
            entries[name] = {"value": default_json(variable)}
    for name, value in plan.variables.items():
        known = json_of(value)
        entries[name] = {} if known is ABSENT else {"value": known}
    return {name: entries[name] for name in sorted(entries)}


def _prior_state(plan: Plan, schemas: Schemas) -> State:
    """The state before, as Terraform shows it: with the outputs as they will be, where that is known already, and
    without the data sources that are yet to be read."""
    outputs = dict(plan.prior_state.outputs)
    for name, output in plan.outputs.items():
        declared = plan.configuration.root.outputs.get(name)
        if declared is None or output.action is Action.DELETE or not is_wholly_known(output.after):
            continue
        plain, _ = unmark_deep(output.after)
        outputs.pop(name, None)
        if not is_null(plain):
            type_ = type_of(plain)
            outputs[name] = OutputState(encode_type(plain, type_), type_to_json(type_), declared.sensitive)
    objects = dict(plan.prior_state.objects)
    for change in plan.changes:
        if change.action is Action.READ:
            objects.pop((change.address, ""), None)
            if change.reason is Reason.READ_BECAUSE_CHECK_NESTED:
                objects[(change.address, "")] = _as_read(change, schemas)
    return replace(plan.prior_state, objects=objects, outputs=outputs, checks=())


def _as_read(change: Change, schemas: Schemas) -> ResourceObject:
    """The data source of a `check`, which was read while planning although it is read again."""
    schema = schemas(change.provider, Mode.DATA, change.address.resource.type)
    known = {name: part if is_wholly_known(part) else None for name, part in change.after.items()}
    attributes, paths = stored_value(known, schema.block) if schema is not None else ({}, ())
    return ResourceObject(change.address, change.provider, attributes, change.schema_version, paths)


# --- changes --------------------------------------------------------------------------------------------------------


def _changes(changes: Iterable[Change]) -> list[dict[str, Any]]:
    told = [change for change in changes if not _is_silent(change)]
    told.sort(key=lambda change: (len(change.address.module.steps), change.address.sort_key, change.deposed))
    return [_change(change) for change in told]


def _is_silent(change: Change) -> bool:
    """Data sources that are not read, or no longer wanted, are no changes."""
    return change.address.resource.mode is not Mode.MANAGED and change.action is not Action.READ


def _change(change: Change) -> dict[str, Any]:
    entry = resource_head(change.address)
    head: dict[str, Any] = {"address": entry.pop("address")}
    if change.previous_address is not None and change.previous_address != change.address:
        head["previous_address"] = str(change.previous_address)
    if change.address.module.steps:
        head["module_address"] = str(change.address.module)
    entry = head | entry
    entry["provider_name"] = provider_name(change.provider)
    if change.deposed:
        entry["deposed"] = change.deposed
    details: dict[str, Any] = {"actions": list(change.action.operations)}
    details |= change_json(change.before, change.after)
    if change.replace_paths:
        details["replace_paths"] = [list(path) for path in sorted(change.replace_paths, key=_path_order)]
    if change.import_id is not None:
        details["importing"] = {"id": change.import_id}
    entry["change"] = details
    if change.reason is not None:
        entry["action_reason"] = change.reason.value
    return entry


def _path_order(path: Path) -> list[tuple[bool, str | int]]:
    return [(isinstance(step, int), step) for step in path]


def _output(change: OutputChange) -> dict[str, Any]:
    """Terraform knows one flag for both sides: sensitive before or after."""
    shown: dict[str, Any] = {"actions": list(change.action.operations), "before": json_of(change.before)}
    known = json_of(change.after)
    if known is not ABSENT:
        shown["after"] = known
    shown["after_unknown"] = False if is_wholly_known(change.after) else unknown_of(change.after)
    shown["before_sensitive"] = shown["after_sensitive"] = change.sensitive
    return shown


# --- planned values -------------------------------------------------------------------------------------------------


def _planned_values(plan: Plan, schemas: Schemas) -> dict[str, Any]:
    values: dict[str, Any] = {}
    outputs = {
        name: _planned_output(change)
        for name, change in sorted(plan.outputs.items())
        if change.action is not Action.DELETE
    }
    if outputs:
        values["outputs"] = outputs
    kept = [change for change in plan.changes if change.action is not Action.DELETE and not change.deposed]
    kept = [change for change in kept if not _is_silent(change)]
    kept.sort(key=lambda change: str(change.address))
    values["root_module"] = module_tree(_planned(change, schemas) for change in kept)
    return values


def _planned_output(change: OutputChange) -> dict[str, Any]:
    shown: dict[str, Any] = {"sensitive": change.sensitive}
    if is_wholly_known(change.after):
        shown["type"] = type_to_json(type_of(change.after))
        shown["value"] = json_of(change.after)
    return shown


def _planned(change: Change, schemas: Schemas) -> tuple[ResourceInstance, dict[str, Any]]:
    resource = change.address.resource
    schema = schemas(change.provider, resource.mode, resource.type)
    entry = resource_head(change.address)
    entry["provider_name"] = provider_name(change.provider)
    entry["schema_version"] = schema.version if schema is not None else change.schema_version
    if change.after is not None:  # there is nothing to say of what is forgotten
        entry["values"] = json_of(change.after)
    entry["sensitive_values"] = sensitive_of(change.after)
    return change.address, entry
