"""Wiring only: from a path to a configuration, its backend and providers; from those to plans and applies.

This is what the command line and the Python API call. Every function raises DiagnosticsError for what a user can mend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iacengine.apply.outcome import Outcome
from iacengine.config.model import Configuration
from iacengine.graph.dag import DependencyGraph
from iacengine.lang.values import Value
from iacengine.plan.events import Listener, ignore
from iacengine.plan.model import Plan, PlanMode
from iacengine.state.backends.base import Backend
from iacengine.state.model import State

DEFAULT_PARALLELISM = 32


@dataclass(frozen=True, slots=True)
class VariableSources:
    """Where the root module's variables come from beside the automatic files and the environment.

    `assignments`: `NAME=VALUE` texts of `--var`; `files` of `--var-file`, both in order. `values`: given by a program.
    """

    assignments: Sequence[str] = ()
    files: Sequence[str] = ()
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
    lock: bool = True
    lock_timeout: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """One stack: its configuration, and where its state is."""

    configuration: Configuration
    backend: Backend


def open_stack(path: str = ".", *, state_path: str | None = None) -> Engine:
    """Load a stack (a directory or one file) and find its state."""
    raise NotImplementedError


def validate(engine: Engine) -> None:
    """Check the configuration against the schemas of its providers. Raises with every error found."""
    raise NotImplementedError


def plan(engine: Engine, options: PlanOptions, variables: VariableSources, listener: Listener = ignore) -> Plan:
    """Plan under the lock, after replaying what an interrupted run left."""
    raise NotImplementedError


def apply(
    engine: Engine,
    plan: Plan,
    *,
    parallelism: int = DEFAULT_PARALLELISM,
    lock_timeout: float = 0.0,
    listener: Listener = ignore,
) -> Outcome:
    """Apply a plan under the lock. Raises when the plan is stale; failures of steps are in the outcome."""
    raise NotImplementedError


def save_plan(plan: Plan, path: str) -> None:
    """Write a plan file (mode 0600)."""
    raise NotImplementedError


def load_plan(path: str) -> Plan:
    """Read a plan file. Raises when it is none, is damaged, or was made by an incompatible version."""
    raise NotImplementedError


def read_state(engine: Engine) -> State | None:
    """The state as it is now, the journal of an interrupted run replayed (in memory)."""
    raise NotImplementedError


def dependency_graph(engine: Engine) -> DependencyGraph:
    raise NotImplementedError


def evaluate_outputs(state: State) -> dict[str, Value]:
    """The root outputs of a state as values, sensitive ones marked."""
    raise NotImplementedError
