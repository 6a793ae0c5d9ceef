"""Public keys: Ed25519 (RFC 8032), named by their digest.

The id is `ed25519:` and the first 16 bytes of the SHA-256 of the key, in hexadecimal. It follows from the key, so that
no two keys can claim one id, and it cannot be chosen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from iacengine.foundation.diagnostics import DiagnosticsError, failure

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_ID = re.compile(r"ed25519:[0-9a-f]{32}")
_DER_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of RFC 8410
_PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")
_PRIME: Final = 2**255 - 19
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = frozenset((0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8))
"""The y of the points of small order, under which one signature fits many messages (as libsodium refuses them)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key, 32 bytes. Made by `parse_public_key`, which refuses those that prove nothing."""

    raw: bytes

    @property
    def id(self) -> str:
        return f"ed25519:{hashlib.sha256(self.raw).hexdigest()[:32]}"

    @property
    def text(self) -> str:
        """The key in base64, as in trust policies."""
        return base64.b64encode(self.raw).decode("ascii")

    @property
    def pem(self) -> str:
        """SubjectPublicKeyInfo, as other programs take it."""
        body = base64.b64encode(_DER_PREFIX + self.raw).decode("ascii")
        return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is one of this key over the message. Raises DiagnosticsError without the library."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            from cryptography.exceptions import InvalidSignature  # lazy: most commands verify nothing
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError:
            raise not_installed() from None
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def parse_public_key(text: str) -> PublicKey:
    """A key as base64 of its 32 bytes, or as PEM. Raises ValueError, saying what was expected."""
    match = _PEM.fullmatch(text)
    try:
        data = base64.b64decode("".join(match[1].split()) if match else text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is no base64 of a public key, and no PEM") from None
    if match:
        if not data.startswith(_DER_PREFIX):
            raise ValueError("it is a key of another kind; Ed25519 is the only one that is known")
        data = data.removeprefix(_DER_PREFIX)
    return public_key(data)


def public_key(raw: bytes) -> PublicKey:
    """The key of these bytes. Raises ValueError for what is none, and for keys that anybody could sign for."""
    if len(raw) != KEY_BYTES:
        raise ValueError(f"an Ed25519 key has {KEY_BYTES} bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _PRIME or y in _SMALL_ORDER:
        raise ValueError("it is one of the weak keys under which anybody can make signatures")
    return PublicKey(raw)


def not_installed() -> DiagnosticsError:
    return failure(
        "Signatures are not installed",
        "Keys and signatures need the library cryptography, which comes with the extra named crypto.",
        remedy="pip install 'iacengine[crypto]'",
    )
