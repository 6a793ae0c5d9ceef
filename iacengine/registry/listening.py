"""Hearing of changes that any process of the service makes, and forgetting what is no longer true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from iacengine.foundation.database import DatabaseError
from iacengine.registry.memory import Memory
from iacengine.registry.store.opening import Store

_RESTING = 1.0  # seconds before the channel is opened again
_SILENCE = 5.0  # seconds after which one asks whether the channel is still there
_PATIENCE = 15.0  # seconds that a sign of life counts: a connection may hang and say nothing of it

log = structlog.get_logger("iacengine.registry")


class Listener:
    """A thread that hears of changes. `told` is told the subject of each, or "" when anything may have changed."""

    def __init__(self, store: Store, memories: Sequence[Memory[Any]], told: Callable[[str], None]) -> None:
        self._store, self._memories, self._told = store, memories, told
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="registry-changes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It ends with the next silence at the latest; being a daemon, it holds up nobody."""
        self._stopping.set()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                hearing = False
                for subject in self._store.database.notifications(self._store.channel, _SILENCE):
                    self._hear(_PATIENCE)
                    if not hearing:
                        hearing = True
                        self._told("")
                    if subject is not None:
                        for memory in self._memories:
                            memory.changed(subject)
                        self._told(subject)
                    if self._stopping.is_set():
                        return
            except DatabaseError:
                pass  # it restarts; requests tell of it
            except Exception:
                log.exception("changes are not heard")  # a defect, and no reason to hear nothing ever after
            finally:
                self._hear(0.0)
            self._stopping.wait(_RESTING)

    def _hear(self, seconds: float) -> None:
        for memory in self._memories:
            memory.hear(seconds)
