"""Where an `http` backend keeps a state, and how it is asked: shared by both protocols."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from iacengine.foundation.http import Answer, HttpClient, shown
from iacengine.state.lock import LockLostError, lock_lost


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """The settings of an `http` block: `lease` in seconds; `folder` is where the plain protocol keeps a journal."""

    address: str
    client: HttpClient = field(repr=False)
    update_method: str = "POST"
    lock_address: str | None = None
    lock_method: str = "LOCK"
    unlock_address: str | None = None
    unlock_method: str = "UNLOCK"
    versions: int = 50
    lease: float = 60.0
    folder: str = ".iac"
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def where(self) -> str:
        return shown(self.address)

    def below(self, *names: str, **query: str) -> str:
        """An address below the state's, such as `ADDRESS/iac/journal`; the query of the state's address stays."""
        parts = urlsplit(self.address)
        path = "/".join((parts.path.rstrip("/"), *(quote(name, safe="") for name in names)))
        return urlunsplit(parts._replace(path=path, query=joined(parts.query, **query)))


def joined(query: str, **more: str) -> str:
    """A query string with more parameters."""
    return "&".join(part for part in (query, urlencode(more)) if part)


def with_query(address: str, **query: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=joined(parts.query, **query)))


def lost(place: HttpPlace) -> LockLostError:
    return lock_lost(place.where, "the server says that the lock has run out, was broken, or belongs to somebody else")


def text_of(answer: Answer) -> str:
    """The first line of what a server said, for messages."""
    lines = answer.content[:400].decode("utf-8", "replace").strip().splitlines()
    return lines[0][:200] if lines else ""
