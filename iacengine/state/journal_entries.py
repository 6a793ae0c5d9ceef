"""The entries of the journal: what an apply writes down before and after each of its side effects.

`begun` is durable before the provider is called, `succeeded` or `failed` follows; the rest frames a run. Replaying
them over the state that `opened` names gives the state as it is now (`iacengine.state.replay`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from iacengine.addresses import ResourceInstance
from iacengine.state.model import CheckResult, Deposed, ObjectKey, OutputState, ResourceObject


class Operation(Enum):
    """A side effect on one object."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    FORGET = "forget"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A run starts: binds every entry that follows to the state it changes. `serial` is that of the state before.

    `encryption`: as in `State`, for what is sealed in the entries that follow. `on_failure`: what is to be done when
    the run does not come to its end. `settles`: when it does, nothing is left to be undone of runs before.
    """

    run: str
    lineage: str
    serial: int
    fencing_token: int
    command: str
    time: str
    encryption: Mapping[str, Any] | None = None
    on_failure: str = "pause"
    settles: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A provider is about to be called. `prior`: the object as it was before (None for create).

    `planned` is the object as planned, in stored form, unknown parts null; it tells recovery what was meant.
    `commits`: the deletion belongs to the commit phase, from which there is no way back.
    """

    step: int
    operation: Operation
    address: ResourceInstance
    deposed: Deposed
    token: str
    provider: str
    prior: ResourceObject | None = None
    planned: ResourceObject | None = None
    commits: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Succeeded:
    """The operation of this step is done. `changes`: the objects to put into state, or to take out (None)."""

    step: int
    changes: Mapping[ObjectKey, ResourceObject | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The operation of this step failed. `changes`: what is there all the same (a half-made object, tainted)."""

    step: int
    error: str
    changes: Mapping[ObjectKey, ResourceObject | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """State changes without a provider call: moves, refreshed objects, forgotten objects, outputs, check results.

    `prepares`: what planning had found out, before the first step; `moves` (from, to) among that.
    """

    changes: Mapping[ObjectKey, ResourceObject | None] = field(default_factory=dict)
    outputs: Mapping[str, OutputState] | None = None
    checks: tuple[CheckResult, ...] | None = None
    prepares: bool = False
    moves: tuple[tuple[ResourceInstance, ResourceInstance], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """The run ended: `outcome` is complete, failed or interrupted. The state that results is written next."""

    outcome: str


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """Another entry, encrypted as a whole. Opened before anybody but a backend sees it."""

    text: str


JournalEntry = Opened | Begun | Succeeded | Failed | Changed | Closed | Sealed
