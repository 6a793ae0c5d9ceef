"""The settings of the `s3` backend: those of Terraform's backend of that name, and ours.

What Terraform's needs and this one does not is accepted, so that blocks can be moved over unchanged: `dynamodb_table`
and its endpoints (locks need no table), `use_lockfile` (they are always in the bucket), `workspace_key_prefix`, and
the checks to be skipped that are never made.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iacengine.state.backends.base import VERSIONS_KEPT
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.lease import LEASE_SECONDS

MOST_VERSIONS = 1000
"""The head names every version that is kept, and is written often."""

_USED = [
    "bucket",
    "key",
    "region",
    "endpoint",
    "endpoints",
    "access_key",
    "secret_key",
    "token",
    "profile",
    "shared_config_files",
    "shared_credentials_file",
    "shared_credentials_files",
    "assume_role",
    "encrypt",
    "kms_key_id",
    "sse_customer_key",
    "acl",
    "use_path_style",
    "force_path_style",
    "custom_ca_bundle",
    "insecure",
    "http_proxy",
    "https_proxy",
    "max_retries",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
    "sts_endpoint",
    "sts_region",
    "allowed_account_ids",
    "forbidden_account_ids",
    "skip_metadata_api_check",
    "skip_s3_checksum",
    "versions",
    "lease",
]
_ACCEPTED = [
    "dynamodb_table",
    "dynamodb_endpoint",
    "iam_endpoint",
    "use_lockfile",
    "workspace_key_prefix",
    "skip_credentials_validation",
    "skip_region_validation",
    "skip_requesting_account_id",
    "retry_mode",
]
_ROLE = {
    "role_arn": "RoleArn",
    "session_name": "RoleSessionName",
    "external_id": "ExternalId",
    "policy": "Policy",
    "source_identity": "SourceIdentity",
}
_ROLE_LISTS = ("policy_arns", "transitive_tag_keys")


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the state is and how to get there. `sse_key` is the customer's raw 32 bytes; `role` are the parameters of
    STS's AssumeRole; `proxies` by scheme; `lease` in seconds. What is None is left to botocore."""

    bucket: str
    key: str
    region: str | None
    endpoint: str | None = None
    sts_endpoint: str | None = None
    sts_region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    profile: str | None = None
    config_file: str | None = None
    credentials_file: str | None = None
    role: Mapping[str, Any] = field(default_factory=dict)
    encrypt: bool = False
    kms_key_id: str | None = None
    sse_key: bytes | None = field(default=None, repr=False)
    acl: str | None = None
    path_style: bool = False
    ca_bundle: str | None = None
    insecure: bool = False
    proxies: Mapping[str, str] = field(default_factory=dict)
    max_retries: int | None = None
    dualstack: bool = False
    fips: bool = False
    allowed_accounts: tuple[str, ...] = ()
    forbidden_accounts: tuple[str, ...] = ()
    skip_metadata: bool = False
    skip_checksum: bool = False
    versions: int = VERSIONS_KEPT
    lease: float = LEASE_SECONDS


def s3_settings(settings: BackendSettings) -> S3Settings:
    """Raises DiagnosticsError for what is wrong, missing or unknown."""
    settings.refuse_others((*_USED, *_ACCEPTED))
    bucket, key = settings.required("bucket"), settings.required("key")
    if key.startswith("/") or key.endswith("/"):
        raise settings.wrong("key", f'The key "{key}" starts or ends with a slash.', "Write it without that slash.")
    endpoints = _endpoints(settings)
    region = settings.text("region", "AWS_REGION", "AWS_DEFAULT_REGION")
    versions = int(settings.number("versions", VERSIONS_KEPT))
    if versions > MOST_VERSIONS:
        raise settings.wrong("versions", f"At most {MOST_VERSIONS} versions can be kept.", "Write a smaller number.")
    lease = settings.number("lease", LEASE_SECONDS)
    if lease <= 0:
        raise settings.wrong("lease", "A lease must last longer than no time.", "Write seconds, such as 60.")
    proxies = {scheme: settings.text(f"{scheme}_proxy") for scheme in ("http", "https")}
    kms_key_id, sse_key = settings.text("kms_key_id"), _sse_key(settings)
    if kms_key_id and sse_key:
        raise settings.wrong(
            "sse_customer_key", "kms_key_id and sse_customer_key exclude each other.", "Leave one of them out."
        )
    retries = settings.number("max_retries", -1, least=0) if "max_retries" in settings.values else None
    return S3Settings(
        bucket=bucket,
        key=key,
        region=region,
        endpoint=endpoints.get("s3") or settings.text("endpoint", "AWS_S3_ENDPOINT"),
        sts_endpoint=endpoints.get("sts") or settings.text("sts_endpoint", "AWS_STS_ENDPOINT"),
        sts_region=settings.text("sts_region"),
        access_key=settings.text("access_key"),
        secret_key=settings.text("secret_key"),
        token=settings.text("token"),
        profile=settings.text("profile"),
        config_file=_one_file(settings, "shared_config_files"),
        credentials_file=_one_file(settings, "shared_credentials_files", "shared_credentials_file"),
        role=_role(settings),
        encrypt=settings.boolean("encrypt"),
        kms_key_id=kms_key_id or None,
        sse_key=sse_key,
        acl=settings.text("acl"),
        path_style=settings.boolean("use_path_style", settings.boolean("force_path_style")),
        ca_bundle=_path(settings.text("custom_ca_bundle")),
        insecure=settings.boolean("insecure"),
        proxies={scheme: proxy for scheme, proxy in proxies.items() if proxy},
        max_retries=None if retries is None else int(retries),
        dualstack=settings.boolean("use_dualstack_endpoint"),
        fips=settings.boolean("use_fips_endpoint"),
        allowed_accounts=_texts(settings, "allowed_account_ids"),
        forbidden_accounts=_texts(settings, "forbidden_account_ids"),
        skip_metadata=settings.boolean("skip_metadata_api_check"),
        skip_checksum=settings.boolean("skip_s3_checksum"),
        versions=versions,
        lease=lease,
    )


