"""Keys in files of a user's, as `iac keys import` takes them."""

from __future__ import annotations

import sys
from datetime import datetime

from iacengine.cli.passphrase import ask_passphrase, new_passphrase
from iacengine.config.source import parse, source_file
from iacengine.foundation.atomic import read_regular_file
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules.keys import StoredKey
from iacengine.modules.public_key import PublicKey, parse_public_key
from iacengine.modules.signing_key import WrongPassphraseError, is_encrypted, open_key

_LARGEST = 64 * 1024  # bytes
_FORMS = (
    "A private or public Ed25519 key in PEM was expected, a public key in base64, or what `iac keys export` prints."
)


def read_key_file(path: str) -> str:
    """The text of the file, or of standard input for `-`. Raises DiagnosticsError."""
    if path == "-":
        return sys.stdin.read(_LARGEST)
    try:
        data = read_regular_file(path)
    except OSError as problem:
        raise disk_failure(problem, "read a key", path) from None
    if data is None:
        raise failure("No such file", f"There is no {path}.", remedy="Name the file that holds the key.")
    if len(data) > _LARGEST:
        raise failure("Not a key", f"{path} is too large for a key.", remedy=_FORMS)
    return data.decode("utf-8", "replace")


def imported_key(text: str, name: str, now: datetime, expires: datetime | None) -> tuple[StoredKey, str | None]:
    """The key in a text, and its private part encrypted, if it has one. Raises DiagnosticsError."""
    if "PRIVATE KEY-----" not in text:
        return StoredKey(name, _public(text), now, expires), None
    try:
        if is_encrypted(text):
            passphrase = ask_passphrase(name)
            key = open_key(text, passphrase)
        else:
            key = open_key(text, None)
            passphrase = new_passphrase(name)
        return StoredKey(name, key.public, now, expires), key.sealed(passphrase)
    except WrongPassphraseError:
        raise failure("Wrong passphrase", "The passphrase does not open this key.") from None
    except ValueError as problem:
        raise failure("Not a key", f"The file cannot be used: {problem}.", remedy=_FORMS) from None


def _public(text: str) -> PublicKey:
    stripped = text.strip()
    if stripped.startswith("keys:") or stripped.startswith("{"):
        try:
            document = parse(source_file("key.json" if stripped.startswith("{") else "key.yaml", text.encode()))
        except DiagnosticsError:
            raise failure("Not a key", "The file cannot be read.", remedy=_FORMS) from None
        if isinstance(document, dict) and isinstance(document.get("keys"), list) and len(document["keys"]) == 1:
            document = document["keys"][0]
        found = document.get("public") if isinstance(document, dict) else None
        stripped = found if isinstance(found, str) else ""
    try:
        return parse_public_key(stripped)
    except ValueError as problem:
        raise failure("Not a key", f"The file cannot be used: {problem}.", remedy=_FORMS) from None
