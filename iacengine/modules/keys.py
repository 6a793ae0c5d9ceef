"""The keys of a user: `$XDG_CONFIG_HOME/iacengine/keys/` (`~/.config/…`), a folder that is its owner's alone.

    NAME.json   what is known of a key: id, public key, when it was made and expires, whether it is revoked
    NAME.pem    the private key, encrypted; not there for a public key of somebody else's

Files are made whole or not at all, and never over one that is there: two who make one name at once do not lose a key.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from iacengine.foundation.atomic import make_folders, read_regular_file, write_atomically
from iacengine.foundation.diagnostics import DiagnosticsError, failure, near_match
from iacengine.foundation.disk import disk_failure
from iacengine.modules.public_key import PublicKey, parse_public_key
from iacengine.modules.signing_key import SigningKey, WrongPassphraseError, open_key
from iacengine.modules.statement import parse_time, time_text
from iacengine.modules.strict_json import fields, parse_strictly

PASSPHRASE_VARIABLE: Final = "IAC_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_MOST_BYTES: Final = 16 * 1024
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key in the store. `has_private`: it can sign. `revoked`: when it was, or None; then it signs no more."""

    name: str
    public: PublicKey
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    reason: str = ""
    has_private: bool = False

    @property
    def id(self) -> str:
        return self.public.id


def settings_folder(environment: Mapping[str, str]) -> Path:
    """Where a user's settings are: `$XDG_CONFIG_HOME/iacengine`, by default below `~/.config`."""
    home = environment.get("XDG_CONFIG_HOME")
    if home and Path(home).is_absolute():  # the specification has relative ones ignored
        return Path(home) / "iacengine"
    return Path(environment.get("HOME") or Path.home()) / ".config" / "iacengine"


