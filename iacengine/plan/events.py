"""What planning and applying report while they run. A listener is called from one thread at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iacengine.addresses import ResourceInstance
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.state.journal_entries import Operation
from iacengine.state.model import Deposed, ResourceObject


@dataclass(frozen=True, slots=True, eq=False)
class RefreshStarted:
    """Objects of one type are about to be looked up again; `total` of them. `objects` are those, as stored."""

    provider: str
    type: str
    total: int
    objects: Sequence[ResourceObject] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RefreshFinished:
    """Objects of one type have been looked up again."""

    provider: str
    type: str
    total: int
    objects: Sequence[ResourceObject] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ReadStarted:
    """One object is being looked up while planning: a data source, or what is imported."""

    address: ResourceInstance
    id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReadFinished:
    """That object has been looked up."""

    address: ResourceInstance
    elapsed: float
    id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StepStarted:
    """A side effect begins. `id` is the object's id where it is known."""

    step: int
    operation: Operation
    address: ResourceInstance
    deposed: Deposed = ""
    id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StepRetrying:
    """A side effect failed with what may pass, `because` of it, and is tried again in `wait` seconds.

    `attempt`: which try that is, counted from 1; `attempts`: how many there are at most, None where nobody counts.
    """

    step: int
    operation: Operation
    address: ResourceInstance
    wait: float
    because: str
    attempt: int
    attempts: int | None = None
    deposed: Deposed = ""


@dataclass(frozen=True, slots=True, eq=False)
class StepFinished:
    """A side effect is done after `elapsed` seconds."""

    step: int
    operation: Operation
    address: ResourceInstance
    elapsed: float
    deposed: Deposed = ""
    id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StepFailed:
    """A side effect failed after `elapsed` seconds."""

    step: int
    operation: Operation
    address: ResourceInstance
    elapsed: float
    diagnostics: tuple[Diagnostic, ...]
    deposed: Deposed = ""


@dataclass(frozen=True, slots=True, eq=False)
class StepSkipped:
    """Not done, because something it awaits failed, or its change turned out to be none."""

    step: int
    operation: Operation
    address: ResourceInstance
    because: str


@dataclass(frozen=True, slots=True, eq=False)
class ProvisionStarted:
    """A provisioner of a type begins to run, after the create or before the delete of a step."""

    step: int
    address: ResourceInstance
    provisioner: str


@dataclass(frozen=True, slots=True, eq=False)
class ProvisionOutput:
    """A provisioner printed a line."""

    step: int
    address: ResourceInstance
    provisioner: str
    line: str


@dataclass(frozen=True, slots=True, eq=False)
class ProvisionFinished:
    """A provisioner came to its end, well or not."""

    step: int
    address: ResourceInstance
    provisioner: str
    failed: bool


@dataclass(frozen=True, slots=True, eq=False)
class EphemeralStarted:
    """An ephemeral resource is about to be opened or closed: `action` is open or close."""

    address: ResourceInstance
    action: str


@dataclass(frozen=True, slots=True, eq=False)
class EphemeralFinished:
    """An ephemeral resource was opened or closed after `elapsed` seconds, or could not be."""

    address: ResourceInstance
    action: str
    elapsed: float
    failed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """An interrupted operation of an earlier run was settled: adopted, completed, or found never to have happened."""

    operation: Operation
    address: ResourceInstance
    outcome: str


@dataclass(frozen=True, slots=True, eq=False)
class RollbackStarted:
    """What a run has done is about to be undone, in `total` steps; `run` is its id."""

    run: str
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class RollbackFinished:
    """What a run had done is undone, or (`left`) not wholly: these objects are not what they were.

    `renamed`: those that were made again under another id.
    """

    run: str
    left: tuple[ResourceInstance, ...] = ()
    renamed: tuple[ResourceInstance, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Warned:
    """Something to tell the user while the run goes on."""

    diagnostic: Diagnostic


Provisioned = ProvisionStarted | ProvisionOutput | ProvisionFinished
Event = (
    RefreshStarted
    | RefreshFinished
    | ReadStarted
    | ReadFinished
    | StepStarted
    | StepRetrying
    | StepFinished
    | StepFailed
    | StepSkipped
    | Provisioned
    | EphemeralStarted
    | EphemeralFinished
    | Recovered
    | RollbackStarted
    | RollbackFinished
    | Warned
)
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that hears nothing."""
