"""The plan: every change, and the graph of steps that makes them.

Values in changes are those of `iacengine.lang.values`: `Unknown` where only apply will tell, `Marked` where sensitive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from iacengine.addresses import InstanceKey, ModuleInstance, ResourceInstance
from iacengine.config.model import Configuration
from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.values import Value
from iacengine.schema import Path
from iacengine.state.journal_entries import Operation
from iacengine.state.model import CheckResult, Deposed, ObjectKey, ResourceObject, State


class PlanMode(Enum):
    NORMAL = "normal"
    DESTROY = "destroy"
    REFRESH_ONLY = "refresh-only"
    ROLLBACK = "rollback"
    """Back to an earlier state, from what is stored alone."""


class Action(Enum):
    """What happens to one object. The value is its symbolic name; `operations` what it does in which order."""

    NO_OP = "no-op"
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    """Delete, then create."""
    CREATE_THEN_DELETE = "create-then-delete"
    """Replace with `create_before_destroy`."""
    FORGET = "forget"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python

    @property
    def operations(self) -> tuple[str, ...]:
        """As in Terraform's plan JSON: `["delete", "create"]` for a replacement."""
        return _OPERATIONS.get(self, (self.value,))

    @property
    def is_replace(self) -> bool:
        return self is Action.REPLACE or self is Action.CREATE_THEN_DELETE


_OPERATIONS = {Action.REPLACE: ("delete", "create"), Action.CREATE_THEN_DELETE: ("create", "delete")}


