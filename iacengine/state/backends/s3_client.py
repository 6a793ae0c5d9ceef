"""botocore's client for S3, made of the settings of the backend. Importing botocore takes a tenth of a second."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from iacengine.foundation.diagnostics import DiagnosticsError, failure, near_match
from iacengine.state.backends.s3_errors import s3_failure
from iacengine.state.backends.s3_settings import S3Settings

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session

_CONNECT_TIMEOUT, _READ_TIMEOUT = 5, 15  # seconds; what takes longer is tried again
_CONNECTIONS = 32


def make_client(settings: S3Settings, where: str) -> BaseClient:
    """A client that sends each request once: `S3Store` is the one who tries again.

    Raises DiagnosticsError for an unknown profile, no region, no credentials, or an account that is not allowed.
    """
    try:
        session = _session(settings)
        region = _region(settings, session)
        if settings.role:
            _take_role(settings, session, region, where)
        if session.get_credentials() is None:
            raise _no_credentials(where)
        _check_account(settings, session, region, where)
        return _client(settings, session, "s3", region)
    except (BotoCoreError, ClientError) as problem:
        raise s3_failure(where, settings.bucket, "get ready", problem, 1) from None
    except ValueError as problem:  # how botocore tells of endpoints that are no URLs
        raise failure(
            "Invalid backend configuration",
            f"{where}: {problem}.",
            remedy="Check region and endpoints in the backend block, and AWS_ENDPOINT_URL.",
        ) from None


@cache
def _loader() -> object:
    """What botocore reads its service models with; shared, since parsing them is most of the work for a client."""
    return botocore.session.Session().get_component("data_loader")


def _session(settings: S3Settings) -> Session:
    session = botocore.session.Session()
    session.register_component("data_loader", _loader())
    if settings.profile:
        session.set_config_variable("profile", settings.profile)
    if settings.config_file:
        session.set_config_variable("config_file", settings.config_file)
    if settings.credentials_file:
        session.set_config_variable("credentials_file", settings.credentials_file)
    if settings.skip_metadata:
        session.get_component("credential_provider").remove("iam-role")
    if settings.access_key and settings.secret_key:
        session.set_credentials(settings.access_key, settings.secret_key, settings.token)
    if settings.profile and settings.profile not in session.available_profiles:
        near = near_match(settings.profile, session.available_profiles)
        raise failure(
            "No such AWS profile",
            f'The backend s3 is to use the profile "{settings.profile}", which no shared file has.',
            remedy=f'Did you mean the profile "{near}"?' if near else "Check ~/.aws/config and ~/.aws/credentials.",
        )
    return session


def _region(settings: S3Settings, session: Session) -> str:
    region = settings.region or session.get_config_variable("region")
    if region:
        return str(region)
    if settings.endpoint:
        return "us-east-1"  # what servers other than AWS expect when they are told none
    raise failure(
        "No AWS region",
        "The backend s3 is configured without a region, and neither AWS_REGION nor the profile names one.",
        remedy="Set region in the backend block, or AWS_REGION.",
    )


def _client(settings: S3Settings, session: Session, service: str, region: str) -> BaseClient:
    more: dict[str, Any] = {}
    endpoint = settings.endpoint if service == "s3" else settings.sts_endpoint
    if service == "s3":
        more["s3"] = {"addressing_style": "path"} if settings.path_style else {}
        elsewhere = endpoint or any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
        if settings.skip_checksum or elsewhere:  # other servers may not know the newer checksums
            more |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        max_pool_connections=_CONNECTIONS,
        user_agent_extra="iacengine",
        proxies=dict(settings.proxies) or None,
        use_dualstack_endpoint=settings.dualstack or None,
        use_fips_endpoint=settings.fips or None,
        **more,
    )
    verify = False if settings.insecure else settings.ca_bundle
    return session.create_client(service, region_name=region, endpoint_url=endpoint, verify=verify, config=config)


def _take_role(settings: S3Settings, session: Session, region: str, where: str) -> None:
    """Use the credentials of a role from here on; they renew themselves."""
    source: Any = _client(settings, session, "sts", settings.sts_region or region)
    wanted = dict(settings.role)

    def renew() -> dict[str, str]:
        try:
            given = source.assume_role(**wanted)["Credentials"]
        except (ClientError, BotoCoreError) as problem:
            raise s3_failure(where, settings.bucket, f"take the role {wanted['RoleArn']}", problem, 1) from None
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    credentials = RefreshableCredentials.create_from_metadata(renew(), renew, "assume-role")
    session._credentials = credentials  # type: ignore[attr-defined]  # botocore has no public way to set credentials that renew themselves


def _check_account(settings: S3Settings, session: Session, region: str, where: str) -> None:
    if not settings.allowed_accounts and not settings.forbidden_accounts:
        return
    sts: Any = _client(settings, session, "sts", settings.sts_region or region)
    account = str(sts.get_caller_identity()["Account"])
    allowed = settings.allowed_accounts
    if (allowed and account not in allowed) or account in settings.forbidden_accounts:
        raise failure(
            "AWS account not allowed",
            f"{where}: the credentials belong to the account {account}, which the backend's block does not allow.",
            remedy="Use credentials of another account, or change allowed_account_ids or forbidden_account_ids.",
        )


def _no_credentials(where: str) -> DiagnosticsError:
    return failure(
        "No valid AWS credentials",
        f"{where}: no credentials were found in the backend's block, the environment, the shared files "
        "~/.aws/config and ~/.aws/credentials, or an instance role.",
        remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for single sign-on run aws sso login.",
    )
