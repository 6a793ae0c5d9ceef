"""What the engine is asked with: a stack that was opened, options, a hold of its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iacengine.config.model import Configuration
from iacengine.config.variables import VariableOption
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.plan.model import PlanMode
from iacengine.provider.instances import Providers
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.backends.placement import Placement

if TYPE_CHECKING:
    from iacengine.apply.record import RunRecorder

DEFAULT_PARALLELISM = 32
DEFAULT_ON_FAILURE = "rollback"


@dataclass(frozen=True, slots=True)
class VariableSources:
    """Where the root module's variables come from beside the automatic files and the environment.

    From the weakest to the strongest: `files` and `assignments` (`NAME=VALUE`), each in order; `options`, which mixes
    both as a command line does; `values`, given by a program.
    """

    assignments: Sequence[str] = ()
    files: Sequence[str] = ()
    options: Sequence[VariableOption] = ()
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How to plan. `targets`, `excludes`, `replace` are addresses as written; `lock_timeout` is in seconds."""

    mode: PlanMode = PlanMode.NORMAL
    targets: Sequence[str] = ()
    excludes: Sequence[str] = ()
    replace: Sequence[str] = ()
    refresh: bool = True
    parallelism: int = DEFAULT_PARALLELISM
    on_failure: str | None = None
    allow_deferral: bool = False
    lock: bool = True
    lock_timeout: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """One stack: its configuration, where its state is, what it was loaded from, and the warnings of loading it."""

    configuration: Configuration
    backend: Backend
    path: str = "."
    warnings: tuple[Diagnostic, ...] = ()
    placement: Placement | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One hold of the state: its lock (None: not locked) and the providers of the run, from plan to apply.

    `applies`: real things may be changed under it.
    `recorder` keeps the record of the run; there is one when there is a lock.
    """

    lock: StateLock | None
    providers: Providers
    applies: bool = False
    recorder: RunRecorder | None = None


def on_failure_of(engine: Engine, options: PlanOptions) -> str:
    """What is to be done when a step fails: as asked, else as the stack says."""
    return options.on_failure or engine.configuration.root.settings.on_failure or DEFAULT_ON_FAILURE
