"""aws_s3_bucket_versioning."""

from __future__ import annotations

from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.members import dig
from iacengine_aws.spec import (
    Create,
    Get,
    Hooks,
    Nested,
    Nesting,
    Plain,
    ResourceSpec,
    Retry,
    optional,
    optional_computed,
    required,
    unsupported,
)


def _put(session: Session, wanted: Plain) -> None:
    [block] = wanted["versioning_configuration"]
    if block["status"] == "Disabled":  # the state of a bucket that never was versioned; the API has no call for it
        return
    configuration = {"Status": block["status"]}
    if block.get("mfa_delete"):
        configuration["MFADelete"] = block["mfa_delete"]
    params = {"Bucket": wanted["bucket"], "VersioningConfiguration": configuration}
    if wanted.get("expected_bucket_owner"):
        params["ExpectedBucketOwner"] = wanted["expected_bucket_owner"]
    session.call("s3", "put_bucket_versioning", params)


def _deleting(session: Session, prior: Plain) -> None:
    """Versioning cannot be taken back, only suspended."""
    [block] = prior["versioning_configuration"] or [{"status": "Enabled"}]
    if block["status"] == "Enabled":
        suspended = {"bucket": prior["bucket"], "versioning_configuration": [{"status": "Suspended"}]}
        try:
            _put(session, {**suspended, "expected_bucket_owner": prior.get("expected_bucket_owner")})
        except ApiError as problem:
            if problem.code not in ("NoSuchBucket", "404"):
                raise


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    found = observation["Versioning"]
    attributes["versioning_configuration"] = [
        {"status": found.get("Status") or "Disabled", "mfa_delete": dig(found, "MFADelete") or ""}
    ]
    return attributes


def _parse_id(id_: str) -> Plain:
    bucket, _, owner = id_.partition(",")
    return {"bucket": bucket, "expected_bucket_owner": owner or None}


SPEC = ResourceSpec(
    type="aws_s3_bucket_versioning",
    service="s3",
    fields={
        "bucket": required(force_new=True, create="Bucket"),
        "expected_bucket_owner": optional(force_new=True),
        "mfa": unsupported(),
    },
    blocks={
        "versioning_configuration": Nested(
            Nesting.LIST,
            {
                "mfa_delete": optional_computed(choices=("Enabled", "Disabled")),
                "status": required(choices=("Enabled", "Suspended", "Disabled")),
            },
            min_items=1,
            max_items=1,
        )
    },
    create=Create("head_bucket", "{bucket}", retries=(Retry("404"), Retry("NoSuchBucket")), patience=20),
    read=(Get("get_bucket_versioning", {"Bucket": "$bucket"}, into="Versioning", missing=("NoSuchBucket", "404")),),
    delete=None,
    find_notes="not at all: setting it again does no harm",
    hooks=Hooks(
        created=_put,
        updated=lambda session, prior, wanted: _put(session, wanted),
        deleting=_deleting,
        observe=_observe,
        parse_id=_parse_id,
    ),
)
