"""Tickets: leave to download one package for a while, in its address.

Terraform sends its token to the API of a registry, but not to the address of the package that this names. Where reading
takes a token, that address carries a ticket: when it ends, and an HMAC-SHA-256 over that and the package.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, text

from iacengine.registry.store.opening import Store

LASTS = 300
"""Seconds."""


class Tickets:
    """Makes and checks tickets, with a key that all processes of the service share."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._key = b""

    def issue(self, path: str) -> str:
        """A ticket for the package at this path. Raises DatabaseError."""
        ends = int(self._clock()) + LASTS
        return f"{ends}.{self._mac(path, ends)}"

    def good(self, path: str, ticket: str) -> bool:
        """Whether a ticket is one for this path, and has not ended. Raises DatabaseError."""
        ends, _, mac = ticket.partition(".")
        if not (ends.isascii() and ends.isdigit() and len(ends) < 16 and mac.isascii()):
            return False
        return hmac.compare_digest(mac, self._mac(path, int(ends))) and int(ends) > self._clock()

    def _mac(self, path: str, ends: int) -> str:
        with self._lock:
            if not self._key:
                self._key = self._store.write(_shared_key, "look up the key for tickets")
        return hmac.new(self._key, f"{ends} {path}".encode(), "sha256").hexdigest()


def _shared_key(connection: Connection) -> bytes:
    connection.execute(
        text("INSERT INTO secret (name, value) VALUES ('tickets', :key) ON CONFLICT DO NOTHING"),
        {"key": secrets.token_bytes(32)},
    )
    return bytes(connection.execute(text("SELECT value FROM secret WHERE name = 'tickets'")).scalar_one())
