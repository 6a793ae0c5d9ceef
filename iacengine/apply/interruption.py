"""Ctrl-C while steps run: told to the run at any moment, instead of tearing it up in the middle of something."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeding_interrupts(interrupt: Callable[[], None]) -> Iterator[None]:
    """While inside, SIGINT calls `interrupt` in the main thread, between any two of its instructions.

    Only where Python's own handler would have raised KeyboardInterrupt: a program's handler stays, and in other
    threads than the main one nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
