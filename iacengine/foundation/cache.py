"""A cache in memory: what is in it grows old, it holds so much and no more, and it counts.

Many threads may use one. What is least recently used goes first when there is no room (`cachetools.TTLCache`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import TTLCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CacheMetrics:
    """What a cache did so far, and what it holds now. `size` is in the unit of the cache's `size_of`.

    `evicted` were thrown out for want of room or because they were too old; `refused` were larger than the whole cache.
    """

    hits: int
    misses: int
    evicted: int
    refused: int
    entries: int
    size: float

    @property
    def hit_rate(self) -> float:
        """From 0 to 1; 0 when nothing was asked yet."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


def _one(value: object) -> float:
    return 1


class Cache(Generic[K, V]):
    """Values by key, each for `seconds`, together no larger than `largest` (by `size_of`; without it, so many)."""

    def __init__(
        self,
        largest: float,
        seconds: float,
        *,
        size_of: Callable[[V], float] = _one,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries: TTLCache[K, V] = TTLCache(largest, seconds, timer=clock, getsizeof=size_of)
        self._size_of = size_of
        self._mutex = threading.Lock()
        self._hits = self._misses = self._put = self._gone = self._refused = 0

    def get(self, key: K) -> V | None:
        """The value, or None when there is none or it is too old."""
        with self._mutex:
            try:
                value = self._entries[key]
            except KeyError:
                self._misses += 1
                return None
            self._hits += 1
            return value

    def put(self, key: K, value: V) -> None:
        """Keep a value, in place of one that is there. One that is larger than the whole cache is not kept."""
        with self._mutex:
            if self._entries.pop(key, None) is not None:
                self._gone += 1
            if self._size_of(value) > self._entries.maxsize:
                self._refused += 1
                return
            self._entries[key] = value
            self._put += 1

    def forget(self, key: K) -> None:
        """Throw a value away, when it is there."""
        with self._mutex:
            if self._entries.pop(key, None) is not None:
                self._gone += 1

    def clear(self) -> None:
        with self._mutex:
            self._gone += len(self._entries)
            self._entries.clear()

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The value, made when there is none. Two threads may make it at once; nothing waits for another."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value

    def metrics(self) -> CacheMetrics:
        with self._mutex:
            self._entries.expire()
            entries = len(self._entries)
            return CacheMetrics(
                self._hits,
                self._misses,
                self._put - self._gone - entries,
                self._refused,
                entries,
                self._entries.currsize,
            )
