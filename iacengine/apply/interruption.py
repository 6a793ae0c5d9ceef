"""Ctrl-C and termination while steps run: told to the run, instead of tearing it up in the middle of something."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeding_interrupts(interrupt: Callable[[], None]) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM call `interrupt` in the main thread, between any two of its instructions.

    Only where a signal would have ended the process, by KeyboardInterrupt or at once: a program's own handlers stay,
    and in other threads than the main one nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ending = {number: old for number, old in before.items() if old in (signal.default_int_handler, signal.SIG_DFL)}

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt()

    try:
        for number in ending:
            signal.signal(number, handle)
        yield
    finally:
        for number, old in ending.items():
            signal.signal(number, old)
