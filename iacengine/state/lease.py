"""A lock that is a lease: held as long as it is renewed, which a thread of its own does.

After Gray and Cheriton, Leases (1989). The holder counts a lease from before it asked for it, by its own monotonic
clock, so that it gives up no later than the server does; what it writes carries the fencing token all the same, since a
process can be frozen between looking at the clock and writing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.backends.base import LockInfo
from iacengine.state.lock import LockLostError, lock_lost

LEASE_SECONDS = 60.0
"""How long a lease lasts unless its backend's settings say otherwise. It is renewed three times as often."""


class Lease:
    """A lease that is held. `renew` prolongs it on the backend: it raises LockLostError when it belongs to somebody
    else by now, any other DiagnosticsError when the backend cannot be reached (it is tried again). `free` gives it
    back; what it raises is swallowed, since the lease ends by itself."""

    def __init__(
        self,
        info: LockInfo,
        where: str,
        seconds: float,
        renew: Callable[[], None],
        free: Callable[[], None],
        *,
        asked: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`asked`: what `clock` said before the lease was asked for."""
        self.info = info
        self._where, self._seconds, self._renew, self._free, self._clock = where, seconds, renew, free, clock
        self._ends = asked + seconds
        self._lost: LockLostError | None = None
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Raise LockLostError unless the lease is surely still held."""
        if self._lost is not None:
            raise self._lost
        if self._released.is_set():
            raise lock_lost(self._where, "the lock was released")
        if self._clock() >= self._ends:
            raise lock_lost(self._where, f"the lease of {self._seconds:g} seconds ran out before it could be renewed")

    def lose(self, lost: LockLostError) -> None:
        """Note that the backend said that the lock belongs to somebody else."""
        self._lost = lost

    def release(self) -> None:
        """Stop renewing, and give the lease back. Calling it again does nothing."""
        if self._released.is_set():
            return
        self._released.set()
        self._thread.join()
        if self._lost is None:
            try:
                self._free()
            except DiagnosticsError:
                return

    def _keep(self) -> None:
        """Renew until it is released or lost. After a failure it is tried again sooner, until the lease has run out."""
        pause = self._seconds / 3
        while not self._released.wait(pause):
            asked = self._clock()
            if asked >= self._ends:
                self._lost = lock_lost(self._where, f"the lease of {self._seconds:g} seconds ran out")
                return
            try:
                self._renew()
            except LockLostError as lost:
                self._lost = lost
                return
            except DiagnosticsError:
                pause = self._seconds / 12
            else:
                self._ends = asked + self._seconds
                pause = self._seconds / 3