def _texts(settings: BackendSettings, name: str) -> tuple[str, ...]:
    given = settings.values.get(name)
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        raise settings.wrong(name, f'The setting "{name}" must be a list of texts.', "Write it as [a, b].")
    return tuple(given)


def _mapping(settings: BackendSettings, name: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """A nested block or map. Terraform's JSON syntax has a block also as a list of one."""
    given = settings.values.get(name)
    if isinstance(given, list | tuple) and len(given) == 1:
        given = given[0]
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise settings.wrong(name, f'The setting "{name}" must be a map.', "Write its settings below it.")
    for inner in given:
        if inner not in known:
            raise settings.wrong(name, f'"{name}" has no setting "{inner}".', f"Known are: {', '.join(known)}.")
    return given


def _endpoints(settings: BackendSettings) -> dict[str, str]:
    given = _mapping(settings, "endpoints", ("s3", "sts", "dynamodb", "iam", "sso"))
    for name, url in given.items():
        if url is not None and (not isinstance(url, str) or "://" not in url):
            raise settings.wrong(
                "endpoints", f'The endpoint of {name} must be a URL, not "{url}".', "Write it as https://HOST."
            )
    return {name: url for name, url in given.items() if url}


def _path(text: str | None) -> str | None:
    return None if text is None else str(Path(text).expanduser())


def _one_file(settings: BackendSettings, name: str, alone: str = "") -> str | None:
    files = _texts(settings, name) or ((settings.text(alone),) if alone and settings.text(alone) else ())
    if len(files) > 1:
        raise settings.wrong(name, "More than one file cannot be read here.", "Name a single file.")
    return _path(files[0]) if files else None


def _sse_key(settings: BackendSettings) -> bytes | None:
    text = settings.text("sse_customer_key", "AWS_SSE_CUSTOMER_KEY")
    if not text:
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise settings.wrong(
            "sse_customer_key" if "sse_customer_key" in settings.values else None,
            "The customer's key must be 32 bytes in base64.",
            "Make one with: openssl rand -base64 32",
        )
    return key


def _role(settings: BackendSettings) -> dict[str, Any]:
    known = (*_ROLE, *_ROLE_LISTS, "duration", "tags")
    given = _mapping(settings, "assume_role", known)
    if not given:
        return {}
    if not isinstance(given.get("role_arn"), str) or not given["role_arn"]:
        raise settings.wrong("assume_role", "assume_role needs role_arn.", "Name the role by its ARN.")
    params: dict[str, Any] = {ours: given[name] for name, ours in _ROLE.items() if given.get(name)}
    params.setdefault("RoleSessionName", f"iacengine-{os.getpid()}")
    if given.get("policy_arns"):
        params["PolicyArns"] = [{"arn": str(arn)} for arn in given["policy_arns"]]
    if given.get("transitive_tag_keys"):
        params["TransitiveTagKeys"] = [str(key) for key in given["transitive_tag_keys"]]
    if given.get("tags"):
        params["Tags"] = [{"Key": str(key), "Value": str(value)} for key, value in given["tags"].items()]
    if given.get("duration"):
        params["DurationSeconds"] = _seconds(settings, given["duration"])
    return params


def _seconds(settings: BackendSettings, duration: object) -> int:
    """Go's notation, as Terraform has it (`1h30m`), or seconds."""
    if isinstance(duration, int) and not isinstance(duration, bool):
        return duration
    units = {"h": 3600, "m": 60, "s": 1}
    seconds, number = 0, ""
    for sign in str(duration):
        if sign.isdigit():
            number += sign
        elif sign in units and number:
            seconds, number = seconds + int(number) * units[sign], ""
        else:
            number = "?"
            break
    if number or not seconds:
        raise settings.wrong("assume_role", f'The duration "{duration}" is none.', "Write it as 1h or 30m.")
    return seconds
