"""The service as a whole: its settings, and what its routes share."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request

from iacengine.modules.wire import LARGEST_PACKAGE
from iacengine.registry.answers import new_answers
from iacengine.registry.auth import Authenticator
from iacengine.registry.blobs import Blobs
from iacengine.registry.limits import Buckets
from iacengine.registry.metrics import Metrics
from iacengine.registry.publishing import ABANDONED, remove_stranded
from iacengine.registry.store.opening import Store
from iacengine.registry.store.standing import count_downloads
from iacengine.registry.tickets import Tickets
from iacengine.registry.warming import Warming, new_modules

T = TypeVar("T")

# Threads at once. With a few for other things they have a connection to the database each: see `open_store`.
_THREADS = {"reading": min(16, max(4, 2 * (os.cpu_count() or 1))), "waiting": 12, "computing": 2}
_TOLD = 60.0  # seconds after which what answers in memory say of downloads is old


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How the service behaves. Sizes are in bytes, times in seconds, rates in requests a second (0: no limit).

    `folder`: where uploads are kept meanwhile. `hosts`: the names under which clients know this registry. `open`: all
    may read; without it, reading takes a token. `silence`: how long a client may send, or take, nothing. `memory`:
    room for what is kept of the database.
    """

    folder: Path
    hosts: frozenset[str] = frozenset()
    open: bool = True
    largest_package: int = LARGEST_PACKAGE
    rate: float = 300.0
    burst: float = 1000.0
    silence: float = 15.0
    upload_time: float = 300.0
    memory: int = 256 << 20


@dataclass(slots=True)
class Readiness:
    """What was found when somebody last looked, and until when (`time.monotonic`) nobody needs to look again."""

    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    parts: dict[str, str] = field(default_factory=dict)
    until: float = 0.0


class Service:
    """What the routes share; `request.app.state.service`."""

    def __init__(self, settings: ServiceSettings, store: Store, blobs: Blobs) -> None:
        self.settings, self.store, self.blobs = settings, store, blobs
        self.answers = new_answers(settings.memory // 4)
        self.modules = new_modules(settings.memory * 3 // 4)
        self.warming = Warming(store, self.modules)
        self.authenticator = Authenticator(store)
        self.buckets = Buckets(settings.rate, settings.burst)
        self.metrics = Metrics(self.answers, self.modules)
        self.tickets = Tickets(store)
        self.readiness = Readiness()
        self._downloads: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self._counting = threading.Lock()
        self._untold, self._told = False, time.monotonic()
        self._limiters: dict[str, anyio.CapacityLimiter] = {}

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, done in a thread, for what reads a little of the database. There are few of them: more
        would only make each other wait for the processors."""
        return await self._run(work, "reading")

    async def run_slow(self, work: Callable[[], T]) -> T:
        """As `run`, for what may wait for locks of the database, for disks, or for a bucket."""
        return await self._run(work, "waiting")

    async def run_change(self, work: Callable[[], T], subject: str) -> T:
        """As `run_slow`, for what changes a subject: what was kept of that is forgotten before this returns."""

        def done() -> T:
            found = work()
            self.changed(subject)
            return found

        return await self.run_slow(done)

    async def run_heavy(self, work: Callable[[], T]) -> T:
        """As `run`, for what takes a processor for a while: two at a time, so that the rest goes on."""
        return await self._run(work, "computing")

    async def _run(self, work: Callable[[], T], kind: str) -> T:
        limiter = self._limiters.get(kind)
        if limiter is None:  # they are made where a loop runs
            limiter = self._limiters[kind] = anyio.CapacityLimiter(_THREADS[kind])
        return await anyio.to_thread.run_sync(work, limiter=limiter)

    def changed(self, subject: str) -> None:
        """Forget what depended on a subject; at once, while other processes are told by the database."""
        self.answers.changed(subject)
        self.modules.changed(subject)
        self.warming.again(subject)  # the database may have told it before, and what was read then is forgotten now

    def count_download(self, module: int, version: int) -> None:
        """Count a download; it is written down within seconds."""
        with self._counting:
            self._downloads[0][module] += 1
            self._downloads[1][version] += 1

    def write_down(self, now: float | None = None) -> None:
        """Write down downloads and the use of tokens. Raises DatabaseError. `now`: in place of `time.monotonic`."""
        with self._counting:
            modules, versions = self._downloads
            self._downloads = (Counter(), Counter())
        try:
            if modules:
                self.store.write(lambda connection: count_downloads(connection, modules, versions), "count downloads")
                self._untold = True
        except BaseException:
            with self._counting:
                self._downloads[0].update(modules)
                self._downloads[1].update(versions)
            raise
        # Seldom, since whoever hears of it forgets pages and searches.
        if self._untold and (now or time.monotonic()) - self._told >= _TOLD:
            self.store.write(lambda connection: None, "tell of downloads", "downloads")
            self._untold, self._told = False, time.monotonic()
        self.authenticator.write_uses()

    def tidy(self, age: float = ABANDONED) -> None:
        """Remove what publications left that were cut off so many seconds ago. Raises DiagnosticsError."""
        remove_stranded(self.store, self.blobs, age)
        self.blobs.remove_cut_off(age)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.service
    return found
