"""Knowing what is asked for most before it is asked for: the versions of modules, and where their packages are. So a
client that asks for a module that nobody has asked for yet waits for no database.

It is kept apart from other answers, so that a crawler's searches do not push it out.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from iacengine.foundation.database import DatabaseError
from iacengine.modules.wire import API, encode
from iacengine.registry.answers import Kept, kept_json
from iacengine.registry.memory import Memory
from iacengine.registry.store.modules import StoredPackage, known_modules, most_used
from iacengine.registry.store.opening import Store

VERSIONS_ROUTE = f"{API}/modules/{{namespace}}/{{name}}/{{system}}/versions"


@dataclass(frozen=True, slots=True)
class KnownModule:
    """The answer that lists the versions of a module, and its packages by version."""

    versions: Kept
    packages: Mapping[str, StoredPackage]

    @property
    def size(self) -> int:
        """Bytes, more or less."""
        return 1000 + len(self.versions.body) + 450 * len(self.packages)


KnownModules = Memory[KnownModule]
"""By the label of the module."""

_AT_ONCE = 50  # modules that are read in one transaction
_ENOUGH = 0.95  # of the room: the rest is for what is published meanwhile
_TRIES = 3  # of what is overtaken by a change while it is read
_PAUSE = 0.01  # seconds between two transactions, in which requests go on

log = structlog.get_logger("iacengine.registry")


def new_modules(room: int) -> KnownModules:
    """Room is in bytes."""
    return Memory(room, lambda known: known.size)


class Warming:
    """A thread that fills the memory of modules."""

    def __init__(self, store: Store, modules: KnownModules) -> None:
        self._store, self._modules = store, modules
        self._wanted: dict[str, None] = {}  # in the order in which they were asked for, each once
        self._waking = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-warming", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It ends with what it reads just now; being a daemon, it holds up nobody."""
        self._stopping.set()
        with self._waking:
            self._waking.notify()

    def again(self, subject: str) -> None:
        """Read a module anew that has changed; "": all of them."""
        if not subject or subject.count("/") == 2:  # no other subject is a module
            with self._waking:
                self._wanted[subject] = None
                self._waking.notify()

    def _run(self) -> None:
        while True:
            with self._waking:
                self._waking.wait_for(lambda: self._wanted or self._stopping.is_set())
                if self._stopping.is_set():
                    return
                subject = next(iter(self._wanted))
                del self._wanted[subject]
            if subject:
                self._try(self._warm, [subject])
            else:
                self._try(self._warm_all)

    def _warm_all(self) -> None:
        labels = self._store.read(most_used, "list the modules")
        for start in range(0, len(labels), _AT_ONCE):
            if self._stopping.is_set() or self._modules.fullness > _ENOUGH or not self._modules.begin().heard:
                break
            self._try(self._warm, labels[start : start + _AT_ONCE])  # one that fails is no end of all
            self._stopping.wait(_PAUSE)
        gc.freeze()  # it is large, and will stay: looking through it takes half a second, in which nobody is answered

    def _try(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except DatabaseError as problem:
            log.warning("not kept in memory", problem=str(problem))
        except Exception:
            log.exception("not kept in memory")  # a defect, and no reason to keep nothing ever after

    def _warm(self, labels: Sequence[str]) -> None:
        for _ in range(_TRIES):
            ticket = self._modules.begin()
            if not ticket.heard:
                return  # nothing would be kept
            found = self._store.read(lambda connection: known_modules(connection, labels), "read versions")
            kept = True
            for versions, packages in found:
                label = versions.address
                known = KnownModule(kept_json(encode(versions), VERSIONS_ROUTE), packages)
                kept &= self._modules.keep(label, known, ticket, label)
            if kept:
                return
