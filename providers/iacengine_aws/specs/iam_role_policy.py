"""aws_iam_role_policy."""

from __future__ import annotations

from iacengine_aws.client import Session
from iacengine_aws.spec import (
    Create,
    Delete,
    Get,
    Hooks,
    Name,
    Plain,
    ResourceSpec,
    Retry,
    Update,
    optional_computed,
    required,
)

_GONE = ("NoSuchEntity",)


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    attributes["role"], _, attributes["name"] = attributes["id"].partition(":")
    return attributes


def _parse_id(id_: str) -> Plain:
    role, _, name = id_.partition(":")
    if not role or not name:
        raise ValueError("the role and the policy, as in role:policy")
    return {"role": role, "name": name}


_AT = {"RoleName": "$role", "PolicyName": "$name"}

SPEC = ResourceSpec(
    type="aws_iam_role_policy",
    service="iam",
    fields={
        "name": optional_computed(force_new=True, create="PolicyName"),
        "name_prefix": optional_computed(force_new=True),
        "policy": required(create="PolicyDocument", read="Policy.PolicyDocument", json="policy"),
        "role": required(force_new=True, create="RoleName"),
    },
    conflicts=(("name", "name_prefix"),),
    name=Name(limit=128),
    create=Create("put_role_policy", "{role}:{name}", retries=(Retry("NoSuchEntity"),), patience=20),
    read=(Get("get_role_policy", _AT, into="Policy", missing=_GONE),),
    updates=(Update("put_role_policy", ("policy",), {**_AT, "PolicyDocument": "$policy"}),),
    delete=Delete("delete_role_policy", _AT, missing=_GONE),
    find_notes="not at all: putting the policy again does no harm",
    hooks=Hooks(observe=_observe, parse_id=_parse_id),
)
