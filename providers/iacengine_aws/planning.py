"""The plan of an AWS object: the engine's plan from the schema, and what Terraform's provider adds to that.

Policies that mean the same are not a change; nothing and empty are the same; `tags_all` is known as soon as the tags
are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from iacengine.lang.types import STRING
from iacengine.lang.values import MapValue, Unknown, Value, is_null, is_unknown, is_wholly_known, same
from iacengine.provider.planning import plan_from_schema, replace_paths
from iacengine.provider.protocol import PlanRequest, PlanResponse
from iacengine.schema import Schema
from iacengine_aws.block_plans import implied, plan_blocks
from iacengine_aws.documents import same_document
from iacengine_aws.settings import Settings
from iacengine_aws.spec import TAGS, TEXT_MAP, Field, ResourceSpec
from iacengine_aws.tags import merged


def plan_resource(spec: ResourceSpec, schema: Schema, settings: Settings, request: PlanRequest) -> PlanResponse:
    """The plan of one object. Does no I/O."""
    if is_null(request.config):
        return plan_from_schema(schema, request)
    prior = None if is_null(request.prior) else request.prior
    if prior is not None:
        request = replace(request, proposed=_kept(spec, prior, request.config, request.proposed))
    response = plan_from_schema(schema, request)
    planned = dict(response.planned)
    if prior is None:
        _unset(spec, request.config, planned)
    if spec.tags is not None:
        planned["tags_all"] = planned_tags(settings, planned["tags"], None if prior is None else prior["tags_all"])
    for name, nested in spec.blocks.items():
        planned[name] = plan_blocks(nested, None if prior is None else prior[name], request.config[name], planned[name])
    if spec.hooks.plan is not None:
        planned = spec.hooks.plan(prior, request.config, planned)
    return replace(response, planned=planned, requires_replace=replace_paths(schema.block, prior, planned))


def _kept(spec: ResourceSpec, prior: Mapping[str, Value], config: Mapping[str, Value], proposed: Value) -> Value:
    """The proposed object, with what only looks changed left as it was before."""
    kept = dict(proposed)
    for name, described in spec.fields.items():
        before, after = prior.get(name), proposed.get(name)
        if is_null(config.get(name)):
            if described.computed:
                kept[name] = before
            elif described.only_configured:
                kept[name] = before if implied(described, before) else None
        elif _means_the_same(described, before, after):
            kept[name] = before
    if spec.tags is not None and is_null(config.get("tags")):
        kept["tags"] = prior.get("tags") if implied(TAGS, prior.get("tags")) else None
    return kept


def _unset(spec: ResourceSpec, config: Mapping[str, Value], planned: dict[str, Value]) -> None:
    """Attributes of a new object that only a configuration sets are null when it does not."""
    for name, described in spec.fields.items():
        if described.only_configured and is_null(config.get(name)):
            planned[name] = None
    if spec.tags is not None and is_null(config.get("tags")):
        planned["tags"] = None


def _means_the_same(described: Field, before: Value, after: Value) -> bool:
    if is_null(before) or not is_wholly_known(after):
        return False
    return described.json is not None and same_document(described.json, before, after)


def planned_tags(settings: Settings, own: Value, prior: Value) -> Value:
    """What `tags_all` will be: unknown while a tag is not known."""
    if settings.default_tags is None or is_unknown(own) or not is_wholly_known(own):
        return Unknown(TEXT_MAP)
    mine = {} if is_null(own) else {key: None if is_null(value) else value for key, value in own.items.items()}
    planned = MapValue(STRING, merged(settings, mine))
    return prior if not is_null(prior) and same(prior, planned) else planned
