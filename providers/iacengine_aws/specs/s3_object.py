"""aws_s3_object."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from iacengine.foundation.diagnostics import Diagnostic, error, failure
from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown, Value, is_null, same
from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.members import plant
from iacengine_aws.spec import (
    BOOL,
    TEXT_MAP,
    Create,
    Field,
    Get,
    Hooks,
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
    unsupported,
)

_GONE = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")
_CONTENT_TYPE = "application/octet-stream"  # where none is given, as Terraform's provider sends it
_CONTENT = ("content", "content_base64", "source")
_REWRITTEN_BY = (
    *_CONTENT,
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "content_type",
    "kms_key_id",
    "metadata",
    "server_side_encryption",
    "source_hash",
    "storage_class",
    "website_redirect",
)


def _body(wanted: Mapping[str, Any]) -> bytes:
    if wanted.get("content") is not None:
        return str(wanted["content"]).encode()
    if wanted.get("content_base64") is not None:
        return base64.b64decode(wanted["content_base64"], validate=True)
    if wanted.get("source"):
        path = Path(wanted["source"]).expanduser()
        try:
            return path.read_bytes()
        except OSError as problem:
            raise failure(
                "Cannot read the source of an S3 object",
                f"{wanted['source']}: {problem.strerror or problem}.",
                remedy='Give the path of a file; for one beside the stack file write "${path.module}/…".',
            ) from None
    return b""


def _prepare(session: Session, planned: Plain, params: Plain) -> Plain:
    return {"ContentType": _CONTENT_TYPE, **params, "Body": _body(planned)}


def _put(session: Session, prior: Plain, wanted: Plain) -> None:
    """Write the object again when anything but its tags changed: S3 has no other way to change one."""
    if all(prior.get(name) == wanted.get(name) for name in (*_REWRITTEN_BY, "etag")):
        return
    params: Plain = {}
    for name, described in FIELDS.items():
        if described.create is not None and wanted.get(name) not in (None, ""):
            plant(params, described.create, wanted[name])
    carried = wanted.get("tags_all") or {}
    if carried:
        params["Tagging"] = urlencode(carried)
    session.call("s3", "put_object", _prepare(session, wanted, params))


def _deleting(session: Session, prior: Plain) -> None:
    """Delete the object; on a versioned bucket every version of it, where a plain delete only leaves a marker."""
    bucket, key = prior["bucket"], prior["key"]
    try:
        if not prior.get("version_id"):
            session.call("s3", "delete_object", {"Bucket": bucket, "Key": key})
            return
        for page in session.pages("s3", "list_object_versions", {"Bucket": bucket, "Prefix": key}):
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": key, "VersionId": entry["VersionId"]} for entry in entries if entry["Key"] == key]
            if objects:
                params: Plain = {"Bucket": bucket, "Delete": {"Objects": objects, "Quiet": True}}
                if prior.get("force_destroy"):
                    params["BypassGovernanceRetention"] = True
                session.call("s3", "delete_objects", params)
    except ApiError as problem:
        if problem.code not in _GONE:
            raise


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    attributes["etag"] = str(attributes.get("etag") or "").strip('"')
    attributes["storage_class"] = attributes["storage_class"] or "STANDARD"  # which S3 does not tell
    return attributes


def _plan(prior: Mapping[str, Value] | None, config: Mapping[str, Value], planned: Plain) -> Plain:
    """A new content is a new etag and a new version; an etag in the configuration says when the source changed."""
    if prior is None:
        return planned
    rewritten = any(
        not same(prior.get(name), planned.get(name)) and not (is_null(prior.get(name)) and is_null(planned.get(name)))
        for name in (*_REWRITTEN_BY, "etag")
    )
    if rewritten:
        if is_null(config.get("etag")):
            planned["etag"] = Unknown(STRING)
        planned["version_id"] = Unknown(STRING)
    return planned


def _validate(config: Mapping[str, Value]) -> tuple[Diagnostic, ...]:
    given = [name for name in _CONTENT if not is_null(config.get(name))]
    if len(given) > 1:
        return (
            error(
                "Conflicting attributes",
                f"aws_s3_object takes one of {', '.join(_CONTENT)}; {' and '.join(given)} are set.",
                remedy="Keep one of them.",
            ),
        )
    encoded = config.get("content_base64")
    if isinstance(encoded, str):
        try:
            base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return (
                error("Invalid value", "content_base64 of aws_s3_object is not Base64.", remedy="Use base64encode."),
            )
    return ()


def _parse_id(id_: str) -> Plain:
    bucket, _, key = id_.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise ValueError("the bucket and the key, as in bucket/folder/key")
    return {"id": key, "bucket": bucket, "key": key}


FIELDS: dict[str, Field] = {
    "acl": unsupported(computed=True),
    "arn": computed(derive="arn:{partition}:s3:::{bucket}/{key}"),
    "bucket": required(force_new=True, create="Bucket"),
    "bucket_key_enabled": optional_computed(BOOL, create="BucketKeyEnabled", read="Head.BucketKeyEnabled"),
    "cache_control": optional(create="CacheControl", read="Head.CacheControl"),
    "checksum_algorithm": unsupported(),
    "checksum_crc32": computed(),
    "checksum_crc32c": computed(),
    "checksum_crc64nvme": computed(),
    "checksum_sha1": computed(),
    "checksum_sha256": computed(),
    "content": optional(),
    "content_base64": optional(),
    "content_disposition": optional(create="ContentDisposition", read="Head.ContentDisposition"),
    "content_encoding": optional(create="ContentEncoding", read="Head.ContentEncoding"),
    "content_language": optional(create="ContentLanguage", read="Head.ContentLanguage"),
    "content_type": optional_computed(create="ContentType", read="Head.ContentType"),
    "etag": optional_computed(read="Head.ETag"),
    "force_destroy": optional(BOOL, default=False),
    "key": required(force_new=True, create="Key"),
    "kms_key_id": optional_computed(create="SSEKMSKeyId", read="Head.SSEKMSKeyId"),
    "metadata": optional(TEXT_MAP, create="Metadata", read="Head.Metadata"),
    "object_lock_legal_hold_status": unsupported(),
    "object_lock_mode": unsupported(),
    "object_lock_retain_until_date": unsupported(),
    "server_side_encryption": optional_computed(
        create="ServerSideEncryption", read="Head.ServerSideEncryption", choices=("AES256", "aws:kms", "aws:kms:dsse")
    ),
    "source": optional(),
    "source_hash": optional(),
    "storage_class": optional_computed(create="StorageClass", read="Head.StorageClass"),
    "version_id": computed(read="Head.VersionId"),
    "website_redirect": optional(create="WebsiteRedirectLocation", read="Head.WebsiteRedirectLocation"),
}

_AT = {"Bucket": "$bucket", "Key": "$key"}

SPEC = ResourceSpec(
    type="aws_s3_object",
    service="s3",
    fields=FIELDS,
    blocks={
        "override_provider": Nested(
            Nesting.LIST,
            {},
            {"default_tags": Nested(Nesting.LIST, {"tags": optional(TEXT_MAP)}, max_items=1)},
            max_items=1,
            supported=False,
        )
    },
    create=Create("put_object", "{key}", retries=(Retry("NoSuchBucket"),), patience=20),
    read=(
        Get("head_object", _AT, into="Head", missing=_GONE),
        Get("get_object_tagging", _AT, into="TagSet", take="TagSet", missing=_GONE),
    ),
    delete=None,
    tags=TagApi(
        read="TagSet",
        replace=("put_object_tagging", {**_AT, "Tagging": {"TagSet": "@tags"}}),
        clear=("delete_object_tagging", _AT),
    ),
    find_notes="not at all: putting the object again does no harm",
    hooks=Hooks(
        validate=_validate,
        plan=_plan,
        prepare=_prepare,
        updated=_put,
        deleting=_deleting,
        observe=_observe,
        parse_id=_parse_id,
    ),
)
