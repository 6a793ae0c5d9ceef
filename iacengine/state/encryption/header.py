"""The header: how something was sealed, as JSON data. Format version 1.

    {"format": 1, "mode": "values", "kind": "passphrase", "id": "…", "data_key": "base64", "kdf": {…}}

| field | meaning |
| --- | --- |
| `mode` | `values` or `full` |
| `kind` | of the master key: `passphrase`, `key_file`, `kms` or `command` |
| `id` | of the master key: the ARN of a KMS key; for keys of 32 bytes the start of a hash; nothing of a passphrase |
| `data_key` | the data key, wrapped: by KMS as it answers, else nonce + AES-256-GCM, lineage and header authenticated |
| `kdf` | how the wrapping key is derived: `{"name": "scrypt", "n", "r", "p", "salt"}`, `{"name": "hkdf", "salt"}` |
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from iacengine.foundation.diagnostics import DiagnosticsError, failure

FORMAT: Final = 1
KINDS: Final = ("passphrase", "key_file", "kms", "command")
_KIND_NAMES: Final = {
    "passphrase": "a passphrase",
    "key_file": "a key file",
    "kms": "AWS KMS",
    "command": "a key from a command",
}

_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

Header = Mapping[str, Any]


class KeyMissingError(DiagnosticsError):
    """What is sealed needs a key that is not there, or not the one that is."""


def to_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def from_text(text: Any) -> bytes:
    """Raises ValueError when it is no base64."""
    if not isinstance(text, str):
        raise ValueError("not text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise ValueError(str(problem)) from None


def place(*parts: Any) -> bytes:
    """What is authenticated with something sealed: where it belongs. No two lists of parts give the same bytes."""
    return _ENCODE(parts).encode("ascii")


def identity(header: Header) -> bytes:
    """The part of a header that names its data key: headers that differ in their mode alone share it."""
    return place({name: value for name, value in header.items() if name != "mode"})


def binding(header: Header, lineage: str) -> bytes:
    """What is authenticated with a wrapped data key."""
    told = {name: value for name, value in header.items() if name not in ("mode", "data_key")}
    return place("iacengine data key", lineage, told)


def require_header(header: Any, where: str) -> Header:
    """The header of `where`. Raises DiagnosticsError when it is none that this version knows."""
    if not isinstance(header, Mapping) or header.get("format") != FORMAT or header.get("kind") not in KINDS:
        raise failure(
            "Encrypted in an unknown way",
            f"{where} was sealed in a way that this version of iacengine does not know.",
            remedy="Use the version of iacengine that wrote it, or a newer one.",
        )
    return header


def key_name(header: Header) -> str:
    """What a header was made with, for messages: `a key file (key 5b2cd10f91e0aa72)`."""
    name = _KIND_NAMES[header["kind"]]
    return f"{name} (key {header['id']})" if header.get("id") else name


def damaged(where: str, what: str = "What is sealed there") -> DiagnosticsError:
    """What to raise when something cannot be opened although its data key is there."""
    return failure(
        "Sealed data was tampered with",
        f"{where}: {what} cannot be opened. It was changed since it was sealed, or belongs to another place.",
        remedy="Restore an earlier version of the file. Nothing was written over it.",
    )
