"""Answers as they are kept in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from iacengine.modules.wire import PACKAGE_TYPE
from iacengine.registry.memory import Memory
from iacengine.registry.store.modules import StoredPackage

LARGEST_KEPT = 256 << 10
"""Bytes of the largest package that is kept in memory, or sent in one piece."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with status 200: the body, its headers (with ETag), the route that gave it, and what is counted."""

    body: bytes
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    route: str
    download: tuple[int, int] | None = None
    """Ids of module and version, when this is a package."""


Answers = Memory[Kept]
"""By path and query."""


def new_answers(room: int) -> Answers:
    """Room is in bytes."""
    return Memory(room, lambda kept: len(kept.body) + 500)


def kept_json(body: bytes, route: str) -> Kept:
    """The answer with this JSON text."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"etag", etag),
        (b"cache-control", b"no-cache"),  # to be asked again, with the ETag
    )
    return Kept(body, etag, headers, route)


def kept_package(label: str, version: str, stored: StoredPackage, body: bytes, route: str) -> Kept:
    """The answer with a whole package."""
    headers = package_headers(label, version, stored, 0, stored.size)
    return Kept(body, package_etag(stored).encode(), headers, route, (stored.module_id, stored.version_id))


def package_etag(stored: StoredPackage) -> str:
    return f'"{stored.digest}"'


def package_headers(
    label: str, version: str, stored: StoredPackage, start: int, end: int
) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a package, or of the part of it between two places."""
    headers = {
        "etag": package_etag(stored),
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
        "content-type": PACKAGE_TYPE,
        "content-disposition": f'attachment; filename="{label.replace("/", "-")}-{version}.tar.gz"',
    }
    if (start, end) != (0, stored.size):
        headers["content-range"] = f"bytes {start}-{end - 1}/{stored.size}"
    headers["content-length"] = str(end - start)
    return tuple((name.encode(), value.encode()) for name, value in headers.items())
