"""How many requests a cloud bears: a token bucket, as in front of many APIs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


class Bucket:
    """Holds up to `burst` tokens, and gets `per_second` new ones a second. Thread-safe."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._looked = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a token; False when there is none."""
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self._burst), self._tokens + (now - self._looked) * self._per_second)
            self._looked = now
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
