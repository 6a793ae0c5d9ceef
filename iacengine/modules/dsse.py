"""DSSE: a payload, and signatures over it and its type (Dead Simple Signing Envelope, version 1).

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md and envelope.md. What is signed is the pre-
authentication encoding of type and payload, so that no signature can be taken for one over anything else. Key ids are
hints, and are not signed; here they are the digest of the key, and one that does not fit the key that verifies is
refused (`verification`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from iacengine.modules.strict_json import canonical_json, fields, parse_strictly

MOST_BYTES: Final = 256 * 1024
"""Of an envelope as text."""
MOST_SIGNATURES: Final = 32
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Signer(Protocol):
    """Who can sign: a private key that was opened (`keys.SigningKey`)."""

    @property
    def id(self) -> str: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature; `key_id` names its key."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload of a type, with its signatures. Nothing of it is verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    @property
    def message(self) -> bytes:
        """What each signature is over."""
        return pre_authentication_encoding(self.payload_type, self.payload)


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """`DSSEv1 LENGTH TYPE LENGTH PAYLOAD`: PAE of the specification."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> Envelope:
    """An envelope with one signature of each."""
    message = pre_authentication_encoding(payload_type, payload)
    signatures = tuple(EnvelopeSignature(signer.id, signer.sign(message)) for signer in signers)
    return Envelope(payload_type, payload, signatures)


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope as JSON."""
    return canonical_json(
        {
            "payloadType": envelope.payload_type,
            "payload": _to_base64(envelope.payload),
            "signatures": [{"keyid": one.key_id, "sig": _to_base64(one.signature)} for one in envelope.signatures],
        }
    )


def decode_envelope(data: bytes) -> Envelope:
    """The envelope in a JSON text. Raises ValueError, saying what is wrong with it.

    Stricter than the specification: a key id is required, base64 is that of RFC 4648 section 4 with nothing but zeros
    in its last bits, and no field may be there that is not known. One envelope has thus one text, but for blanks.
    """
    document = parse_strictly(data, MOST_BYTES)
    found = fields(document, "the envelope", {"payloadType": str, "payload": str, "signatures": list}, {})
    signatures = found["signatures"]
    if not 0 < len(signatures) <= MOST_SIGNATURES:
        raise ValueError(f"an envelope has between 1 and {MOST_SIGNATURES} signatures, not {len(signatures)}")
    return Envelope(
        found["payloadType"], _from_base64(found["payload"], "payload"), tuple(_signature(one) for one in signatures)
    )


def _signature(document: Any) -> EnvelopeSignature:
    found = fields(document, "a signature", {"keyid": str, "sig": str}, {})
    return EnvelopeSignature(found["keyid"], _from_base64(found["sig"], "sig"))


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True) if _BASE64.fullmatch(text) else None
    except (binascii.Error, ValueError):
        data = None
    if data is None or _to_base64(data) != text:
        raise ValueError(f'"{what}" is no base64')
    return data
