"""What went wrong with a call to S3, told to a user; and whether trying again may help. Credentials never show."""

from __future__ import annotations

from iacengine.foundation.diagnostics import DiagnosticsError, failure

_TRANSIENT_CODES = {
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}
_TRANSIENT_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_KINDS = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "EndpointConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseParserError",
    "ResponseStreamingError",
}
_MISSING = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}
_SIGN_ON = {
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "LoginRefreshRequired",
    "LoginTokenLoadError",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "UnrecognizedClientException"}
_ELSEWHERE = {
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}


def code_of(problem: Exception) -> str:
    """The code that the server gave, such as `NoSuchKey`; "" when it gave no answer."""
    response = getattr(problem, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def status_of(problem: Exception) -> int:
    """The HTTP status; 0 when there was no answer."""
    response = getattr(problem, "response", None)
    if not isinstance(response, dict):
        return 0
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_transient(problem: Exception) -> bool:
    """True when the same request may succeed when it is sent again."""
    code = code_of(problem)
    if code == "404":  # the answer was cut before it said what was not found
        return True
    if code:
        return code in _TRANSIENT_CODES or status_of(problem) in _TRANSIENT_STATUSES
    return type(problem).__name__ in _TRANSIENT_KINDS


def s3_failure(where: str, bucket: str, doing: str, problem: Exception, tries: int) -> DiagnosticsError:
    """What to raise when a call failed for good. `doing`: what it was for, such as "read the state"."""
    code, kind = code_of(problem), type(problem).__name__
    message = _message(problem)
    told = f"{where}: could not {doing}"
    if code == "NoSuchBucket":
        return failure(
            "No such bucket",
            f"{told}: there is no bucket {bucket}.",
            remedy=f"Make it first (aws s3api create-bucket --bucket {bucket}), or correct the name. "
            "A bucket of another account or endpoint does not count.",
        )
    if code in _EXPIRED or kind in _SIGN_ON:
        return failure(
            "The AWS credentials have expired",
            f"{told}: {message}",
            remedy="Get new ones (for single sign-on: aws sso login) and run the command again.",
        )
    if kind in _MISSING:
        return failure(
            "No valid AWS credentials",
            f"{told}: {message}",
            remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or profile in the backend block.",
        )
    if code in _REFUSED:
        return failure(
            "The AWS credentials were refused",
            f"{told}: {message}",
            remedy="Check which credentials are used (aws sts get-caller-identity), and that they are meant for this "
            "endpoint.",
        )
    if code == "RequestTimeTooSkewed":
        return failure(
            "The clock of this machine is wrong", f"{told}: {message}", remedy="Set the clock, for instance with NTP."
        )
    if code in _ELSEWHERE or status_of(problem) == 301:
        return failure(
            "The bucket is in another region",
            f"{told}: {message}{_region(problem)}",
            remedy="Set region in the backend block to that of the bucket "
            f"(aws s3api get-bucket-location --bucket {bucket}).",
        )
    if code == "AccessDenied" or status_of(problem) in (401, 403):
        return failure(
            "No permission",
            f"{told}: {message or 'access was denied.'}",
            remedy=f"Allow s3:GetObject, s3:PutObject and s3:DeleteObject on {bucket}/KEY* and s3:ListBucket on "
            f"{bucket} (without which a missing object looks forbidden), and the use of its KMS key if it has one.",
        )
    if code == "NotImplemented" or status_of(problem) == 501:
        return unconditional(where)
    if kind == "SSLError":
        return failure(
            "No trusted connection to the S3 server",
            f"{told}: {message}",
            remedy="Check the endpoint; for a private certificate authority set custom_ca_bundle.",
        )
    if is_transient(problem):
        return failure(
            "The S3 server does not answer" if not code else "The S3 server is in trouble",
            f"{told}, tried {tries} time{'s' if tries != 1 else ''}: {message}",
            remedy="Check the endpoint, the region and the network, then run the command again; what was acknowledged "
            "is safe, and an interrupted run is recovered.",
        )
    return failure(
        "S3 failed",
        f"{told}: {message}",
        remedy="Check bucket, key, region, endpoint and encryption in the backend block.",
    )


def unconditional(where: str) -> DiagnosticsError:
    """What to raise when a server ignores or refuses the conditions of conditional writes."""
    return failure(
        "The server has no conditional writes",
        f"{where}: the server does not honour If-Match and If-None-Match on PUT, without which two runs could "
        "overwrite each other's state. Nothing is kept there.",
        remedy="Use a server that does (AWS S3 does; MinIO, Ceph and others do in recent versions), or another backend "
        "(postgres, http).",
    )


def _message(problem: Exception) -> str:
    """What the server said, or botocore; neither holds credentials but an access key's id, which is cut out."""
    response = getattr(problem, "response", None)
    if isinstance(response, dict):
        code = code_of(problem)
        said = str(response.get("Error", {}).get("Message", "") or "").strip()
        return f"{said.rstrip('.')} ({code})." if said and said != code else f"{code}."
    return f"{str(problem).strip().rstrip('.')}."


def _region(problem: Exception) -> str:
    response = getattr(problem, "response", None)
    if not isinstance(response, dict):
        return ""
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    return f" It is in {region}." if region else ""


def vanished(where: str, key: str) -> DiagnosticsError:
    """What to raise when an object that the head names is not there, however often one looks."""
    return failure(
        "Part of the state is missing",
        f"{where} names the object {key}, which is not in the bucket.",
        remedy="Restore it from the bucket's versioning. Objects whose names start with that of the state belong "
        "together: leave them out of lifecycle rules that delete.",
    )


def redirected(where: str) -> DiagnosticsError:
    """What to raise when the server redirects without end."""
    return failure(
        "The bucket is in another region",
        f"{where}: the server redirects every request, and does not say where the bucket is.",
        remedy="Set region in the backend block to that of the bucket, and check the endpoint (https, not http).",
    )
