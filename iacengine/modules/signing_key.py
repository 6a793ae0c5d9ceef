"""Private keys: Ed25519, kept as encrypted PKCS#8 (RFC 5958) that `openssl pkey` and other programs read.

Encrypted with PBES2 (RFC 8018): the key is derived by scrypt (RFC 7914, section 7), the cipher is AES-256-CBC. OpenSSL
gives scrypt 32 MiB of memory at most, so that n is 2^14 and p makes up for it (OWASP's Password Storage Cheat Sheet has
n=2^14, r=8, p=5 beside n=2^17, p=1). The library's own "best available" derivation is PBKDF2, which is weaker.
"""

from __future__ import annotations

import base64
import os
import textwrap
from typing import Any, Final

from iacengine.foundation.crypto import scrypt
from iacengine.modules.public_key import PublicKey, not_installed, public_key

SCRYPT_N: Final = 2**14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 5
SHORTEST_PASSPHRASE: Final = 8
_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")


class WrongPassphraseError(Exception):
    """The passphrase does not open the key, or the key was damaged."""


class SigningKey:
    """A private key that is open. It never shows itself: neither `repr` nor an error has it."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Any) -> None:
        self._key = key
        self.public: PublicKey = public_key(key.public_key().public_bytes_raw())

    @property
    def id(self) -> str:
        return self.public.id

    def sign(self, message: bytes) -> bytes:
        signature: bytes = self._key.sign(message)
        return signature

    def sealed(self, passphrase: str) -> str:
        """The key as encrypted PKCS#8 in PEM. Raises ValueError for a passphrase that is too short."""
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise ValueError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
        from cryptography.hazmat.primitives import serialization  # lazy: only the verb keys needs it
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.padding import PKCS7

        plain = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        salt, vector = os.urandom(16), os.urandom(16)
        derived = scrypt(_bytes(passphrase), salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
        padder, cipher = PKCS7(128).padder(), Cipher(algorithms.AES(derived), modes.CBC(vector)).encryptor()
        data = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
        derivation = _sequence(
            _SCRYPT, _sequence(_octets(salt), _integer(SCRYPT_N), _integer(SCRYPT_R), _integer(SCRYPT_P))
        )
        scheme = _sequence(_PBES2, _sequence(derivation, _sequence(_AES_256_CBC, _octets(vector))))
        body = base64.b64encode(_sequence(scheme, _octets(data))).decode("ascii")
        lines = "\n".join(textwrap.wrap(body, 64))
        return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{lines}\n-----END ENCRYPTED PRIVATE KEY-----\n"


def generate() -> SigningKey:
    """A new key. Raises DiagnosticsError when the library is not installed."""
    return SigningKey(_ed25519().Ed25519PrivateKey.generate())


def is_encrypted(pem: str) -> bool:
    return "-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem


def open_key(pem: str, passphrase: str | None) -> SigningKey:
    """The key in a PEM text; `passphrase` None for one that is not encrypted.

    Raises WrongPassphraseError, ValueError for what is no Ed25519 key, and DiagnosticsError without the library.
    """
    ed25519 = _ed25519()
    from cryptography.exceptions import UnsupportedAlgorithm  # lazy: loaded with the above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode("ascii"), None if passphrase is None else _bytes(passphrase))
    except UnsupportedAlgorithm:
        raise ValueError("it is encrypted, or made, in a way that is not known here") from None
    except (ValueError, TypeError):
        if passphrase is not None and is_encrypted(pem):
            raise WrongPassphraseError from None
        raise ValueError("it is no private key in PEM") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError("it is a key of another kind; Ed25519 is the only one that is known")
    return SigningKey(key)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # lazy: most commands sign nothing
    except ImportError:
        raise not_installed() from None
    return ed25519


def _bytes(passphrase: str) -> bytes:
    return passphrase.encode("utf-8", "surrogateescape")


# --- DER (ITU-T X.690), as much as is written here ------------------------------------------------------------------


def _tagged(tag: int, data: bytes) -> bytes:
    length = len(data)
    if length < 128:
        return bytes((tag, length)) + data
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + data


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _octets(data: bytes) -> bytes:
    return _tagged(0x04, data)


def _integer(number: int) -> bytes:
    return _tagged(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))
