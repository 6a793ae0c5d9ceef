"""Stopping what provisioners run, when the user asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator


class Stopping:
    """Whether provisioners have to come to an end, and the process groups that run for them."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._groups: set[int] = set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """From now on everything that runs comes to its end soon. May take a lock that a signal handler must not."""
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Wait, at most until asked to stop; True when that was so."""
        return self._asked.wait(seconds)

    @contextlib.contextmanager
    def group(self, number: int) -> Iterator[None]:
        """While inside, a process group runs."""
        self._groups.add(number)
        try:
            yield
        finally:
            self._groups.discard(number)

    def kill(self) -> None:
        """End every process that still runs, at once."""
        for number in list(self._groups):
            send(number, signal.SIGKILL)


def send(group: int, what: signal.Signals) -> None:
    """Send a signal to a process group, if there is still one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, what)