class KeyStore:
    """The keys in a folder. All failures are DiagnosticsError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> KeyStore:
        return cls(settings_folder(environment) / "keys")

    def all(self) -> tuple[StoredKey, ...]:
        """Every key, sorted by name."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.folder))
        except FileNotFoundError:
            return ()
        except OSError as problem:
            raise disk_failure(problem, "read the keys", str(self.folder)) from None
        stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return tuple(self._load(stem) for stem in stems if _NAME.fullmatch(stem))

    def find(self, name: str) -> StoredKey:
        """The key of a name, of an id, or of an id's first letters where only one has them."""
        keys = self.all()
        found = [key for key in keys if key.name == name] or [key for key in keys if key.id == name]
        if not found and len(name) >= 4:
            short = name.removeprefix("ed25519:")
            found = [key for key in keys if key.id.removeprefix("ed25519:").startswith(short)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(key.name for key in found)
            raise failure("More than one key", f'"{name}" may be any of {names}.', remedy="Name the one you mean.")
        near = near_match(name, [key.name for key in keys])
        raise failure(
            "No such key",
            f'{self.folder} has no key "{name}".',
            remedy=f'Did you mean "{near}"?' if near else "`iac keys list` shows what is there.",
        )

    def add(self, key: StoredKey, sealed: str | None = None) -> StoredKey:
        """Keep a new key; `sealed` is its private part, encrypted. Nothing that is there is written over."""
        check_name(key.name)
        for other in self.all():
            if other.name == key.name or other.id == key.id:
                what = "a key of this name" if other.name == key.name else f'this key, as "{other.name}"'
                raise failure(
                    "The key is there already", f"{self.folder} has {what}.", remedy="Choose another name, or use it."
                )
        key = replace(key, has_private=sealed is not None)
        try:
            self._make_folder()
            if sealed is not None:
                self._write_new(key.name, "pem", sealed.encode("ascii"))
            try:
                self._write_new(key.name, "json", _encode(key))
            except BaseException:
                if sealed is not None:
                    with suppress(OSError):
                        self._path(key.name, "pem").unlink()
                raise
        except FileExistsError:
            raise failure(
                "The key is there already",
                f'{self.folder} has a key "{key.name}", perhaps one that is just being made.',
                remedy=f"Choose another name, or remove what is left of the key there ({key.name}.*).",
            ) from None
        except OSError as problem:
            raise disk_failure(problem, "keep a key", str(self.folder), "No key was lost.") from None
        return key

    def revoke(self, key: StoredKey, when: datetime, reason: str) -> StoredKey:
        """Note that a key is to be trusted no more. Its private part stays, and signs nothing from now on."""
        revoked = replace(key, revoked=key.revoked or when, reason=key.reason or reason)
        try:
            write_atomically(str(self._path(key.name, "json")), _encode(revoked))
        except OSError as problem:
            raise disk_failure(problem, "revoke a key", str(self.folder), "The key is as it was.") from None
        return revoked

    def sealed(self, key: StoredKey) -> str:
        """The encrypted private part, as PEM."""
        data = self._read(key.name, "pem")
        if data is None:
            raise failure(
                "No private key",
                f'"{key.name}" is the public key of somebody else: it verifies, and cannot sign.',
                remedy="Import the private key, or sign with one of your own.",
            )
        return data.decode("ascii", "replace")

    def open(self, key: StoredKey, passphrase: str, now: datetime) -> SigningKey:
        """The private key, to sign with. Refuses one that is revoked or has expired."""
        if key.revoked is not None:
            raise failure(
                "The key is revoked",
                f'"{key.name}" was revoked at {time_text(key.revoked)}; nobody would accept what it signs.',
                remedy="Sign with another key, or make one with `iac keys generate`.",
            )
        if key.expires is not None and key.expires <= now:
            raise failure(
                "The key has expired",
                f'"{key.name}" was good until {time_text(key.expires)}.',
                remedy="Sign with another key, or make one with `iac keys generate`.",
            )
        try:
            opened = open_key(self.sealed(key), passphrase)
        except WrongPassphraseError:
            raise failure(
                "Wrong passphrase",
                f'The passphrase does not open the key "{key.name}".',
                remedy=f"Check {PASSPHRASE_VARIABLE}, or what you typed.",
            ) from None
        except (ValueError, UnicodeEncodeError) as problem:
            raise _damaged(self._path(key.name, "pem"), str(problem)) from None
        if opened.public != key.public:
            raise _damaged(self._path(key.name, "pem"), "it is not the key that the file beside it describes")
        return opened

    def _load(self, name: str) -> StoredKey:
        data = self._read(name, "json")
        if data is None:
            raise _damaged(self._path(name, "json"), "it is gone")
        try:
            return _decode(name, data, self._path(name, "pem").exists())
        except ValueError as problem:
            raise _damaged(self._path(name, "json"), str(problem)) from None

    def _read(self, name: str, kind: str) -> bytes | None:
        path = self._path(name, kind)
        try:
            mode = path.stat().st_mode if path.exists() else 0
            data = read_regular_file(str(path))
        except OSError as problem:
            raise disk_failure(problem, "read a key", str(path)) from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO) and (kind == "pem" or mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise failure(
                "Others can use a key",
                f"{path} can be read or changed by others (its mode is {stat.S_IMODE(mode):04o}).",
                remedy=f"chmod 600 {path}",
            )
        return data

    def _path(self, name: str, kind: str) -> Path:
        return self.folder / f"{name}.{kind}"

    def _make_folder(self) -> None:
        make_folders(str(self.folder))
        if stat.S_IMODE(self.folder.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            self.folder.chmod(0o700)

    def _write_new(self, name: str, kind: str, data: bytes) -> None:
        """Write a file that is not there. Raises FileExistsError."""
        path = self._path(name, kind)
        fresh = self.folder / f".{path.name}.{os.urandom(6).hex()}.tmp"
        write_atomically(str(fresh), data)
        try:
            os.link(fresh, path)  # unlike a rename it never replaces
        finally:
            fresh.unlink()


def check_name(name: str) -> None:
    """Raises DiagnosticsError unless it can be the name of a key."""
    if not _NAME.fullmatch(name):
        raise failure(
            "Invalid name of a key",
            f"{name!r} cannot be the name of a key.",
            remedy="Use letters, digits, dots, dashes and underscores, at most 64.",
        )


def key_document(key: StoredKey) -> dict[str, Any]:
    """What is known of a key, for programs. Never the private part."""
    return {
        "id": key.id,
        "name": key.name,
        "public": key.public.text,
        "created": time_text(key.created),
        "expires": time_text(key.expires) if key.expires else None,
        "revoked": time_text(key.revoked) if key.revoked else None,
        "reason": key.reason or None,
        "private": key.has_private,
    }


def _encode(key: StoredKey) -> bytes:
    document = {name: value for name, value in key_document(key).items() if value is not None and name != "private"}
    return json.dumps({"format": _FORMAT, **document}, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"


def _decode(name: str, data: bytes, has_private: bool) -> StoredKey:
    found = fields(
        parse_strictly(data, _MOST_BYTES),
        "the key",
        {"format": int, "id": str, "public": str, "created": str},
        {"name": str, "expires": str, "revoked": str, "reason": str},
    )
    if found["format"] != _FORMAT:
        raise ValueError(f"its format is {found['format']}, of which this version of iacengine knows {_FORMAT} alone")
    public = parse_public_key(found["public"])
    if public.id != found["id"]:
        raise ValueError("its id is not that of its public key")
    return StoredKey(
        name=name,
        public=public,
        created=parse_time(found["created"]),
        expires=parse_time(found["expires"]) if "expires" in found else None,
        revoked=parse_time(found["revoked"]) if "revoked" in found else None,
        reason=found.get("reason", ""),
        has_private=has_private,
    )


def _damaged(path: Path, why: str) -> DiagnosticsError:
    return failure(
        "A key cannot be read", f"{path}: {why}.", remedy="Restore the file from a backup, or remove the key's files."
    )
