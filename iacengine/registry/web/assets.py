"""The files that pages load: style, script, icon. Each has its digest in its address, so that it is kept for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file; `path` is its address."""

    path: str
    body: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """All of them, by name."""
    found = {}
    for file in sorted(_FOLDER.iterdir()):
        if file.suffix in _TYPES:
            body = file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:16]
            found[file.name] = Asset(f"/static/{digest}/{file.name}", body, _TYPES[file.suffix])
    return MappingProxyType(found)
