"""Keys that were accepted at first use, where the trust policy lets them (`first_use: ask` or `allow`).

    $XDG_CONFIG_HOME/iacengine/known-keys/HOST+NAMESPACE.json

One file for each namespace of a registry, made once and never changed: of two runs that meet a namespace at the same
time one is first, and the other goes by what that one noted.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from iacengine.foundation.atomic import make_folders, read_regular_file, write_atomically
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules.keys import settings_folder
from iacengine.modules.model import ModuleAddress
from iacengine.modules.public_key import PublicKey, parse_public_key
from iacengine.modules.statement import time_text
from iacengine.modules.strict_json import fields, parse_strictly

_FORMAT = 1
_MOST_BYTES = 64 * 1024


class FirstUses:
    """The keys that were accepted, by namespace. All failures are DiagnosticsError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> FirstUses:
        return cls(settings_folder(environment) / "known-keys")

    def pinned(self, address: ModuleAddress) -> tuple[PublicKey, ...]:
        """The keys that were accepted for the namespace of a module; none when it was not met yet."""
        path = self._path(address)
        try:
            data = read_regular_file(str(path))
        except OSError as problem:
            raise disk_failure(problem, "read the keys that were accepted", str(path)) from None
        if data is None:
            return ()
        try:
            found = fields(
                parse_strictly(data, _MOST_BYTES), "it", {"format": int, "keys": list, "time": str, "module": str}, {}
            )
            if found["format"] != _FORMAT or not found["keys"]:
                raise ValueError("its format is not known")
            return tuple(parse_public_key(_text(key)) for key in found["keys"])
        except ValueError as problem:
            raise failure(
                "The keys that were accepted cannot be read",
                f"{path}: {problem}.",
                remedy="Restore the file; or remove it, and compare the key with what its publisher says.",
            ) from None

    def remember(self, address: ModuleAddress, keys: Sequence[PublicKey], now: datetime) -> None:
        """Note the keys of a namespace that was just met. Raises DiagnosticsError when others were noted meanwhile."""
        path = self._path(address)
        document = {
            "format": _FORMAT,
            "keys": [key.text for key in keys],
            "module": str(address),
            "time": time_text(now),
        }
        fresh = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
        try:
            make_folders(str(self.folder))
            write_atomically(str(fresh), json.dumps(document, indent=2).encode() + b"\n")
            try:
                os.link(fresh, path)  # unlike a rename it never replaces
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        except OSError as problem:
            raise disk_failure(problem, "note a key that was accepted", str(path)) from None
        if not set(keys) <= set(self.pinned(address)):
            raise failure(
                "Another key was accepted meanwhile",
                f"{path} names other keys for {address.namespace}.",
                remedy="Run the command again, and compare the keys with what their publisher says.",
            )

    def _path(self, address: ModuleAddress) -> Path:
        host = re.sub(r"[^0-9a-z.-]", "_", address.host.lower()) or "default"
        return self.folder / f"{host}+{address.namespace}.json"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a key is no text")
    return value
