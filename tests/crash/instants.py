"""The instants of a command at which it may be killed: before and after everything that changes the world.

That is every call of a provider that makes, changes, deletes or looks for something, every flush of the journal, every
write of the state, and every end of a journal. They are counted from 1; `KILL_AT` says at which the process is killed
with SIGKILL, `INSTANTS` names a file that gets the name of every instant that was passed, a line each.

`BREAK_AT` says from which append to the journal on nothing can be written to the backend any more, `BREAK_AFTER` the
same for appends that are done, and whose answer is lost.

`PAUSES`: seconds of each pause while reads are waited for.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from iacengine.apply import presence
from iacengine.foundation.diagnostics import failure
from iacengine.state.encryption.backend import SealedBackend
from iacengine_mock.provider import MockProvider

_CALLS = (
    (MockProvider, ("apply", "find", "read")),
    (SealedBackend, ("append", "write", "clear_journal")),
)


class Instants:
    """Counts them, over all threads."""

    def __init__(self, kill_at: int, path: str) -> None:
        self._kill_at = kill_at
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if path else None
        self._count = 0
        self._mutex = threading.Lock()

    def come(self, name: str) -> None:
        with self._mutex:
            self._count += 1
            if self._file is not None:
                os.write(self._file, f"{name}\n".encode())
            if self._count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # the signal may reach another thread first


class Breaking:
    """A backend that breaks for good."""

    def __init__(self, at: int, *, after: bool) -> None:
        self._at, self._after, self._appends = at, after, 0

    def append(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def append(*arguments: Any) -> None:
            self._appends += 1
            if self._appends < self._at or (self._after and self._appends == self._at):
                call(*arguments)
            self._require_sound()

        return append

    def other(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def other(*arguments: Any) -> Any:
            self._require_sound()
            return call(*arguments)

        return other

    def _require_sound(self) -> None:
        if self._appends >= self._at:
            raise failure("The backend is gone", "It does not answer.")


def arm(environment: dict[str, str]) -> None:
    """Count the instants of this process, as its environment says; nothing without it."""
    if "PAUSES" in environment:
        presence._PAUSES = (float(environment["PAUSES"]),) * len(presence._PAUSES)
    for name in ("BREAK_AT", "BREAK_AFTER"):
        if name in environment:
            breaking = Breaking(int(environment[name]), after=name == "BREAK_AFTER")
            SealedBackend.append = breaking.append(SealedBackend.append)  # type: ignore[method-assign]
            for other in ("write", "clear_journal", "read", "read_journal", "record_run"):
                setattr(SealedBackend, other, breaking.other(getattr(SealedBackend, other)))
    if "KILL_AT" not in environment and "INSTANTS" not in environment:
        return
    instants = Instants(int(environment.get("KILL_AT", "0")), environment.get("INSTANTS", ""))
    for owner, names in _CALLS:
        for name in names:
            setattr(owner, name, _watched(getattr(owner, name), f"{owner.__name__}.{name}", instants))


def _watched(call: Callable[..., Any], name: str, instants: Instants) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        instants.come(f"before {name}")
        answer = call(*arguments, **named)
        instants.come(f"after {name}")
        return answer

    return watched
