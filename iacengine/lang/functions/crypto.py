"""Random and secret things: `uuid`, `uuidv5`, `bcrypt`, `rsadecrypt`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from iacengine.lang.functions import base64_text
from iacengine.lang.functions.arguments import number, text, whole
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.hashes import digest
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.text import nfc
from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown, Value

_NAMESPACES = {  # RFC 9562, section 6.6
    "dns": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "url": "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
    "oid": "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
    "x500": "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
}
_UUID = re.compile(
    r"(?i)(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.ASCII
)
_UUID_LENGTHS = (32, 36, 38, 45)

_DEFAULT_COST = 10
_BCRYPT_LIMIT = 72  # bytes bcrypt hashes; it would ignore the rest without a word


def _hyphened(data: bytes) -> str:
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _uuid(_arguments: Sequence[Value], context: FunctionContext) -> Value:
    return Unknown(STRING) if context.pure_only else _hyphened(context.random_bytes(16))


def _uuidv5(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    namespace, name = arguments
    match = _UUID.fullmatch(str(_NAMESPACES.get(namespace, namespace)))
    if match is None or len(match[0]) not in _UUID_LENGTHS:
        raise FunctionError(
            f"uuidv5() doesn't support namespace {namespace} (it must be dns, url, oid, x500 or a UUID)"
        )
    hashed = bytearray(digest("sha1", bytes.fromhex("".join(match.groups())) + name.encode())[:16])
    hashed[6] = hashed[6] & 0x0F | 0x50  # version 5
    hashed[8] = hashed[8] & 0x3F | 0x80  # the variant of RFC 9562
    return _hyphened(bytes(hashed))


def _bcrypt(arguments: Sequence[Value], context: FunctionContext) -> Value:
    if len(arguments) > 2:
        raise FunctionError("bcrypt() takes no more than two arguments")
    if context.pure_only:
        return Unknown(STRING)
    cost = whole(arguments[1]) if len(arguments) == 2 else _DEFAULT_COST
    password = arguments[0].encode()
    if len(password) > _BCRYPT_LIMIT:
        raise FunctionError(f"error occurred generating password: it is longer than {_BCRYPT_LIMIT} bytes")
    if cost > 31:
        raise FunctionError(f"error occurred generating password: cost {cost} is outside allowed range (4,31)")
    try:
        import bcrypt  # lazy: an extension module of one function
    except ImportError:
        raise FunctionError("the Python package bcrypt is needed: pip install 'iacengine[crypto]'") from None
    rounds = cost if cost >= 4 else _DEFAULT_COST  # too low a cost means the default one, as in Terraform
    salt = f"$2a${rounds:02}${_bcrypt_base64(context.random_bytes(16))}"
    return bcrypt.hashpw(password, salt.encode()).decode()


_STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TO_BCRYPT = str.maketrans(_STANDARD, _BCRYPT)


def _bcrypt_base64(data: bytes) -> str:
    return base64_text.encode(data).rstrip("=").translate(_TO_BCRYPT)


def _rsadecrypt(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    decoded = base64_text.decode(arguments[0])
    if decoded.corrupt_at is not None:
        raise FunctionError("failed to decode input: cipher text must be base64-encoded", 0)
    numbers = _private_numbers(arguments[1])
    try:
        return nfc(_unpadded(decoded.data, numbers).decode())
    except UnicodeDecodeError:
        raise FunctionError("failed to decrypt: the result is not valid UTF-8") from None


def _private_numbers(key: str) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import rsa  # lazy: OpenSSL, for one function
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
    except ImportError:
        raise FunctionError("the Python package cryptography is needed: pip install 'iacengine[crypto]'") from None
    if "-----BEGIN" not in key:
        raise FunctionError("invalid private key: no key found", 1)
    load = load_ssh_private_key if "BEGIN OPENSSH" in key else load_pem_private_key
    try:
        private = load(key.encode(), password=None)
    except TypeError:
        raise FunctionError("invalid private key: it is protected by a passphrase", 1) from None
    except ValueError:
        raise FunctionError("invalid private key: it cannot be read", 1) from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise FunctionError("invalid private key type: an RSA key is required", 1)
    return private.private_numbers()


def _unpadded(cipher_text: bytes, numbers: Any) -> bytes:
    """Decrypt PKCS #1 v1.5 (RFC 8017, section 7.2.2). Raises FunctionError when the padding is wrong.

    OpenSSL answers wrong padding with random bytes, so as not to help an attacker who may ask often. Here nobody may
    ask but the owner of the key, who must learn that key and text do not belong together.
    """
    modulus = numbers.public_numbers.n
    size = (modulus.bit_length() + 7) // 8
    number_ = int.from_bytes(cipher_text, "big")
    if len(cipher_text) == size and number_ < modulus:
        padded = pow(number_, numbers.d, modulus).to_bytes(size, "big")
        end = padded.find(b"\0", 2)
        if padded[:2] == b"\0\2" and end >= 10:
            return padded[end + 1 :]
    raise FunctionError("failed to decrypt: the text was not encrypted with the public half of this key")


FUNCTIONS = (
    Function("bcrypt", (text("str"),), number("cost"), STRING, _bcrypt),
    Function("rsadecrypt", (text("ciphertext"), text("privatekey")), None, STRING, _rsadecrypt),
    Function("uuid", (), None, STRING, _uuid),
    Function("uuidv5", (text("namespace"), text("name")), None, STRING, _uuidv5),
)
