"""The configuration of the provider: its schema, and what a configuration means.

Names and meaning are those of Terraform's AWS provider 5.100. What is known there and not supported here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error, failure, near_match
from iacengine.foundation.duration import parse_duration
from iacengine.lang.values import Value, is_null, is_unknown, to_python, unmark_deep
from iacengine.schema import Schema
from iacengine_aws.services import ENDPOINT_NAMES
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    TEXT_MAP,
    TEXT_SET,
    TEXTS,
    Field,
    Nested,
    Nesting,
    block_of,
    optional,
    unsupported,
)

FIELDS: dict[str, Field] = {
    "access_key": optional(),
    "allowed_account_ids": optional(TEXT_SET),
    "custom_ca_bundle": optional(),
    "ec2_metadata_service_endpoint": unsupported(),
    "ec2_metadata_service_endpoint_mode": unsupported(),
    "forbidden_account_ids": optional(TEXT_SET),
    "http_proxy": optional(),
    "https_proxy": optional(),
    "insecure": optional(BOOL),
    "max_retries": optional(NUMBER),
    "no_proxy": unsupported(),
    "profile": optional(),
    "region": optional(),
    "retry_mode": optional(),
    "s3_us_east_1_regional_endpoint": optional(),
    "s3_use_path_style": optional(BOOL),
    "secret_key": optional(sensitive=True),
    "shared_config_files": optional(TEXTS),
    "shared_credentials_files": optional(TEXTS),
    "skip_credentials_validation": optional(BOOL),
    "skip_metadata_api_check": optional(),
    "skip_region_validation": optional(BOOL),
    "skip_requesting_account_id": optional(BOOL),
    "sts_region": optional(),
    "token": optional(sensitive=True),
    "token_bucket_rate_limiter_capacity": unsupported(NUMBER),
    "use_dualstack_endpoint": optional(BOOL),
    "use_fips_endpoint": optional(BOOL),
}

BLOCKS: dict[str, Nested] = {
    "assume_role": Nested(
        Nesting.LIST,
        {
            "duration": optional(),
            "external_id": optional(),
            "policy": optional(),
            "policy_arns": optional(TEXT_SET),
            "role_arn": optional(),
            "session_name": optional(),
            "source_identity": optional(),
            "tags": optional(TEXT_MAP),
            "transitive_tag_keys": optional(TEXT_SET),
        },
    ),
    "assume_role_with_web_identity": Nested(
        Nesting.LIST,
        {
            "duration": optional(),
            "policy": optional(),
            "policy_arns": optional(TEXT_SET),
            "role_arn": optional(),
            "session_name": optional(),
            "web_identity_token": optional(sensitive=True),
            "web_identity_token_file": optional(),
        },
        supported=False,
    ),
    "default_tags": Nested(Nesting.LIST, {"tags": optional(TEXT_MAP)}, max_items=1),
    "endpoints": Nested(Nesting.SET, {name: optional() for name in ENDPOINT_NAMES}),
    "ignore_tags": Nested(Nesting.LIST, {"key_prefixes": optional(TEXT_SET), "keys": optional(TEXT_SET)}, max_items=1),
}


def provider_schema() -> Schema:
    return Schema(block_of(FIELDS, BLOCKS))


@dataclass(frozen=True, slots=True, repr=False)
class AssumeRole:
    """A role to take, with the credentials so far. `duration` in seconds."""

    role_arn: str
    duration: int | None = None
    external_id: str | None = None
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    session_name: str | None = None
    source_identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    transitive_tag_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """A wholly or partly known provider configuration. `default_tags` None: not known yet."""

    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    token: str | None = None
    assume_roles: tuple[AssumeRole, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)
    default_tags: Mapping[str, str] | None = field(default_factory=dict)
    ignored_keys: frozenset[str] = frozenset()
    ignored_prefixes: tuple[str, ...] = ()
    allowed_account_ids: tuple[str, ...] = ()
    forbidden_account_ids: tuple[str, ...] = ()
    max_retries: int | None = None
    retry_mode: str = "standard"
    s3_use_path_style: bool = False
    s3_us_east_1_regional_endpoint: str | None = None
    skip_credentials_validation: bool = False
    skip_metadata_api_check: bool = False
    skip_region_validation: bool = False
    skip_requesting_account_id: bool = False
    shared_config_files: tuple[str, ...] = ()
    shared_credentials_files: tuple[str, ...] = ()
    custom_ca_bundle: str | None = None
    insecure: bool = False
    http_proxy: str | None = None
    https_proxy: str | None = None
    sts_region: str | None = None
    use_dualstack_endpoint: bool = False
    use_fips_endpoint: bool = False


def validate_settings(config: Value) -> tuple[Diagnostic, ...]:
    """What is wrong with a provider configuration beyond its schema. Values may be unknown."""
    findings: list[Diagnostic] = []
    for name, described in FIELDS.items():
        if not described.supported and not is_null(config.get(name)):
            findings.append(_not_supported(name))
    for name, nested in BLOCKS.items():
        if not nested.supported and not _empty(config.get(name)):
            findings.append(_not_supported(name))
    mode = _plain(config.get("retry_mode"))
    if isinstance(mode, str) and mode not in ("standard", "adaptive"):
        near = near_match(mode, ("standard", "adaptive"))
        findings.append(
            error(
                "Invalid AWS provider configuration",
                f'retry_mode must be "standard" or "adaptive", not "{mode}".',
                remedy=f'Write retry_mode: "{near or "standard"}".',
            )
        )
    if bool(_plain(config.get("access_key"))) != bool(_plain(config.get("secret_key"))) and not (
        is_unknown(config.get("access_key")) or is_unknown(config.get("secret_key"))
    ):
        findings.append(
            error(
                "Invalid AWS provider configuration",
                "access_key and secret_key belong together, and only one of them is set.",
                remedy="Set both, or neither to use the environment, a profile, or an instance role.",
            )
        )
    return tuple(findings)


def parse_settings(config: Value) -> Settings:
    """The settings that a configuration means. What is not known yet is as if it were not set.

    Raises DiagnosticsError when a role's duration is no duration.
    """
    plain = {name: _plain(config.get(name)) for name in FIELDS}
    tags: dict[str, str] | None = {}
    blocks = _blocks(config, "default_tags")
    if blocks is None or any(_unknown_inside(block.get("tags")) for block in blocks):
        tags = None
    elif blocks:
        tags = {key: value for key, value in (_plain(blocks[0].get("tags")) or {}).items() if value is not None}
    ignored = [
        {name: _plain(child) or () for name, child in block.items()} for block in _blocks(config, "ignore_tags") or ()
    ]
    endpoints: dict[str, str] = {}
    for block in _blocks(config, "endpoints") or ():
        for name, child in block.items():
            url = _plain(child)
            if url:
                endpoints[ENDPOINT_NAMES[name]] = url
    return Settings(
        region=plain["region"] or None,
        profile=plain["profile"] or None,
        access_key=plain["access_key"] or None,
        secret_key=plain["secret_key"] or None,
        token=plain["token"] or None,
        assume_roles=tuple(
            role for block in _blocks(config, "assume_role") or () if (role := _assume_role(block)) is not None
        ),
        endpoints=endpoints,
        default_tags=tags,
        ignored_keys=frozenset(key for block in ignored for key in block["keys"]),
        ignored_prefixes=tuple(key for block in ignored for key in block["key_prefixes"]),
        allowed_account_ids=tuple(plain["allowed_account_ids"] or ()),
        forbidden_account_ids=tuple(plain["forbidden_account_ids"] or ()),
        max_retries=plain["max_retries"],
        retry_mode=plain["retry_mode"] or "standard",
        s3_use_path_style=bool(plain["s3_use_path_style"]),
        s3_us_east_1_regional_endpoint=plain["s3_us_east_1_regional_endpoint"],
        skip_credentials_validation=bool(plain["skip_credentials_validation"]),
        skip_metadata_api_check=str(plain["skip_metadata_api_check"]).lower() == "true",
        skip_region_validation=bool(plain["skip_region_validation"]),
        skip_requesting_account_id=bool(plain["skip_requesting_account_id"]),
        shared_config_files=tuple(plain["shared_config_files"] or ()),
        shared_credentials_files=tuple(plain["shared_credentials_files"] or ()),
        custom_ca_bundle=plain["custom_ca_bundle"] or None,
        insecure=bool(plain["insecure"]),
        http_proxy=plain["http_proxy"] or None,
        https_proxy=plain["https_proxy"] or None,
        sts_region=plain["sts_region"] or None,
        use_dualstack_endpoint=bool(plain["use_dualstack_endpoint"]),
        use_fips_endpoint=bool(plain["use_fips_endpoint"]),
    )


def _assume_role(block: Mapping[str, Value]) -> AssumeRole | None:
    plain = {name: _plain(child) for name, child in block.items()}
    if not plain.get("role_arn"):
        return None
    duration = None
    if plain.get("duration"):
        try:
            duration = int(parse_duration(plain["duration"]))
        except ValueError as problem:
            raise failure(
                "Invalid AWS provider configuration",
                f"assume_role.duration: {problem}.",
                remedy='Write the duration with a unit, such as "1h".',
            ) from None
    return AssumeRole(
        role_arn=plain["role_arn"],
        duration=duration,
        external_id=plain.get("external_id"),
        policy=plain.get("policy"),
        policy_arns=tuple(plain.get("policy_arns") or ()),
        session_name=plain.get("session_name"),
        source_identity=plain.get("source_identity"),
        tags=tuple(sorted((plain.get("tags") or {}).items())),
        transitive_tag_keys=tuple(plain.get("transitive_tag_keys") or ()),
    )


def _not_supported(name: str) -> Diagnostic:
    return error(
        "Not supported yet",
        f"The AWS provider does not support the setting {name} yet.",
        remedy=f"Remove {name} from the provider's configuration.",
    )


def _blocks(config: Mapping[str, Value], name: str) -> list[Mapping[str, Value]] | None:
    """The blocks of a kind; None when how many there are is not known yet."""
    value = unmark_deep(config.get(name))[0]
    if is_unknown(value):
        return None
    return [] if is_null(value) else [block for block in value if not is_null(block) and not is_unknown(block)]


def _empty(value: Value) -> bool:
    return is_null(value) or (not is_unknown(value) and not tuple(value))


def _unknown_inside(value: Value) -> bool:
    try:
        to_python(value)
    except ValueError:
        return True
    return False


def _plain(value: Value) -> Any:
    """Plain Python data of a value; None for what is not known yet."""
    try:
        return to_python(value)
    except ValueError:
        return None
