"""Cryptography, in the few forms that are used here: sealing with AES-256-GCM, and deriving keys.

The library `cryptography` is imported when the first thing is sealed or opened. Key derivation needs the standard
library alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any, Final

from iacengine.foundation.diagnostics import failure

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


class ForgedError(Exception):
    """What is to be opened was sealed with another key or for another place, or was changed since."""


def random_key() -> bytes:
    return os.urandom(KEY_BYTES)


def hkdf(key: bytes, info: bytes, *, salt: bytes = b"", length: int = KEY_BYTES) -> bytes:
    """A key for one purpose from a key with full entropy: HKDF with SHA-256 (RFC 5869). At most 8160 bytes."""
    extracted = hmac.digest(salt or b"\0" * 32, key, "sha256")
    expanded, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes((number,)), "sha256")
        expanded += block
    return expanded[:length]


def scrypt(passphrase: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    """A key from a passphrase (RFC 7914). It takes 128·n·r bytes of memory. Raises ValueError for senseless numbers."""
    return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 4), dklen=KEY_BYTES)


def aes_gcm(key: bytes) -> Any:
    """AES-GCM (NIST SP 800-38D) with this key. Raises DiagnosticsError when the library is not installed."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # lazy: most commands seal and open nothing
    except ImportError:
        raise failure(
            "Encryption is not installed",
            "Encryption needs the library cryptography, which comes with the extra named crypto.",
            remedy="pip install 'iacengine[crypto]'",
        ) from None
    return AESGCM(key)


class Sealer:
    """Seals texts for places: AES-256-GCM, whose nonce is the start of an HMAC-SHA-256 over place and text.

    As in SIV (RFC 5297) the same text for the same place is the same bytes each time, so that what did not change looks
    unchanged; that is all it tells. Different texts get the same nonce with the odds of random ones: below 2^-32 after
    2^32 of them under one key, the bound that NIST sets. Key and MAC key are derived from the key given.
    """

    __slots__ = ("_cipher", "_mac_key")

    def __init__(self, key: bytes) -> None:
        self._cipher = aes_gcm(hkdf(key, b"iacengine seal"))
        self._mac_key = hkdf(key, b"iacengine nonce")

    def seal(self, text: bytes, place: bytes) -> bytes:
        """Nonce, ciphertext and tag. `place` is authenticated with it and must be given again to open it."""
        nonce = hmac.digest(self._mac_key, b"%d:%b%b" % (len(place), place, text), "sha256")[:NONCE_BYTES]
        sealed: bytes = nonce + self._cipher.encrypt(nonce, text, place)
        return sealed

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The text. Raises ForgedError unless it was sealed with this key for this place and is unchanged."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise ForgedError
        from cryptography.exceptions import InvalidTag  # lazy: loaded with the cipher

        try:
            text: bytes = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except InvalidTag:
            raise ForgedError from None
        return text
