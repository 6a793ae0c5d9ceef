"""A download on a terminal: one line that is redrawn, with a bar where the size is known."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from iacengine.cli.views.cells import cells

_BAR: Final = 24
_PAUSE: Final = 0.1
"""Seconds between two drawings."""


class DownloadLine:
    """Told of downloads from any thread; draws on standard error, and only what lasts longer than a moment."""

    def __init__(
        self,
        write: Callable[[str], object] = lambda text: (sys.stderr.write(text), sys.stderr.flush()),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._clock = write, clock
        self._mutex = threading.Lock()
        self._next = clock() + 3 * _PAUSE
        self._width = 0

    def __call__(self, name: str, done: int, whole: int | None) -> None:
        with self._mutex:
            now = self._clock()
            is_whole = whole is not None and done >= whole
            if is_whole and self._width:
                self._write("\r" + " " * self._width + "\r")
                self._width = 0
            elif not is_whole and now >= self._next:
                self._next = now + _PAUSE
                text = download_text(name, done, whole)
                self._write("\r" + text + " " * max(self._width - cells(text), 0))
                self._width = cells(text)


def download_text(name: str, done: int, whole: int | None) -> str:
    """`Getting acme/network/aws 1.2.0  ━━━━━━━━━━━━            1.2 of 2.4 MB`."""
    if not whole:
        return f"Getting {name}  {_size(done)}" if done else f"Getting {name} …"
    filled = min(done * _BAR // whole, _BAR)
    return f"Getting {name}  {'━' * filled}{' ' * (_BAR - filled)}  {_size(done)} of {_size(whole)}"


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e6:.1f} MB" if bytes_ >= 100_000 else f"{bytes_ / 1000:.1f} kB"
