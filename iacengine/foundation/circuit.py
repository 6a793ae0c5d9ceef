"""A circuit breaker: after several failures in a row nothing is tried for a while, then one call tries for all.

After M. Nygard, Release It! (2007). Calls run beside each other: the breaker only counts how they end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Circuit:
    """Opens after `failures` failures in a row, and lets one call through again after `rest` seconds."""

    __slots__ = ("_clock", "_count", "_failures", "_mutex", "_opened", "_rest", "_trying")

    def __init__(self, failures: int, rest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures, self._rest, self._clock = failures, rest, clock
        self._mutex = threading.Lock()
        self._count = 0
        self._opened: float | None = None
        self._trying = False

    def wait(self) -> float:
        """0 when a call may be made (`succeeded`, `failed` or `abandoned` has to follow), else seconds until then."""
        with self._mutex:
            if self._opened is None:
                return 0.0
            left = self._opened + self._rest - self._clock()
            if left > 0 or self._trying:
                return max(left, 0.001)
            self._trying = True
            return 0.0

    def succeeded(self) -> None:
        with self._mutex:
            self._count, self._opened, self._trying = 0, None, False

    def failed(self) -> None:
        with self._mutex:
            self._count += 1
            if self._trying or self._count >= self._failures:
                self._opened, self._trying = self._clock(), False

    def abandoned(self) -> None:
        """The call ended in a way that tells nothing of the other side, such as Ctrl-C."""
        with self._mutex:
            self._trying = False
