"""Holding the state of a stack: its lock, and the providers of the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iacengine.engine.model import DEFAULT_PARALLELISM, Engine, Session
from iacengine.engine.opening import inner_backend, require_unmoved
from iacengine.engine.surroundings import new_providers
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.state.backends.base import StateLock
from iacengine.state.lock import lock_claim
from iacengine.state.spool import spool_of


@contextmanager
def session(
    engine: Engine,
    command: str,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
    lock: bool = True,
    lock_timeout: float = 0.0,
    applies: bool = True,
    run: str = "",
    warn: Callable[[Diagnostic], None] = lambda _: None,
) -> Iterator[Session]:
    """Take the lock, and release it and the providers in the end. Raises LockHeldError when somebody else has it.

    A session that `applies` is recorded from start to end, another one only when it has something to settle. `run` is
    the id of the record ("": one is made up); `warn` is told when the record cannot be written.
    """
    require_unmoved(engine)
    held = engine.backend.lock(lock_claim(command), lock_timeout) if lock else None
    try:
        if held is not None and engine.placement is not None:
            engine.placement.remember(inner_backend(engine.backend))
        if held is not None:
            _take_up(engine, held, warn)
        providers = new_providers(engine, parallelism)
        try:
            if held is None:
                yield Session(None, providers, applies)
                return
            from iacengine.apply.record import RunRecorder, recording  # lazy: verbs that only read need none of it

            with recording(RunRecorder(engine.backend, held.info, command, warn, run=run)) as recorder:
                if applies:
                    recorder.start()
                yield Session(held, providers, applies, recorder)
        finally:
            providers.close()
    finally:
        if held is not None:
            held.release()


def _take_up(engine: Engine, held: StateLock, warn: Callable[[Diagnostic], None]) -> None:
    """Append to the journal what earlier runs on this machine could not write."""
    spool = spool_of(str(engine.configuration.directory), os.environ)
    if any(map(os.path.isdir, spool.folders)):
        spool.push(engine.backend, held, warn)
