"""What AWS, or the way to it, refused: one exception, and what a user is told of it.

Messages of the API are passed on; values of parameters never are (a parameter may be a secret).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iacengine.foundation.diagnostics import Diagnostic, error

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
INVALID = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "UnauthorizedOperation", "403"}
)
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
EXISTS = frozenset(
    {
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "EntityAlreadyExists",
        "InvalidGroup.Duplicate",
        "QueueAlreadyExists",
        "QueueNameExists",
    }
)
FAILED = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable", "503", "500"}
)

# How botocore names what went wrong before an answer came.
_CREDENTIALS = frozenset(
    {
        "CredentialRetrievalError",
        "LoginError",
        "MetadataRetrievalError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "SSOError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
_CONNECTION = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "ConnectionError",
        "EndpointConnectionError",
        "HTTPClientError",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "SSLError",
    }
)
_VALUES = re.compile(r"(, )?value: .*?(?=, type:|, valid|$)", re.MULTILINE | re.DOTALL)


@dataclass(eq=False)
class ApiError(Exception):
    """A call that failed. `code` is the API's error code, or the name of botocore's exception when no answer came."""

    service: str
    operation: str
    code: str
    message: str
    answered: bool = True

    def __post_init__(self) -> None:
        super().__init__(f"{self.service}:{self.operation}: {self.code}: {self.message}")

    @property
    def retryable(self) -> bool:
        """True when the same call may succeed later and nothing was done."""
        return self.throttled or (not self.answered and self.code in ("EndpointConnectionError", "ConnectTimeoutError"))

    @property
    def throttled(self) -> bool:
        """True when AWS asked for fewer calls."""
        return self.code in THROTTLED

    def diagnostic(self, doing: str) -> Diagnostic:
        """What to tell. `doing` says what was tried, such as `creating aws_vpc`."""
        return _diagnostic(self, doing)


def api_error(service: str, operation: str, problem: Exception) -> ApiError:
    """The error that an exception of botocore means."""
    response = getattr(problem, "response", None)
    if isinstance(response, dict):
        told = response.get("Error", {})
        return ApiError(service, operation, str(told.get("Code", "Unknown")), str(told.get("Message", "")).strip())
    name = type(problem).__name__
    if name == "ParamValidationError":
        return ApiError(service, operation, name, _VALUES.sub("", str(problem)), answered=False)
    base = {kind.__name__ for kind in type(problem).__mro__}
    for known in _CREDENTIALS | _CONNECTION:
        if name not in _CREDENTIALS | _CONNECTION and known in base:
            name = known
    return ApiError(service, operation, name, str(problem), answered=False)


def _diagnostic(problem: ApiError, doing: str) -> Diagnostic:
    call = f"{problem.service}:{_action(problem.operation)}"
    said = f"{problem.message.rstrip('.')}." if problem.message else f"The API answered {problem.code}."
    code = problem.code
    if not problem.answered:
        return _unanswered(problem, doing, call)
    if code in EXPIRED:
        return error(
            "The AWS credentials have expired",
            f"While {doing}, {call} answered {code}: {said}",
            remedy="Renew them (for single sign-on: aws sso login) and run again.",
        )
    if code in INVALID:
        return error(
            "AWS does not accept the credentials",
            f"While {doing}, {call} answered {code}: {said}",
            remedy="Check the access key, its secret and the session token; with `aws sts get-caller-identity` "
            "you can try them. A clock that is wrong by more than 5 minutes has the same effect.",
        )
    if code in DENIED:
        return error(
            f"Access denied while {doing}",
            f"{call} answered {code}: {_short(said)}",
            remedy=f"The identity in use needs the permission {call} on this object (and no policy that denies it).",
        )
    if code in THROTTLED:
        return error(
            f"AWS throttles requests while {doing}",
            f"{call} answered {code} until the retries were used up: {said}",
            remedy="Run again later, lower -parallelism, or raise max_retries in the provider's configuration.",
        )
    if code in EXISTS:
        return error(
            f"Failed {doing}: it exists already",
            f"{call} answered {code}: {said}",
            remedy="Choose another name, or bring the existing object under management with an import block.",
        )
    if code == "DependencyViolation":
        return error(
            f"Failed {doing}: something else still uses it",
            f"{call} answered {code}: {said}",
            remedy="Remove what was made in it outside of this stack, then run again.",
        )
    if code in FAILED:
        return error(
            f"Failed {doing}", f"{call} failed inside AWS with {code}: {said}", remedy="Run again in a moment."
        )
    return error(f"Failed {doing}", f"{call} answered {code}: {said}")


def _unanswered(problem: ApiError, doing: str, call: str) -> Diagnostic:
    code = problem.code
    if code in _CREDENTIALS:
        return error(
            "No valid AWS credentials",
            f"While {doing}: {problem.message.rstrip('.')}.",
            remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or the provider's settings "
            "profile or access_key and secret_key; for single sign-on run aws sso login.",
        )
    if code in _CONNECTION:
        return error(
            "AWS cannot be reached",
            f"While {doing}, {call} got no answer: {problem.message.rstrip('.')}.",
            remedy="Check the network, the region, and AWS_ENDPOINT_URL or the provider's endpoints when one is set "
            "(with the sandbox: iac sandbox status).",
        )
    if code == "ParamValidationError":
        return error(f"Failed {doing}", f"{call} cannot be sent as configured: {' '.join(problem.message.split())}.")
    if code == "NotYet":
        return error(
            f"Gave up waiting while {doing}",
            f"{problem.message.rstrip('.')}.",
            remedy="Look at it in the AWS console, and run again; a longer time in the block timeouts helps "
            "where there is one.",
        )
    if code == "Stopped":
        return error(f"Interrupted while {doing}", "It may still be going on in AWS.", remedy="Run again.")
    return error(f"Failed {doing}", f"{call}: {code}: {problem.message.rstrip('.')}.")


def _action(operation: str) -> str:
    """The action of IAM's name: `create_vpc` → `CreateVpc`."""
    return "".join(word.capitalize() for word in operation.split("_"))


def _short(text: str) -> str:
    """The text without the encoded part that EC2 appends, which says nothing to people."""
    return text.split(" Encoded authorization failure message", 1)[0]
