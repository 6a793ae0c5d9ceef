"""How a stack is encrypted, as its block in the stack file and the environment say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from iacengine.foundation.diagnostics import failure

PASSPHRASE_VARIABLE: Final = "IAC_ENCRYPTION_PASSPHRASE"  # noqa: S105 - its name
PREVIOUS_VARIABLE: Final = "IAC_ENCRYPTION_PREVIOUS_PASSPHRASE"
COMMAND_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class PassphraseSettings:
    """A passphrase in an environment variable."""

    variable: str


@dataclass(frozen=True, slots=True)
class KeyFileSettings:
    """A file with 32 random bytes, as they are or as base64 or hexadecimal text."""

    path: str


@dataclass(frozen=True, slots=True)
class KmsSettings:
    """A key of AWS KMS. What is None is found by the AWS library in its usual places."""

    key_id: str
    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """A program, run without a shell in `directory`, that prints a key of 32 bytes; it may take `seconds`."""

    argv: tuple[str, ...]
    directory: str = "."
    seconds: float = COMMAND_SECONDS


KeySettings = PassphraseSettings | KeyFileSettings | KmsSettings | CommandSettings


@dataclass(frozen=True, slots=True)
class EncryptionSettings:
    """`key`: what is sealed from now on is sealed with it (None: nothing is). `previous`: keys that only open.

    `full`: seal everything, not only what is sensitive.
    """

    key: KeySettings | None = None
    previous: tuple[KeySettings, ...] = ()
    full: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, compare=False)

    @property
    def all_keys(self) -> tuple[KeySettings, ...]:
        return (self.key, *self.previous) if self.key is not None else self.previous


def encryption_settings(
    keys: tuple[tuple[str, Any], ...] = (),
    previous: tuple[tuple[str, Any], ...] = (),
    *,
    full: bool = False,
    asked: bool = False,
    directory: str = ".",
    environment: Mapping[str, str] | None = None,
) -> EncryptionSettings:
    """The settings of a block, with those of the environment.

    `keys` (at most one) and `previous` are pairs of a kind (`passphrase_env`, `key_file`, `kms`, `command`) and its
    value. `asked`: there is a block, so that it is an error when no key is to be found. Raises DiagnosticsError.
    """
    environment = os.environ if environment is None else environment
    for variable in (PASSPHRASE_VARIABLE, PREVIOUS_VARIABLE):
        if environment.get(variable) == "":
            raise failure(
                "Empty passphrase",
                f"The environment variable {variable} is set, but empty.",
                remedy="Set it to the passphrase; or unset it, to work without one.",
            )
    found = [key_settings(kind, value, directory) for kind, value in keys]
    older = [key_settings(kind, value, directory) for kind, value in previous]
    own = PassphraseSettings(PASSPHRASE_VARIABLE)
    if PASSPHRASE_VARIABLE in environment and own not in (*found, *older):
        (older if found else found).append(own)
    if PREVIOUS_VARIABLE in environment:
        older.append(PassphraseSettings(PREVIOUS_VARIABLE))
    if asked and not found and not older:
        raise failure(
            "No key to encrypt with",
            f"The stack asks for encryption and names no key, and {PASSPHRASE_VARIABLE} is not set.",
            remedy=f"Set {PASSPHRASE_VARIABLE}, or name a key in the encryption block: passphrase_env, key_file, kms, "
            "or command.",
        )
    return EncryptionSettings(found[0] if found else None, tuple(older), full, environment)


def key_settings(kind: str, value: Any, directory: str) -> KeySettings:
    """The settings of one key; relative paths start from `directory`."""
    match kind:
        case "passphrase_env":
            return PassphraseSettings(value)
        case "key_file":
            path = os.path.expanduser(value)  # noqa: PTH111 - text in, text out
            return KeyFileSettings(os.path.join(directory, path) if directory not in ("", ".") else path)  # noqa: PTH118
        case "kms":
            return KmsSettings(value["key_id"], value.get("region"), value.get("endpoint"), value.get("profile"))
        case "command":
            return CommandSettings(tuple(value), directory)
    raise ValueError(f"no kind of key: {kind}")
