"""aws_s3_bucket: the bucket itself.

What Terraform's provider 4 took out of the bucket into resources of their own (`versioning`, `acl`, `policy`,
`cors_rule`, `lifecycle_rule`, …) is refused here and is not read either: those attributes are empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.lang.values import Value
from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    TEXT_MAP,
    TEXT_SET,
    TEXTS,
    Create,
    Delete,
    Field,
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
    computed,
    optional,
    optional_computed,
    required,
    timeouts,
    unsupported,
)

_GONE = ("NoSuchBucket", "404", "NotFound")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# The ids of the hosted zones of website endpoints:
# https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
_HOSTED_ZONES = {
    "af-south-1": "Z83WF9RJE8B12",
    "ap-east-1": "ZNB98KWMFR0R6",
    "ap-northeast-1": "Z2M4EHUR26P7ZW",
    "ap-northeast-2": "Z3W03O7B5YMIYP",
    "ap-northeast-3": "Z2YQB5RD63NC85",
    "ap-south-1": "Z11RGJOFQNVJUP",
    "ap-southeast-1": "Z3O0J2DXBE1FTB",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
    "ca-central-1": "Z1QDHH18159H29",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "eu-south-1": "Z30OZKI7KPW7MI",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "me-south-1": "Z1MPMWCPA7YB62",
    "sa-east-1": "Z7KQH4QJS55SO",
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-gov-east-1": "Z2NIFVYYW2VKV1",
    "us-gov-west-1": "Z31GFT0UA1I2HV",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
}


def _prepare(session: Session, planned: Plain, params: Plain) -> Plain:
    if session.region != "us-east-1":
        params["CreateBucketConfiguration"] = {"LocationConstraint": session.region}
    return params


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    region = observation["Head"].get("BucketRegion") or session.region
    name = attributes["id"]
    attributes |= {
        "region": region,
        "hosted_zone_id": _HOSTED_ZONES.get(region, ""),
        "bucket_regional_domain_name": f"{name}.s3.{region}.{session.dns_suffix}",
    }
    return attributes


def _deleting(session: Session, prior: Plain) -> None:
    """Empty the bucket when the configuration allows it: every version of every object, a thousand to a call."""
    if not prior.get("force_destroy"):
        return
    bucket = prior["id"]

    try:
        for page in session.pages("s3", "list_object_versions", {"Bucket": bucket}):
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
            if objects:
                params = {"Bucket": bucket, "Delete": {"Objects": objects, "Quiet": True}}
                failed = session.call("s3", "delete_objects", params).get("Errors")
                if failed:
                    raise ApiError("s3", "delete_objects", failed[0]["Code"], failed[0].get("Message", ""))
    except ApiError as problem:
        if problem.code not in _GONE:
            raise


def _validate(config: Mapping[str, Value]) -> tuple[Diagnostic, ...]:
    name = config.get("bucket")
    if not isinstance(name, str) or not name or _NAME.fullmatch(name):
        return ()
    return (
        error(
            "Invalid bucket name",
            f'"{name}" is no name for a bucket: 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or '
            "digit at both ends.",
            remedy=f'Write "{re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")}", for instance.',
        ),
    )


def _list(fields: Mapping[str, Field] | None = None, **blocks: Nested) -> Nested:
    return Nested(Nesting.LIST, fields or {}, blocks, max_items=1, supported=False)


_ACCESS_RULES = Nested(
    Nesting.LIST,
    {
        "allowed_headers": optional(TEXTS),
        "allowed_methods": required(TEXTS),
        "allowed_origins": required(TEXTS),
        "expose_headers": optional(TEXTS),
        "max_age_seconds": optional(NUMBER),
    },
    supported=False,
)
_GRANTS = Nested(
    Nesting.SET,
    {"id": optional(), "permissions": required(TEXT_SET), "type": required(), "uri": optional()},
    supported=False,
)
_LIFECYCLE = Nested(
    Nesting.LIST,
    {
        "abort_incomplete_multipart_upload_days": optional(NUMBER),
        "enabled": required(BOOL),
        "id": optional_computed(),
        "prefix": optional(),
        "tags": optional(TEXT_MAP),
    },
    {
        "expiration": _list(
            {"date": optional(), "days": optional(NUMBER), "expired_object_delete_marker": optional(BOOL)}
        ),
        "noncurrent_version_expiration": _list({"days": optional(NUMBER)}),
        "noncurrent_version_transition": Nested(Nesting.SET, {"days": optional(NUMBER), "storage_class": required()}),
        "transition": Nested(Nesting.SET, {"date": optional(), "days": optional(NUMBER), "storage_class": required()}),
    },
    supported=False,
)
_REPLICATION = _list(
    {"role": required()},
    rules=Nested(
        Nesting.SET,
        {
            "delete_marker_replication_status": optional(),
            "id": optional(),
            "prefix": optional(),
            "priority": optional(NUMBER),
            "status": required(),
        },
        {
            "destination": _list(
                {
                    "account_id": optional(),
                    "bucket": required(),
                    "replica_kms_key_id": optional(),
                    "storage_class": optional(),
                },
                access_control_translation=_list({"owner": required()}),
                metrics=_list({"minutes": optional(NUMBER), "status": optional()}),
                replication_time=_list({"minutes": optional(NUMBER), "status": optional()}),
            ),
            "filter": _list({"prefix": optional(), "tags": optional(TEXT_MAP)}),
            "source_selection_criteria": _list(
                sse_kms_encrypted_objects=_list({"enabled": required(BOOL)}),
            ),
        },
        min_items=1,
    ),
)

SPEC = ResourceSpec(
    type="aws_s3_bucket",
    service="s3",
    fields={
        "acceleration_status": unsupported(computed=True, deprecated="Use aws_s3_bucket_accelerate_configuration."),
        "acl": unsupported(computed=True, deprecated="Use aws_s3_bucket_acl."),
        "arn": computed(derive="arn:{partition}:s3:::{id}"),
        "bucket": optional_computed(force_new=True, create="Bucket", derive="{id}"),
        "bucket_domain_name": computed(derive="{id}.s3.{dns_suffix}"),
        "bucket_prefix": optional_computed(force_new=True),
        "bucket_regional_domain_name": computed(),
        "force_destroy": optional(BOOL, default=False),
        "hosted_zone_id": computed(),
        "object_lock_enabled": optional_computed(BOOL, force_new=True, create="ObjectLockEnabledForBucket"),
        "policy": unsupported(computed=True, deprecated="Use aws_s3_bucket_policy."),
        "region": computed(),
        "request_payer": unsupported(computed=True, deprecated="Use aws_s3_bucket_request_payment_configuration."),
        "website_domain": computed(deprecated="Use aws_s3_bucket_website_configuration."),
        "website_endpoint": computed(deprecated="Use aws_s3_bucket_website_configuration."),
    },
    blocks={
        "cors_rule": _ACCESS_RULES,
        "grant": _GRANTS,
        "lifecycle_rule": _LIFECYCLE,
        "logging": _list({"target_bucket": required(), "target_prefix": optional()}),
        "object_lock_configuration": _list(
            {"object_lock_enabled": optional()},
            rule=_list(
                default_retention=_list(
                    {"days": optional(NUMBER), "mode": required(), "years": optional(NUMBER)},
                )
            ),
        ),
        "replication_configuration": _REPLICATION,
        "server_side_encryption_configuration": _list(
            rule=_list(
                {"bucket_key_enabled": optional(BOOL)},
                apply_server_side_encryption_by_default=_list(
                    {"kms_master_key_id": optional(), "sse_algorithm": required()}
                ),
            ),
        ),
        "timeouts": timeouts("create", "delete", "read", "update"),
        "versioning": _list({"enabled": optional(BOOL), "mfa_delete": optional(BOOL)}),
        "website": _list(
            {
                "error_document": optional(),
                "index_document": optional(),
                "redirect_all_requests_to": optional(),
                "routing_rules": optional(),
            }
        ),
    },
    conflicts=(("bucket", "bucket_prefix"),),
    name=Name("bucket", "bucket_prefix", limit=63),
    create=Create(
        "create_bucket", "{bucket}", retries=(Retry("OperationAborted"), Retry("NoSuchBucket"), Retry("NoSuchTagSet"))
    ),
    read=(
        Get("head_bucket", {"Bucket": "$id"}, into="Head", missing=_GONE),
        Get(
            "get_bucket_tagging",
            {"Bucket": "$id"},
            into="TagSet",
            take="TagSet",
            missing=("NoSuchBucket",),
            absent=("NoSuchTagSet", "NoSuchTagSetError"),
        ),
    ),
    delete=Delete("delete_bucket", {"Bucket": "$id"}, missing=_GONE, retries=(Retry("OperationAborted"),)),
    tags=TagApi(
        read="TagSet",
        replace=("put_bucket_tagging", {"Bucket": "$id", "Tagging": {"TagSet": "@tags"}}),
        clear=("delete_bucket_tagging", {"Bucket": "$id"}),
    ),
    find=Find(
        "list_buckets",
        "Buckets",
        "Name",
        tags=Get(
            "get_bucket_tagging",
            {"Bucket": "$id"},
            into="tags",
            take="TagSet",
            missing=("NoSuchBucket", "AccessDenied", "PermanentRedirect"),
            absent=("NoSuchTagSet", "NoSuchTagSetError", "AuthorizationHeaderMalformed"),
        ),
    ),
    find_notes="by the tag iacengine:token, set right after the bucket is made; between the two a bucket is not found",
    hooks=Hooks(validate=_validate, prepare=_prepare, deleting=_deleting, observe=_observe),
)
