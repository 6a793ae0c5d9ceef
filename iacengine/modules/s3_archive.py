"""Archives in S3: `s3://BUCKET/KEY`, or `s3::https://…` as Terraform writes them. Credentials: those of AWS tools."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from iacengine.foundation.diagnostics import failure
from iacengine.modules.limits import LIMITS
from iacengine.modules.package_error import PackageError, PackageFault


@contextlib.contextmanager
def s3_archive(location: str, folder: str, digest: str | None, environment: Mapping[str, str]) -> Iterator[BinaryIO]:
    """The object, open at its start. Raises DiagnosticsError."""
    try:
        import botocore.session  # lazy: an extra, and heavy
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise failure("S3 is not installed", f"{location} is in S3.", remedy="pip install 'iacengine[s3]'") from None
    bucket, key, region, endpoint = s3_place(location)
    try:
        client: Any = botocore.session.Session().create_client(
            "s3",
            region_name=region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
            endpoint_url=endpoint,
            verify=environment.get("IAC_CA_BUNDLE") or None,
            config=Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=30),
        )
        with tempfile.TemporaryFile(dir=folder) as file:
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            size = 0
            for piece in body.iter_chunks(1 << 20):
                size += len(piece)
                if size > LIMITS.package_bytes:
                    raise PackageError(
                        PackageFault.PACKAGE_TOO_LARGE,
                        "Package too large",
                        f"{location} is larger than a module may be.",
                    )
                file.write(piece)
            file.seek(0)
            _verify(file, digest, location)
            yield file
    except (BotoCoreError, ClientError) as problem:
        raise failure(
            "Cannot get a module from S3",
            f"{location}: {problem}.",
            remedy="Check bucket, key and region, and the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, …).",
        ) from None


def s3_place(location: str) -> tuple[str, str, str, str | None]:
    """Bucket, key, region ("" if it is not said) and endpoint (None: Amazon's) of an address."""
    parts = urlsplit(location)
    host, path = parts.netloc, parts.path.lstrip("/")
    region = (parse_qs(parts.query).get("region") or [""])[0]
    if parts.scheme == "s3":
        return host, path, region, None
    labels = host.split(".")
    if host.endswith(".amazonaws.com"):
        if labels[0] == "s3" or labels[0].startswith("s3-"):  # s3-REGION.amazonaws.com, s3.REGION.amazonaws.com
            found = labels[0][3:] if labels[0] != "s3" else labels[1] if labels[1] != "amazonaws" else ""
            bucket, _, key = path.partition("/")
            return bucket, key, region or found, None
        place = labels.index("s3") if "s3" in labels else len(labels) - 2
        found = labels[place + 1] if labels[place : place + 1] == ["s3"] and labels[place + 1] != "amazonaws" else ""
        return ".".join(labels[:place]), path, region or found, None
    bucket, _, key = path.partition("/")  # another server of the protocol
    return bucket, key, region, f"{parts.scheme}://{host}"


def _verify(file: BinaryIO, digest: str | None, location: str) -> None:
    if digest is None:
        return
    import hashlib  # lazy: few sources have a checksum

    found = f"sha256:{hashlib.sha256(file.read()).hexdigest()}"
    file.seek(0)
    if found != digest:
        raise PackageError(
            PackageFault.WRONG_DIGEST,
            "A package is not the one that was promised",
            f"{location} has the digest {found}; expected was {digest}.",
        )
