"""What is kept in memory, for as long as nothing has changed.

Every change is told on a channel of the database (`Store.write`) to all processes of the service. While that channel
cannot be heard, nothing is kept. What was read before a change and would be kept after it is not: see `Ticket`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Ticket:
    """When reading began: how many changes there had been, and whether changes were heard at all."""

    changes: int
    heard: bool


class Memory(Generic[V]):
    """What was found, by what was asked; what was not asked for the longest is forgotten first. Threads may share it.

    What is about one subject (a module, by its label) is forgotten when that changes, all else with any change.
    """

    def __init__(self, room: int, size: Callable[[V], int]) -> None:
        """`room` is in bytes, and so is what `size` says of a thing."""
        self._room, self._used, self._size = room, 0, size
        self._held: OrderedDict[Hashable, tuple[V, int, str]] = OrderedDict()
        self._about: dict[str, set[Hashable]] = {}
        self._lock = threading.Lock()
        self._changes = 0
        self._heard = False
        self.hits = self.misses = 0

    @property
    def fullness(self) -> float:
        """The part of the room that is taken, from 0 to 1."""
        return self._used / self._room

    def find(self, key: Hashable) -> V | None:
        """What was kept, or None."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                self.misses += 1
                return None
            self.hits += 1
            self._held.move_to_end(key)
            return held[0]

    def begin(self) -> Ticket:
        """Call it before reading what is to be kept."""
        with self._lock:
            return Ticket(self._changes, self._heard)

    def keep(self, key: Hashable, found: V, ticket: Ticket, about: str = "") -> bool:
        """Keep what was read since the ticket was drawn, unless something changed meanwhile, or it is too large;
        whether it was kept. `about`: the only subject that it depends on."""
        size = self._size(found)
        with self._lock:
            if not ticket.heard or not self._heard or ticket.changes != self._changes or size > self._room // 8:
                return False
            self._drop(key)
            self._held[key] = (found, size, about)
            self._about.setdefault(about, set()).add(key)
            self._used += size
            while self._used > self._room:
                self._drop(next(iter(self._held)))
            return True

    def changed(self, subject: str | None = None) -> None:
        """Forget what depends on a subject; without one, everything."""
        with self._lock:
            self._changes += 1
            if subject is None:
                self._held.clear()
                self._about.clear()
                self._used = 0
                return
            for about in {"", subject}:
                for key in self._about.pop(about, ()):
                    self._used -= self._held.pop(key)[1]

    def hear(self, heard: bool) -> None:
        """Say whether changes are heard; at first they are not."""
        with self._lock:
            self._heard = heard
        self.changed()

    def _drop(self, key: Hashable) -> None:
        held = self._held.pop(key, None)
        if held is None:
            return
        _, size, about = held
        self._used -= size
        keys = self._about[about]
        keys.discard(key)
        if not keys:
            del self._about[about]
