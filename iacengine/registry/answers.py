"""Answers kept in memory, for as long as nothing has changed.

Every change is told on a channel of the database (`Store.write`) to all processes of the service. While that channel
cannot be heard, nothing is kept. What was read before a change and would be kept after it is not: see `Ticket`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from iacengine.foundation.database import DatabaseError
from iacengine.registry.store.opening import Store

_RESTING = 1.0  # seconds before the channel is opened again
_SILENCE = 5.0  # seconds after which one asks whether the channel is still there


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with status 200: the body, its headers (with ETag), the route that gave it, and what is counted."""

    body: bytes
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    route: str
    download: tuple[int, int] | None = None
    """Ids of module and version, when this is a package."""


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


@dataclass(frozen=True, slots=True)
class Ticket:
    """When reading began: how many changes there had been, and whether changes were heard at all."""

    changes: int
    heard: bool


class Answers:
    """Encoded answers by what was asked. Threads may share it."""

    def __init__(self, room: int = 64 << 20) -> None:
        """`room` is in bytes."""
        self._room, self._used = room, 0
        self._held: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._changes = 0
        self._heard = False
        self.hits = self.misses = 0

    def find(self, key: Hashable) -> Kept | None:
        """The answer, or None."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._held.move_to_end(key)
            return found

    def begin(self) -> Ticket:
        """Call it before reading what is to be kept."""
        with self._lock:
            return Ticket(self._changes, self._heard)

    def keep(self, key: Hashable, answer: Kept, ticket: Ticket) -> None:
        """Keep what was read since the ticket was drawn, unless something changed meanwhile."""
        size = len(answer.body) + 500
        with self._lock:
            if not ticket.heard or not self._heard or ticket.changes != self._changes or size > self._room // 8:
                return
            old = self._held.pop(key, None)
            self._used += size - (0 if old is None else len(old.body) + 500)
            self._held[key] = answer
            while self._used > self._room:
                self._used -= len(self._held.popitem(last=False)[1].body) + 500

    def changed(self) -> None:
        """Forget everything."""
        with self._lock:
            self._changes += 1
            self._held.clear()
            self._used = 0

    def hear(self, heard: bool) -> None:
        """Say whether changes are heard; at first they are not."""
        with self._lock:
            self._heard = heard
        self.changed()


class Listener:
    """A thread that hears of changes."""

    def __init__(self, store: Store, answers: Answers, told: Callable[[str], None]) -> None:
        self._store, self._answers, self._told = store, answers, told
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="registry-changes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It ends with the next silence at the latest; being a daemon, it holds up nobody."""
        self._stopping.set()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                hearing = False
                for subject in self._store.database.notifications(self._store.channel, _SILENCE):
                    if not hearing:
                        hearing = True
                        self._answers.hear(True)
                        self._told("")
                    if subject is not None:
                        self._answers.changed()
                        self._told(subject)
                    if self._stopping.is_set():
                        return
            except DatabaseError:
                pass  # it restarts; requests tell of it
            finally:
                self._answers.hear(False)
            self._stopping.wait(_RESTING)
