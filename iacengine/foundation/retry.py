"""Trying again what failed for a while, with pauses that grow and are scattered.

After M. Brooker, Exponential Backoff And Jitter (2015), "equal jitter": a pause lies anywhere between half of its bound
and the bound, so that many clients of a server that comes back do not all ask at one moment, and none asks at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How patient to be: `retries` after the first attempt, pauses from `first` up to `longest` seconds, nothing begun
    after `patience` seconds in all."""

    retries: int = 10
    first: float = 0.3
    longest: float = 5.0
    patience: float = 30.0

    def pause(self, retry: int, chance: float, asked: float | None = None) -> float:
        """Seconds before a retry (counted from 1); `chance` is from 0 to 1, `asked` what the server asked for."""
        bound = min(self.longest, self.first * 2.0 ** min(retry - 1, 60))
        scattered = bound * (0.5 + chance / 2)
        return scattered if asked is None else max(scattered, asked)


class Transient(Exception):  # noqa: N818 - it is a wrapper, no error of its own
    """Raised by what `retrying` calls, around a failure that may pass; `wait` is how long the other side asked for."""

    def __init__(self, cause: Exception, wait: float | None = None) -> None:
        super().__init__(str(cause))
        self.cause, self.wait = cause, wait


def retrying(
    attempt: Callable[[], T],
    backoff: Backoff,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> T:
    """What `attempt` returns, called again as long as it raises Transient and the patience lasts.

    Raises what is inside the last Transient, or anything else at once.
    """
    started = clock()
    retry = 0
    while True:
        try:
            return attempt()
        except Transient as failed:
            retry += 1
            pause = backoff.pause(retry, chance(), failed.wait)
            if retry > backoff.retries or clock() + pause - started > backoff.patience:
                raise failed.cause from failed.cause.__cause__
        sleep(pause)
