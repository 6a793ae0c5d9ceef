"""How often one may ask: token buckets for tokens and addresses, and a slow-down for who guesses tokens."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_KEPT = 50_000


def counted_as(address: str) -> str:
    """Whom an address counts for: the network of 64 bits that one customer has at least, where it is one of IPv6."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


class Buckets:
    """A bucket for each key: it holds `burst` requests and fills by `rate` a second. 0: no limit."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, max(1.0, burst), clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one; 0 when it could be had, else the seconds until it can."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        level, since = self._held.get(key, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        wait = 0.0 if level >= 1.0 else (1.0 - level) / self._rate
        self._held[key] = (level - 1.0 if wait == 0.0 else level, now)
        self._held.move_to_end(key)
        if len(self._held) > _MOST_KEPT:
            self._held.popitem(last=False)  # who was not seen longest has a full bucket, or nearly
        return wait


class Guesses:
    """Wrong tokens, by address: after `free` of them each further one makes the next wait twice as long. Threads may
    share it."""

    def __init__(
        self, free: int = 10, longest: float = 300.0, forget: float = 900.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free, self._longest, self._forget, self._clock = free, longest, forget, clock
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Seconds until this address may try a token that is not known to be good."""
        count, last = self._seen.get(address, (0, 0.0))
        if count < self._free:
            return 0.0
        pause = min(self._longest, 2.0 ** min(count - self._free, 20))
        return max(0.0, last + pause - self._clock())

    def failed(self, address: str) -> None:
        now = self._clock()
        with self._lock:
            count, last = self._seen.get(address, (0, now))
            self._seen[address] = (1 if now - last > self._forget else count + 1, now)
            self._seen.move_to_end(address)
            if len(self._seen) > _MOST_KEPT:
                self._seen.popitem(last=False)
