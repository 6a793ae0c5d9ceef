"""aws_iam_role."""

from __future__ import annotations

from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    TEXT_SET,
    Create,
    Delete,
    Find,
    Get,
    Hooks,
    Name,
    Nested,
    Nesting,
    Plain,
    ResourceSpec,
    Retry,
    TagApi,
    Update,
    computed,
    optional,
    optional_computed,
    required,
    unsupported,
)

_GONE = ("NoSuchEntity",)
# A principal named in a policy is not known everywhere for some seconds after it was made.
_PRINCIPAL = (Retry("MalformedPolicyDocument", "Invalid principal"), Retry("ConcurrentModification"))


def _updated(session: Session, prior: Plain, wanted: Plain) -> None:
    if (prior.get("permissions_boundary") or None) == (wanted.get("permissions_boundary") or None):
        return
    if wanted.get("permissions_boundary"):
        params = {"RoleName": wanted["id"], "PermissionsBoundary": wanted["permissions_boundary"]}
        session.call("iam", "put_role_permissions_boundary", params)
    else:
        session.call("iam", "delete_role_permissions_boundary", {"RoleName": wanted["id"]})


def _deleting(session: Session, prior: Plain) -> None:
    """With force_detach_policies, detach what others attached; a role with policies cannot be deleted."""
    if not prior.get("force_detach_policies"):
        return
    role = {"RoleName": prior["id"]}
    try:
        for page in session.pages("iam", "list_attached_role_policies", role):
            for policy in page["AttachedPolicies"]:
                session.call("iam", "detach_role_policy", {**role, "PolicyArn": policy["PolicyArn"]})
        for page in session.pages("iam", "list_role_policies", role):
            for name in page["PolicyNames"]:
                session.call("iam", "delete_role_policy", {**role, "PolicyName": name})
    except ApiError as problem:
        if problem.code not in _GONE:
            raise


SPEC = ResourceSpec(
    type="aws_iam_role",
    service="iam",
    fields={
        "arn": computed(read="Role.Arn"),
        "assume_role_policy": required(
            create="AssumeRolePolicyDocument", read="Role.AssumeRolePolicyDocument", json="policy"
        ),
        "create_date": computed(read="Role.CreateDate"),
        "description": optional(create="Description", read="Role.Description"),
        "force_detach_policies": optional(BOOL, default=False),
        "managed_policy_arns": unsupported(TEXT_SET, computed=True, deprecated="Use aws_iam_role_policy_attachment."),
        "max_session_duration": optional(
            NUMBER, default=3600, create="MaxSessionDuration", read="Role.MaxSessionDuration", bounds=(3600, 43_200)
        ),
        "name": optional_computed(force_new=True, create="RoleName", read="Role.RoleName"),
        "name_prefix": optional_computed(force_new=True),
        "path": optional(default="/", force_new=True, create="Path", read="Role.Path"),
        "permissions_boundary": optional(
            create="PermissionsBoundary", read="Role.PermissionsBoundary.PermissionsBoundaryArn"
        ),
        "unique_id": computed(read="Role.RoleId"),
    },
    blocks={
        "inline_policy": Nested(Nesting.SET, {"name": optional(), "policy": optional()}, supported=False),
    },
    conflicts=(("name", "name_prefix"),),
    name=Name(limit=64),
    create=Create("create_role", "Role.RoleName", retries=_PRINCIPAL),
    read=(Get("get_role", {"RoleName": "$id"}, into="Role", take="Role", missing=_GONE),),
    updates=(
        Update(
            "update_assume_role_policy",
            ("assume_role_policy",),
            {"RoleName": "$id", "PolicyDocument": "$assume_role_policy"},
            retries=_PRINCIPAL,
        ),
        Update(
            "update_role",
            ("description", "max_session_duration"),
            {"RoleName": "$id", "Description": "$$description", "MaxSessionDuration": "$max_session_duration"},
        ),
    ),
    delete=Delete("delete_role", {"RoleName": "$id"}, missing=_GONE, retries=(Retry("DeleteConflict"),), patience=15),
    tags=TagApi(
        read="Role.Tags",
        create="Tags",
        add=("tag_role", {"RoleName": "$id", "Tags": "@tags"}),
        remove=("untag_role", {"RoleName": "$id", "TagKeys": "@keys"}),
    ),
    find=Find(
        "list_roles",
        "Roles",
        "RoleName",
        tags=Get("list_role_tags", {"RoleName": "$id"}, into="tags", take="Tags", missing=(*_GONE, "AccessDenied")),
    ),
    find_notes="by the tag iacengine:token, which is set by the create call itself; looks at every role",
    hooks=Hooks(updated=_updated, deleting=_deleting),
)
