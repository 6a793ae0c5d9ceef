"""Master keys: what wraps and unwraps the data key of a stack."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Any, Final, Protocol

from iacengine.foundation.atomic import read_all, require_regular
from iacengine.foundation.crypto import (
    KEY_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    ForgedError,
    aes_gcm,
    hkdf,
    random_key,
    scrypt,
)
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.encryption.header import FORMAT, Header, binding, from_text, to_text
from iacengine.state.encryption.settings import (
    CommandSettings,
    KeyFileSettings,
    KeySettings,
    KmsSettings,
    PassphraseSettings,
)

SCRYPT_N: Final = 2**17
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
_SALT_BYTES: Final = 32
_MOST_MEMORY: Final = 2**30  # of scrypt, in bytes: a header must not be able to ask for more

_HOW_TO_MAKE = "Make one with: head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE"


class MasterKey(Protocol):
    """A key of the user's. All failures are DiagnosticsError."""

    kind: str

    def describe(self) -> str:
        """Where it comes from, for messages. Never the key."""

    def wrap(self, lineage: str) -> tuple[Header, bytes]:
        """A new data key, and the header (without a mode) that it can be had back from."""

    def unwrap(self, header: Header, lineage: str) -> bytes | None:
        """The data key of a header of this kind; None when it was wrapped by another key."""


def master_key(settings: KeySettings, environment: Mapping[str, str]) -> MasterKey:
    match settings:
        case PassphraseSettings():
            return Passphrase(settings, environment)
        case KeyFileSettings():
            return KeyFile(settings)
        case CommandSettings():
            from iacengine.state.encryption.command import KeyCommand  # lazy: needs subprocess

            return KeyCommand(settings)
        case KmsSettings():
            from iacengine.state.encryption.kms import KmsKey  # lazy: needs boto3

            return KmsKey(settings)


def kind_of(settings: KeySettings) -> str:
    """The kind of header that such a key makes."""
    match settings:
        case PassphraseSettings():
            return "passphrase"
        case KeyFileSettings():
            return "key_file"
        case CommandSettings():
            return "command"
        case KmsSettings():
            return "kms"


# --- wrapping by a key of our own -----------------------------------------------------------------------------------


def _wrapped(header: dict[str, Any], wrapping_key: bytes, lineage: str) -> tuple[Header, bytes]:
    data_key, nonce = random_key(), os.urandom(NONCE_BYTES)
    sealed = aes_gcm(wrapping_key).encrypt(nonce, data_key, binding(header, lineage))
    header["data_key"] = to_text(nonce + sealed)
    return header, data_key


def _unwrapped(header: Header, wrapping_key: bytes, lineage: str) -> bytes | None:
    cipher = aes_gcm(wrapping_key)
    from cryptography.exceptions import InvalidTag  # lazy: loaded with the cipher

    sealed = from_text(header["data_key"])
    if len(sealed) != NONCE_BYTES + KEY_BYTES + TAG_BYTES:
        raise ForgedError
    try:
        data_key: bytes = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], binding(header, lineage))
    except InvalidTag:
        return None
    return data_key


class Passphrase:
    """A passphrase, stretched by scrypt."""

    kind = "passphrase"

    def __init__(self, settings: PassphraseSettings, environment: Mapping[str, str]) -> None:
        self._variable, self._environment = settings.variable, environment

    def describe(self) -> str:
        return f"the passphrase in {self._variable}"

    def _passphrase(self) -> bytes:
        text = self._environment.get(self._variable)
        if not text:
            raise failure(
                "Passphrase not set",
                f"The passphrase of the state is expected in the environment variable {self._variable}, which is "
                f"{'empty' if text == '' else 'not set'}.",
                remedy=f"Set {self._variable} to the passphrase.",
            )
        return text.encode("utf-8", "surrogateescape")

    def wrap(self, lineage: str) -> tuple[Header, bytes]:
        aes_gcm(random_key())  # says at once when the library is not there
        salt = os.urandom(_SALT_BYTES)
        kdf = {"name": "scrypt", "n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P, "salt": to_text(salt)}
        header = {"format": FORMAT, "kind": self.kind, "id": "", "kdf": kdf}
        return _wrapped(header, scrypt(self._passphrase(), salt, SCRYPT_N, SCRYPT_R, SCRYPT_P), lineage)

    def unwrap(self, header: Header, lineage: str) -> bytes | None:
        aes_gcm(random_key())
        kdf = header["kdf"]
        n, r, p = kdf["n"], kdf["r"], kdf["p"]
        if kdf["name"] != "scrypt" or not (0 < 128 * n * r * p <= _MOST_MEMORY):
            raise ValueError("senseless parameters of scrypt")
        return _unwrapped(header, scrypt(self._passphrase(), from_text(kdf["salt"]), n, r, p), lineage)


class RawKey:
    """A key of 32 bytes; `read` gets it when it is needed, once."""

    kind = "key_file"

    def __init__(self) -> None:
        self._key: bytes | None = None

    def describe(self) -> str:
        raise NotImplementedError

    def read(self, lineage: str) -> bytes:
        raise NotImplementedError

    def _of(self, lineage: str) -> bytes:
        if self._key is None:
            self._key = self.read(lineage)
        return self._key

    def wrap(self, lineage: str) -> tuple[Header, bytes]:
        key, salt = self._of(lineage), os.urandom(_SALT_BYTES)
        kdf = {"name": "hkdf", "salt": to_text(salt)}
        header = {"format": FORMAT, "kind": self.kind, "id": _fingerprint(key), "kdf": kdf}
        return _wrapped(header, hkdf(key, b"iacengine wrap", salt=salt), lineage)

    def unwrap(self, header: Header, lineage: str) -> bytes | None:
        key = self._of(lineage)
        if header["kdf"]["name"] != "hkdf":
            raise ValueError("unknown derivation")
        return _unwrapped(header, hkdf(key, b"iacengine wrap", salt=from_text(header["kdf"]["salt"])), lineage)


def _fingerprint(key: bytes) -> str:
    """A name for a key that tells nothing of it: it is random, so that its hash cannot be guessed at."""
    return hashlib.sha256(b"iacengine key id\0" + key).hexdigest()[:16]


def parse_key(data: bytes) -> bytes | None:
    """A key of 32 bytes: as it is, or as base64 or hexadecimal text; None when it is none."""
    if len(data) == KEY_BYTES:
        return data
    try:
        text = data.decode("ascii").strip()
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else from_text(text)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


class KeyFile(RawKey):
    """A key in a file that only its owner may read."""

    kind = "key_file"

    def __init__(self, settings: KeyFileSettings) -> None:
        super().__init__()
        self._path = settings.path

    def describe(self) -> str:
        return f"the key file {self._path}"

    def read(self, lineage: str) -> bytes:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                require_regular(descriptor, self._path)
                mode = os.fstat(descriptor).st_mode
                data = read_all(descriptor)
            finally:
                os.close(descriptor)
        except OSError as problem:
            raise self._wrong(f"cannot be read: {problem.strerror or problem}", _HOW_TO_MAKE) from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise self._wrong(
                f"can be used by others (its mode is {stat.S_IMODE(mode):04o})", f"chmod 600 {self._path}"
            )
        key = parse_key(data)
        if key is None:
            raise self._wrong("holds no key: 32 bytes, as they are or in base64 or hexadecimal", _HOW_TO_MAKE)
        return key

    def _wrong(self, what: str, remedy: str) -> DiagnosticsError:
        return failure("Key file cannot be used", f"The key file {self._path} {what}.", remedy=remedy)
