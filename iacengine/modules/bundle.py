"""Sigstore bundles: a DSSE envelope with the certificate of its signer and the proof that a public log has it.

https://github.com/sigstore/protobuf-specs, `sigstore_bundle.proto`, version 0.3, as JSON. They are told from our own
envelopes by their `mediaType`. Nothing is verified here (`sigstore`): a registry only looks at what one says.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

from iacengine.modules.public_key import not_installed
from iacengine.modules.strict_json import canonical_json, parse_strictly

MEDIA_TYPES: Final = (
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
)
_MOST_BYTES: Final = 256 * 1024
_LONGEST_IDENTITY: Final = 1024  # characters
_OTHER_NAME: Final = "1.3.6.1.4.1.57264.1.7"
"""A name of Fulcio's that is neither an address nor a URL: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md"""


class BundleError(ValueError):
    """A bundle that does not count. `remedy`, where it is not the publisher who has to do something."""

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle says. `certificate` is X.509 in DER, `text` the bundle in its one form."""

    payload_type: str
    payload: bytes
    certificate: bytes
    text: bytes


def is_bundle(data: bytes) -> bool:
    """Whether the text wants to be read as a bundle, rather than as an envelope of ours."""
    if b'"mediaType"' not in data:  # spares parsing every envelope twice
        return False
    try:
        document = parse_strictly(data, _MOST_BYTES)
    except ValueError:
        return False
    return isinstance(document, dict) and "mediaType" in document


def decode_bundle(data: bytes) -> Bundle:
    """The bundle in a JSON text. Raises ValueError, saying what is wrong with it."""
    document = parse_strictly(data, _MOST_BYTES)
    kind = _part(document, "mediaType", str)
    if kind not in MEDIA_TYPES:
        raise ValueError(f"it is of the type {kind[:80]!r}; bundles of version 0.3 are read")
    envelope = _part(document, "dsseEnvelope", dict)
    certificate = _part(_part(document, "verificationMaterial", dict), "certificate", dict)
    return Bundle(
        _part(envelope, "payloadType", str),
        _binary(envelope, "payload"),
        _binary(certificate, "rawBytes"),
        canonical_json(document),
    )


def claimed_signer(bundle: Bundle) -> str:
    """Who the certificate says has signed: `sigstore:` and an address or a URL. Raises ValueError when it names nobody.

    Raises DiagnosticsError when the library cryptography is not there.
    """
    try:
        from cryptography import x509  # lazy: what only passes bundles on needs no certificates
    except ImportError:
        raise not_installed() from None
    try:
        names = (
            x509.load_der_x509_certificate(bundle.certificate)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
    except (
        ValueError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.UnsupportedGeneralNameType,
    ):
        raise ValueError("its certificate cannot be read, or names nobody") from None
    found = [
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *names.get_values_for_type(x509.RFC822Name),
        *(
            one.value.decode("utf-8", "replace")
            for one in names.get_values_for_type(x509.OtherName)
            if one.type_id.dotted_string == _OTHER_NAME
        ),
    ]
    if not found or not found[0].isprintable() or not 0 < len(found[0]) <= _LONGEST_IDENTITY:
        raise ValueError("its certificate names nobody who could sign")
    return f"sigstore:{found[0]}"


def _part(document: Any, name: str, kind: type[Any]) -> Any:
    """A field of an object. More may stand beside it: the format grows."""
    value = document.get(name) if isinstance(document, dict) else None
    if type(value) is not kind:
        raise ValueError(f'it has no "{name}", or one of another type')
    return value


def _binary(document: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(_part(document, name, str), validate=True)
    except ValueError:
        raise ValueError(f'"{name}" is no base64') from None
