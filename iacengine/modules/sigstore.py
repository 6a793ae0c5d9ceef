"""Verifying Sigstore bundles with the library sigstore, and a file of trusted roots that the user supplies.

The certificate has to be issued by an authority of that file, and be in one of its logs of certificates; the signature
has to be in one of its logs of signatures, made while the certificate was valid. All of it is in the bundle: nothing is
asked of any network, nor are trusted roots refreshed.
"""

from __future__ import annotations

from typing import Any

from iacengine.modules.bundle import BundleError, decode_bundle
from iacengine.modules.statement import PAYLOAD_TYPE
from iacengine.modules.trust import SigstoreIdentity


def bundle_payload(bundle: bytes, identity: SigstoreIdentity) -> bytes:
    """What the bundle signs, if this identity has signed it. Raises ValueError (`BundleError`), saying why not."""
    try:
        decode_bundle(bundle)  # stricter than the library: a key that stands twice, or another version of the format
    except ValueError as problem:
        raise BundleError(f"it cannot be read: {problem}") from None
    try:
        # lazy: it comes with an extra, and takes longer to load than all else of a small plan
        from sigstore.models import Bundle
        from sigstore.verify import policy
    except ImportError:
        raise BundleError(
            "to verify it, the library sigstore is needed, which comes with the extra named sigstore",
            "pip install 'iacengine[sigstore]'",
        ) from None
    verifier = _verifier(identity)
    try:
        kind, payload = verifier.verify_dsse(
            Bundle.from_json(bundle), policy.Identity(identity=identity.identity, issuer=identity.issuer)
        )
    except Exception as problem:  # strangers wrote the bundle: whatever the library stumbles over is a refusal
        raise BundleError(f"{identity.name} did not sign it: {_reason(problem)}") from None
    if kind != PAYLOAD_TYPE:
        raise BundleError(f"its payload is of another type than {PAYLOAD_TYPE}")
    return payload


def _verifier(identity: SigstoreIdentity) -> Any:
    """Of the trusted roots that an identity goes by. Raises BundleError."""
    from sigstore.models import TrustedRoot  # lazy, as above
    from sigstore.verify import Verifier

    path = identity.trusted_root
    remedy = f"Put the trusted_root.json of the Sigstore that {identity.name} signs with there."
    try:
        return Verifier(trusted_root=TrustedRoot.from_file(path))
    except OSError as problem:
        raise BundleError(f"{path} cannot be read: {problem.strerror or _reason(problem)}", remedy) from None
    except Exception as problem:  # the library has many ways to say that a file is none
        raise BundleError(f"{path} is no file of trusted roots: {_reason(problem)}", remedy) from None


def _reason(problem: Exception) -> str:
    """The library's message, in one short line."""
    text = str(problem)
    for cause in (problem, problem.__context__):
        if (errors := getattr(cause, "errors", None)) is not None:  # pydantic's, whose message is a page
            first = errors()[0]
            text = f"{first['msg']} ({'.'.join(map(str, first['loc'])) or 'all of it'})"
            break
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split()).removesuffix(".")
    return text[:300] or type(problem).__name__