class Reason(Enum):
    """Why an action was chosen; the values are those of `action_reason` in Terraform's plan JSON."""

    REPLACE_BECAUSE_CANNOT_UPDATE = "replace_because_cannot_update"
    REPLACE_BECAUSE_TAINTED = "replace_because_tainted"
    REPLACE_BY_REQUEST = "replace_by_request"
    REPLACE_BY_TRIGGERS = "replace_by_triggers"
    DELETE_BECAUSE_NO_RESOURCE_CONFIG = "delete_because_no_resource_config"
    DELETE_BECAUSE_NO_MODULE = "delete_because_no_module"
    DELETE_BECAUSE_WRONG_REPETITION = "delete_because_wrong_repetition"
    DELETE_BECAUSE_COUNT_INDEX = "delete_because_count_index"
    DELETE_BECAUSE_EACH_KEY = "delete_because_each_key"
    DELETE_BECAUSE_NO_MOVE_TARGET = "delete_because_no_move_target"
    READ_BECAUSE_CONFIG_UNKNOWN = "read_because_config_unknown"
    READ_BECAUSE_DEPENDENCY_PENDING = "read_because_dependency_pending"
    READ_BECAUSE_CHECK_NESTED = "read_because_check_nested"


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What happens to one object.

    `before` and `after` are objects (dicts of values) or None. `prior` is the stored object before (refreshed), None
    on create. `config` is the evaluated body the change was planned from (None on delete). `body_unknown`: the body
    held unknown or ephemeral values, so apply evaluates it again. `dependencies`: blocks the body refers to, to be
    stored. `restores`: the object is made what it was, from what is stored of it and not from a configuration.
    `protected`: the object is to be protected from now on; it counts where the object stays or is made.
    """

    address: ResourceInstance
    provider: str
    action: Action
    before: Value
    after: Value
    reason: Reason | None = None
    deposed: Deposed = ""
    previous_address: ResourceInstance | None = None
    prior: ResourceObject | None = None
    config: Value = None
    body_unknown: bool = False
    replace_paths: tuple[Path, ...] = ()
    import_id: str | None = None
    generated: bool = False
    planned_private: bytes | None = None
    schema_version: int = 0
    dependencies: tuple[str, ...] = ()
    create_before_destroy: bool = False
    restores: ResourceObject | None = None
    protected: bool = False

    @property
    def changes_protection(self) -> bool:
        """True when an object that stays is protected from now on, or is not any more."""
        stays = self.action is Action.NO_OP or self.action is Action.UPDATE
        return stays and self.restores is None and self.prior is not None and self.prior.protected != self.protected

    @property
    def is_effect(self) -> bool:
        """True when something is done for it (a pure move or import with no change is not an effect)."""
        return self.action is not Action.NO_OP


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One side effect, or a gate. `change` indexes `Plan.changes`; `awaits` are indexes into `Plan.steps`.

    A gate (`operation` None) does nothing; it joins many awaited steps into one, so that the number of edges grows
    with the number of objects and not with its square. `commits`: the step belongs to the commit phase, which begins
    when all else has succeeded and from which there is no way back.
    """

    operation: Operation | None
    change: int
    awaits: tuple[int, ...] = ()
    commits: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OutputChange:
    """A root output: `action` is CREATE, UPDATE, DELETE or NO_OP. `before` and `after` are values, perhaps marked."""

    name: str
    action: Action
    before: Value
    after: Value
    sensitive: bool = False
    had_before: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ModuleExpansion:
    """The instances a module call has: `kind` is single, count or for_each."""

    kind: str
    keys: tuple[InstanceKey, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything an apply needs.

    `base_serial`: of the stored state the plan was made from (None: there was none). `prior_state` is that state
    after moves and refresh; `state_changes` is how it differs from the stored one (objects moved, refreshed, gone).
    `drift`: changes that happened outside. `variables`: values of the root module's variables. `modules`: how module
    calls expanded, by the calling module instance and name. `deferred`: blocks that are planned in a later wave, when
    what they need is known. `timestamp`: what `plantimestamp()` answers (RFC 3339).
    `ephemeral_variables`: which ephemeral variables were given a value; a plan file does not hold their values.
    `stack_path`: what the stack was opened with, kept in a plan file to find its state again; None before it is saved.
    `target`: the earlier state that a plan of mode ROLLBACK leads to.
    """

    configuration: Configuration
    mode: PlanMode
    lineage: str
    base_serial: int | None
    prior_state: State
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    outputs: Mapping[str, OutputChange] = field(default_factory=dict)
    drift: tuple[Change, ...] = ()
    state_changes: Mapping[ObjectKey, ResourceObject | None] = field(default_factory=dict)
    variables: Mapping[str, Value] = field(default_factory=dict)
    modules: Mapping[tuple[ModuleInstance, str], ModuleExpansion] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    on_failure: str = "pause"
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    relevant_attributes: tuple[tuple[str, Path], ...] = ()
    deferred: tuple[str, ...] = ()
    timestamp: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    ephemeral_variables: tuple[str, ...] = ()
    stack_path: str | None = None
    target: State | None = None
    undoes_rollback: bool = False

    @property
    def applyable(self) -> bool:
        """True when applying it would do or record anything."""
        if self.mode is PlanMode.REFRESH_ONLY:
            # A move alone, or what a data source says, is recorded by the next ordinary run, as in Terraform.
            return any(change.action is not Action.NO_OP for change in self.drift) or any(
                output.action in (Action.CREATE, Action.UPDATE) for output in self.outputs.values()
            )
        if self.mode is PlanMode.ROLLBACK and self.state_changes:
            return True  # what was forgotten or moved since is taken up again
        if self.prior_state.pending_rollback is not None:
            return True  # that all is as it is wanted settles what an earlier run left
        return any(
            change.is_effect or change.previous_address or change.import_id or change.changes_protection
            for change in self.changes
        ) or any(change.action is not Action.NO_OP for change in self.outputs.values())

    @property
    def settles_rollback(self) -> bool:
        """True when nothing is left to be undone after it, although an earlier run left something: it leads the whole
        stack to what is wanted now, or back."""
        if self.prior_state.pending_rollback is None or self.mode is PlanMode.REFRESH_ONLY:
            return False
        return not (self.targets or self.excludes)

    def counts(self) -> ChangeCounts:
        """How many objects the plan creates, updates, deletes, imports, forgets (a replacement counts twice)."""
        add = change_ = remove = imported = forget = 0
        for change in self.changes:
            operations = change.action.operations
            if change.address.resource.mode.value != "managed":
                continue
            add += "create" in operations
            change_ += "update" in operations
            remove += "delete" in operations
            forget += "forget" in operations
            imported += change.import_id is not None
        return ChangeCounts(add, change_, remove, imported, forget)


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """How many objects a plan or an apply adds, changes, destroys, imports and forgets."""

    add: int = 0
    change: int = 0
    remove: int = 0
    imported: int = 0
    forget: int = 0
