"""The tokens of registries: one file of the user's, `$XDG_CONFIG_HOME/iacengine/credentials.json`, and variables.

The file is `{"HOST[:PORT]": {"token": "…"}}`, its owner's alone. A variable goes first: `IAC_TOKEN_` and the host, with
`_` for what no name of a variable may have (`IAC_TOKEN_registry_example_org`), as `TF_TOKEN_…` of Terraform.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from iacengine.foundation.atomic import make_folders, read_regular_file, write_atomically
from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure


def credentials_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where tokens are kept."""
    base = environment.get("XDG_CONFIG_HOME", "")
    folder = (
        Path(base) if base and Path(base).is_absolute() else Path(environment.get("HOME") or Path.home(), ".config")
    )
    return folder / "iacengine" / "credentials.json"


def variable_of(host: str) -> str:
    """The environment variable for the token of a host."""
    return f"IAC_TOKEN_{re.sub(r'[^0-9a-z]', '_', host.lower())}"


def find_token(host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token for a registry (`HOST` or `HOST:PORT`), or None. Raises DiagnosticsError when the file is unusable."""
    if given := environment.get(variable_of(host), "").strip():
        return given
    entry = _read(credentials_file(environment)).get(host.lower())
    return entry["token"] if isinstance(entry, dict) and isinstance(entry.get("token"), str) else None


def store_token(host: str, token: str | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Keep the token of a host, or forget it (None); whether there was one. Raises DiagnosticsError."""
    file = credentials_file(environment)
    try:
        make_folders(str(file.parent))
        # Two logins at once: each reads what the other wrote.
        guard = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            known = _read(file)
            had = known.pop(host.lower(), None) is not None
            if token is not None:
                known[host.lower()] = {"token": token}
            if token is not None or had:
                write_atomically(str(file), orjson.dumps(known, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        finally:
            os.close(guard)
    except OSError as problem:
        raise disk_failure(problem, "keep the token", str(file)) from None
    return had


def _read(file: Path) -> dict[str, Any]:
    try:
        text = read_regular_file(str(file))
        if text is not None and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise failure(
                "Tokens can be read by others",
                f"{file} is not its owner's alone.",
                remedy=f"chmod 600 {file}; if others may have read it, revoke the tokens and log in again.",
            )
        known = {} if text is None else orjson.loads(text)
    except OSError as problem:
        raise disk_failure(problem, "read the tokens", str(file)) from None
    except orjson.JSONDecodeError as problem:
        raise failure(
            "Unreadable file of tokens", f"{file}:{problem.lineno}: no JSON.", remedy="Correct it, or log in again."
        ) from None
    if not isinstance(known, dict):
        raise failure("Unreadable file of tokens", f"{file} holds no object.", remedy="Remove it, and log in again.")
    return known
