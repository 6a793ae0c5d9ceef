"""The way to AWS: one session with credentials, one client for each service, and calls whose failures are told well.

botocore is loaded when the provider is configured and not before: it costs a tenth of a second. Clients are shared by
threads (botocore's are safe for that; making one is not) and hold as many connections as operations may run at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from iacengine.foundation.diagnostics import DiagnosticsError, error, failure, near_match
from iacengine_aws.errors import EXPIRED, THROTTLED, ApiError, api_error
from iacengine_aws.settings import AssumeRole, Settings

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session as BotocoreSession

A = TypeVar("A")
B = TypeVar("B")

_ATTEMPTS = 10
_USER_AGENT = "iacengine"


class Session:
    """A configured way to AWS.

    `clock` (seconds, monotonic) is what waiting goes by. Raises DiagnosticsError when the settings make no session: an
    unknown profile or region, none at all, or no credentials.
    """

    def __init__(
        self,
        settings: Settings,
        parallelism: int = 32,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.parallelism = max(1, parallelism)
        self.clock = clock
        self.stopped = threading.Event()
        self._lock = threading.RLock()
        self._clients: dict[str, BaseClient] = {}
        self._operations: dict[tuple[str, str], Callable[..., Any]] = {}
        self._identity: Mapping[str, str] | None = None
        self._generation = 0  # how often credentials were looked for again
        self._retired: list[BaseClient] = []
        self._throttled = threading.local()
        self.throttled = 0
        """How many answers asked for fewer calls, those included that botocore tried again by itself."""
        self._botocore = self._make_session()
        self.region = self._find_region()
        self._check_credentials()
        for role in settings.assume_roles:
            self._take_role(role)

    # --- calls ------------------------------------------------------------------------------------------------------

    def call(self, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The response of one call, without its metadata. Raises ApiError.

        When the credentials have expired, new ones are looked for, and the call is made once more.
        """
        generation = self._generation
        try:
            return self._call(service, operation, params)
        except ApiError as problem:
            if problem.code not in EXPIRED or not self._renew(generation):
                raise
        return self._call(service, operation, params)

    def _call(self, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # heavy: loaded with the session

        try:
            method = self._operations.get((service, operation))
            if method is None:
                method = getattr(self.client(service), operation)
                self._operations[service, operation] = method
            response: dict[str, Any] = method(**params)
        except (ClientError, BotoCoreError) as problem:
            raise api_error(service, operation, problem) from None
        response.pop("ResponseMetadata", None)
        return response

    def pages(self, service: str, operation: str, params: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """The responses of a call that answers in pages. Raises ApiError.

        Credentials that have expired are looked for again before the first page only: from there on it is too late to
        begin anew.
        """
        generation, begun = self._generation, False
        try:
            for page in self._pages(service, operation, params):
                begun = True
                yield page
            return
        except ApiError as problem:
            if begun or problem.code not in EXPIRED or not self._renew(generation):
                raise
        yield from self._pages(service, operation, params)

    def _pages(self, service: str, operation: str, params: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        from botocore.exceptions import BotoCoreError, ClientError  # heavy: loaded with the session

        client = self.client(service)
        if not client.can_paginate(operation):
            yield self._call(service, operation, params)
            return
        try:
            yield from client.get_paginator(operation).paginate(**params)
        except (ClientError, BotoCoreError) as problem:
            raise api_error(service, operation, problem) from None

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """The results of the function for each item, computed side by side, in order.

        The function must not call `map` itself: the threads are shared.
        """
        todo = list(items)
        if len(todo) < 2:
            return [function(item) for item in todo]
        return list(self._pool.map(function, todo))

    def client(self, service: str) -> BaseClient:
        """The client of a service, made when it is first asked for."""
        client = self._clients.get(service)
        if client is None:
            with self._lock:
                client = self._clients.get(service)
                if client is None:
                    client = self._clients[service] = self._make_client(service)
        return client

    def close(self) -> None:
        self.stopped.set()
        if "_pool" in self.__dict__:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for client in (*self._clients.values(), *self._retired):
            client.close()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.parallelism, thread_name_prefix="aws")

    def pause(self, seconds: float) -> None:
        """Wait, but not when the run is asked to stop. Raises ApiError then."""
        if self.stopped.wait(seconds):
            raise ApiError("iacengine", "wait", "Stopped", "interrupted while waiting", answered=False)

    # --- throttling and credentials ---------------------------------------------------------------------------------

    @property
    def throttled_here(self) -> int:
        """As `throttled`, of the calls of this thread alone."""
        return getattr(self._throttled, "count", 0)

    def _hear_retry(self, response: Any = None, **_: Any) -> None:
        """botocore asks whether to try again: it decides by itself, and this only counts. Returns None to say so."""
        code = response[1].get("Error", {}).get("Code") if response else None
        if code in THROTTLED:
            self._throttled.count = self.throttled_here + 1
            with self._lock:
                self.throttled += 1

    def _renew(self, generation: int) -> bool:
        """Look for credentials again, where they were found at first; False when there are no others.

        Credentials that come with a time to renew them renew themselves before it. This is for others, which somebody
        has put into the shared files meanwhile, and for those that end before they say. `generation`: that of the
        credentials that have expired. Of many calls that fail together the first one looks.
        """
        with self._lock:
            if generation != self._generation:
                return True
            before = self._botocore
            try:
                self._botocore = self._make_session()
                self._check_credentials()
                if not self.settings.assume_roles and _keys(self._botocore) == _keys(before):
                    raise failure("The AWS credentials have expired", "There are no others.")
                self._retire_clients()
                for role in self.settings.assume_roles:
                    self._take_role(role)
                if self._identity is not None:
                    self._require_same_account(self._identity["Account"])
            except (DiagnosticsError, ApiError):  # the call's own failure is told, with its remedy
                self._botocore = before
                self._retire_clients()
                return False
            self._generation += 1
        return True

    def _require_same_account(self, account: str) -> None:
        """What was planned for one account is not applied to another. Raises ApiError or DiagnosticsError."""
        if self._call("sts", "get_caller_identity", {})["Account"] != account:
            raise failure("Other AWS account", "The new credentials belong to another account than those before.")

    def _retire_clients(self) -> None:
        """Make new clients from here on. Calls of the old ones may be running, so that they are closed in the end."""
        self._retired.extend(self._clients.values())
        self._clients.clear()
        self._operations.clear()

    # --- who and where ----------------------------------------------------------------------------------------------

    @cached_property
    def partition(self) -> str:
        """The partition of the region: `aws`, `aws-cn`, `aws-us-gov`, …"""
        return str(self._partition_of_region["id"])

    @cached_property
    def dns_suffix(self) -> str:
        return str(self._partition_of_region["outputs"]["dnsSuffix"])

    def regions(self) -> dict[str, tuple[str, str]]:
        """The description and the DNS suffix of every region known."""
        return {
            name: (region.get("description", ""), partition["outputs"]["dnsSuffix"])
            for partition in self._partitions
            for name, region in partition["regions"].items()
        }

    def identity(self) -> Mapping[str, str]:
        """Who the credentials belong to: `Account`, `Arn`, `UserId`. Raises ApiError."""
        if self._identity is None:
            self._identity = self.call("sts", "get_caller_identity", {})
        return self._identity

    @property
    def account(self) -> str:
        """The account id. Raises ApiError."""
        return self.identity()["Account"]

    def check_account(self) -> None:
        """Ask who we are, unless the settings say not to, and whether that is allowed. Raises DiagnosticsError."""
        settings = self.settings
        restricted = settings.allowed_account_ids or settings.forbidden_account_ids
        if settings.skip_credentials_validation and not restricted:
            return
        try:
            account = self.account
        except ApiError as problem:
            raise DiagnosticsError(problem.diagnostic("checking the AWS credentials")) from None
        allowed = settings.allowed_account_ids
        if (allowed and account not in allowed) or account in settings.forbidden_account_ids:
            raise failure(
                "AWS account not allowed",
                f"The credentials belong to the account {account}, which the provider's configuration does not allow.",
                remedy="Use credentials of another account, or change allowed_account_ids or forbidden_account_ids.",
            )

    # --- making -----------------------------------------------------------------------------------------------------

    def _make_session(self) -> BotocoreSession:
        import botocore.session  # heavy: a tenth of a second
        from botocore.exceptions import BotoCoreError

        settings = self.settings
        session = botocore.session.Session()
        session.register("needs-retry", self._hear_retry)
        try:
            if settings.profile:
                session.set_config_variable("profile", settings.profile)
            for variable, files in (
                ("config_file", settings.shared_config_files),
                ("credentials_file", settings.shared_credentials_files),
            ):
                if len(files) > 1:
                    raise failure(
                        "Not supported yet",
                        f"More than one file in shared_{variable}s is not supported yet.",
                        remedy="Name a single file.",
                    )
                if files:
                    session.set_config_variable(variable, str(Path(files[0]).expanduser()))
            if settings.skip_metadata_api_check:
                session.get_component("credential_provider").remove("iam-role")
            if settings.access_key and settings.secret_key:
                session.set_credentials(settings.access_key, settings.secret_key, settings.token)
            session.get_scoped_config()
        except BotoCoreError as problem:
            known = session.available_profiles if type(problem).__name__ == "ProfileNotFound" else []
            near = near_match(settings.profile or os.environ.get("AWS_PROFILE", ""), known)
            raise failure(
                "Invalid AWS configuration",
                f"{problem}.",
                remedy=f'Did you mean the profile "{near}"?' if near else "Check the profile and ~/.aws/config.",
            ) from None
        return session

    def _find_region(self) -> str:
        region = self.settings.region or os.environ.get("AWS_REGION") or self._botocore.get_config_variable("region")
        if not region:
            raise failure(
                "No AWS region",
                "The provider aws is configured without a region, and neither AWS_REGION nor the profile names one.",
                remedy='Set region in the provider\'s configuration (for instance region: "eu-west-1") or AWS_REGION.',
            )
        if not self.settings.skip_region_validation:
            known = [name for partition in self._partitions for name in partition["regions"]]
            if region not in known:
                near = near_match(region, known)
                raise failure(
                    "Unknown AWS region",
                    f'"{region}" is no region of AWS known to the installed botocore.',
                    remedy=(f'Did you mean "{near}"? ' if near else "")
                    + "For a region newer than that, set skip_region_validation: true.",
                )
        return str(region)

    @cached_property
    def _partitions(self) -> list[dict[str, Any]]:
        data: dict[str, Any] = self._botocore.get_component("data_loader").load_data("partitions")
        return list(data["partitions"])

    @cached_property
    def _partition_of_region(self) -> dict[str, Any]:
        import re  # rarely needed

        for partition in self._partitions:
            if self.region in partition["regions"] or re.fullmatch(partition["regionRegex"], self.region):
                return partition
        return self._partitions[0]

    def _check_credentials(self) -> None:
        from botocore.exceptions import BotoCoreError  # heavy: loaded with the session

        try:
            found = self._botocore.get_credentials()
        except BotoCoreError as problem:
            raise DiagnosticsError(
                api_error("sts", "get_caller_identity", problem).diagnostic("looking for AWS credentials")
            ) from None
        if found is None:
            raise DiagnosticsError(
                error(
                    "No valid AWS credentials",
                    "No credentials were found in the provider's configuration, the environment, the shared files "
                    "~/.aws/config and ~/.aws/credentials, or an instance role.",
                    remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for single sign-on run "
                    'aws sso login; for the sandbox: eval "$(iac sandbox env)".',
                )
            )

    def _take_role(self, role: AssumeRole) -> None:
        """Use the credentials of a role from here on; they renew themselves."""
        from botocore.credentials import RefreshableCredentials  # heavy: loaded with the session

        params: dict[str, Any] = {
            "RoleArn": role.role_arn,
            "RoleSessionName": role.session_name or f"iacengine-{os.getpid()}",
            "DurationSeconds": role.duration,
            "ExternalId": role.external_id,
            "Policy": role.policy,
            "PolicyArns": [{"arn": arn} for arn in role.policy_arns] or None,
            "SourceIdentity": role.source_identity,
            "Tags": [{"Key": key, "Value": value} for key, value in role.tags] or None,
            "TransitiveTagKeys": list(role.transitive_tag_keys) or None,
        }
        wanted = {name: value for name, value in params.items() if value is not None}
        source: Any = self._make_client("sts")

        def renew() -> dict[str, str]:
            from botocore.exceptions import BotoCoreError, ClientError  # heavy: loaded with the session

            try:
                given = source.assume_role(**wanted)["Credentials"]
            except (ClientError, BotoCoreError) as problem:
                raise DiagnosticsError(
                    api_error("sts", "assume_role", problem).diagnostic(f"taking the role {role.role_arn}")
                ) from None
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }

        credentials = RefreshableCredentials.create_from_metadata(renew(), renew, "assume-role")
        self._botocore._credentials = credentials  # type: ignore[attr-defined]  # botocore has no public way to set credentials that renew themselves
        self._retire_clients()

    def _make_client(self, service: str) -> BaseClient:
        from botocore.config import Config  # heavy: loaded with the session

        settings = self.settings
        more: dict[str, Any] = {}
        if service == "s3":
            more["s3"] = {"addressing_style": "path"} if settings.s3_use_path_style else {}
            if settings.s3_us_east_1_regional_endpoint:
                more["s3"]["us_east_1_regional_endpoint"] = settings.s3_us_east_1_regional_endpoint
        proxies = {
            scheme: proxy for scheme, proxy in (("http", settings.http_proxy), ("https", settings.https_proxy)) if proxy
        }
        attempts = 3 if service == "sts" else _ATTEMPTS
        if settings.max_retries is not None:
            attempts = int(settings.max_retries) + 1
        config = Config(
            retries={"mode": settings.retry_mode, "total_max_attempts": attempts},  # type: ignore[arg-type]
            max_pool_connections=2 * self.parallelism,  # the threads of the engine, and ours
            connect_timeout=10,
            user_agent_extra=_USER_AGENT,
            use_dualstack_endpoint=settings.use_dualstack_endpoint or None,
            use_fips_endpoint=settings.use_fips_endpoint or None,
            proxies=proxies or None,
            **more,
        )
        from botocore.exceptions import BotoCoreError  # heavy: loaded with the session

        try:
            return self._botocore.create_client(
                service,
                region_name=(service == "sts" and settings.sts_region) or self.region,
                endpoint_url=settings.endpoints.get(service),
                verify=False if settings.insecure else settings.custom_ca_bundle,
                config=config,
            )
        except (BotoCoreError, ValueError) as problem:
            raise failure(
                "Invalid AWS configuration",
                f"No client for the service {service} can be made: {problem}.",
                remedy="Check the provider's region and endpoints, and AWS_ENDPOINT_URL.",
            ) from None


def _keys(session: BotocoreSession) -> tuple[str | None, ...]:
    """What a session signs with now. Raises DiagnosticsError."""
    from botocore.exceptions import BotoCoreError  # heavy: loaded with the session

    try:
        credentials = session.get_credentials()
        found = credentials.get_frozen_credentials() if credentials is not None else None
    except BotoCoreError as problem:
        raise DiagnosticsError(
            api_error("sts", "get_caller_identity", problem).diagnostic("looking for AWS credentials")
        ) from None
    return (found.access_key, found.secret_key, found.token) if found is not None else ()
