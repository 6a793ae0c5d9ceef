"""What is kept in memory, for as long as nothing has changed.

Every change is told on a channel of the database (`Store.write`) to all processes of the service. While that channel
cannot be heard, nothing is kept, and nothing given. What was read before a change is not kept after it: see `Ticket`.
"""

from __future__ import annotations

import math
import threading
import time
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

    def __init__(self, room: int, size: Callable[[V], int], clock: Callable[[], float] = time.monotonic) -> None:
        """`room` is in bytes, and so is what `size` says of a thing."""
        self._room, self._used, self._size, self._clock = max(1, room), 0, size, clock
        self._held: OrderedDict[Hashable, tuple[V, int, str]] = OrderedDict()
        self._about: dict[str, set[Hashable]] = {}
        self._lock = threading.Lock()
        self._changes = 0
        self._heard_until = -math.inf
        self.hits = self.misses = 0

    @property
    def fullness(self) -> float:
        """The part of the room that is taken, from 0 to 1."""
        return self._used / self._room

    def find(self, key: Hashable) -> V | None:
        """What was kept, or None."""
        with self._lock:
            held = self._held.get(key)
            if held is None or self._clock() > self._heard_until:
                self.misses += 1
                return None
            self.hits += 1
            self._held.move_to_end(key)
            return held[0]

    def begin(self) -> Ticket:
        """Call it before reading what is to be kept."""
        with self._lock:
            return Ticket(self._changes, self._clock() <= self._heard_until)

    def keep(self, key: Hashable, found: V, ticket: Ticket, about: str = "") -> bool:
        """Keep what was read since the ticket was drawn, unless something changed meanwhile, or it is too large;
        whether it was kept. `about`: the only subject that it depends on."""
        size = self._size(found) + (sum(map(len, key)) if isinstance(key, tuple) else len(str(key)))
        with self._lock:
            heard = ticket.heard and self._clock() <= self._heard_until
            if not heard or ticket.changes != self._changes or size > self._room // 8:
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

    def hear(self, seconds: float) -> None:
        """Say that changes are heard, and will be for so many seconds, unless something is said again; 0: they are not,
        as at first. What was kept before a time in which they were not is forgotten."""
        with self._lock:
            now = self._clock()
            heard = now <= self._heard_until
            self._heard_until = now + seconds if seconds > 0 else -math.inf
        if not heard or seconds <= 0:
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
