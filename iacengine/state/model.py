"""The state of a stack: what was made, as last known.

The state layer knows no schemas: the attributes of an object stay in their stored JSON form (the form of Terraform's
state files, version 4: numbers that fit as JSON numbers, sets as arrays, a `dynamic` attribute as
`{"value": …, "type": …}`), as decoded by orjson. `iacengine.schema.values` turns them into values and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iacengine.addresses import Mode, ResourceInstance
from iacengine.schema import Path

Deposed = str
"""The key of a deposed object: 8 hexadecimal digits. A current object has the key ""."""

ObjectKey = tuple[ResourceInstance, Deposed]


@dataclass(frozen=True, slots=True)
class Identity:
    """`token`: of the operation that created the object; `id`: what its provider calls it. An object that has neither
    is known by its place alone. `hidden`: the id is a secret, and is not written down."""

    address: ResourceInstance
    deposed: str
    provider: str
    token: str = ""
    id: str = ""
    hidden: bool = False

    @property
    def key(self) -> tuple[ResourceInstance, str]:
        return (self.address, self.deposed)


@dataclass(frozen=True, slots=True, eq=False)
class ResourceObject:
    """One object that was made (or, in mode data, read).

    `provider` is the text of a `ProviderReference`. `dependencies` are the resource blocks (texts of `ConfigResource`)
    that its configuration referred to, directly, when it was last applied. `tainted`: half made, replace it next time.
    `protected`: refuse to delete it even when its block is gone. `deposed`: "" for the current object; the key of one
    that was replaced and still awaits its deletion. `token`: of the operation that created it.
    """

    address: ResourceInstance
    provider: str
    attributes: Mapping[str, Any]
    schema_version: int = 0
    sensitive_paths: tuple[Path, ...] = ()
    private: bytes | None = None
    dependencies: tuple[str, ...] = ()
    tainted: bool = False
    create_before_destroy: bool = False
    protected: bool = False
    deposed: Deposed = ""
    token: str | None = None

    @property
    def key(self) -> ObjectKey:
        return (self.address, self.deposed)

    @property
    def identity(self) -> Identity:
        """What it is known by: what is only read by its place, what is made by more than that."""
        if self.address.resource.mode is Mode.DATA:
            return Identity(self.address, self.deposed, self.provider)
        id_ = self.attributes.get("id")
        id_ = id_ if isinstance(id_, str) else ""
        hidden = bool(id_) and ("id",) in self.sensitive_paths
        return Identity(self.address, self.deposed, self.provider, self.token or "", id_, hidden)

    def moved_to(self, address: ResourceInstance) -> ResourceObject:
        return replace(self, address=address)


@dataclass(frozen=True, slots=True, eq=False)
class OutputState:
    """A root output: its value as plain JSON data (exact numbers as in attributes) and its type in JSON notation."""

    value: Any
    type: Any
    sensitive: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CheckResult:
    """The results of the conditions of one checkable object: `kind` is resource, output_value, check or var.

    `status` is pass, fail, error or unknown.
    """

    kind: str
    address: str
    status: str
    config_address: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PendingChange:
    """What is to become of an object, wherever it is: of `there` (None: it is gone) `wanted` (None: nothing).

    `destroyed`: the run has destroyed the object; `there` is what it made in its place, if anything. Else an object
    that is gone may only have been forgotten.
    """

    there: Identity | None
    wanted: ResourceObject | None
    destroyed: bool = False

    @property
    def address(self) -> ResourceInstance:
        found = self.wanted if self.wanted is not None else self.there
        assert found is not None, "a change is of something"
        return found.address


@dataclass(frozen=True, slots=True, eq=False)
class PendingRollback:
    """A run that failed, or was cut off, and is still to be undone.

    `changes` lead from the state that this stands in back to the one before the run, as planning had found it, with
    `outputs` and `checks` as they were: all that is needed, however few earlier versions are kept. `run` is its id,
    `serial` that of the state before it (None: there was none). `paused`: it was tried and failed, so that it is tried
    again only when somebody asks for it. `taken_up`: what the run did not make, but imported or found again; that is
    forgotten at the end, and never destroyed.
    """

    run: str
    serial: int | None
    changes: tuple[PendingChange, ...] = ()
    outputs: Mapping[str, OutputState] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    paused: bool = False
    taken_up: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that is remembered of a stack. `serial` grows by one with every write; `lineage` never changes.

    `objects` is keyed by address and deposed key and never changed in place; `with_objects` gives a changed copy.
    `encryption` says how what is sealed was sealed (JSON data; None: nothing is). `sealed`: the rest of the state,
    encrypted as a whole, which then stands nowhere else; it and the sealed values inside objects are opened before
    anybody but a backend sees the state. `moved_to`: where the state was moved to; what is left here is only this sign.
    """

    lineage: str
    serial: int = 0
    objects: Mapping[ObjectKey, ResourceObject] = field(default_factory=dict)
    outputs: Mapping[str, OutputState] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    engine_version: str = ""
    encryption: Mapping[str, Any] | None = None
    sealed: str | None = None
    pending_rollback: PendingRollback | None = None
    moved_to: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.objects and not self.outputs

    def current(self, address: ResourceInstance) -> ResourceObject | None:
        """The current (not deposed) object at an address."""
        return self.objects.get((address, ""))

    def with_objects(self, changes: Mapping[ObjectKey, ResourceObject | None]) -> State:
        """The state with objects put in (or taken out, where the change is None). Costs one copy of the table."""
        objects = dict(self.objects)
        for key, changed in changes.items():
            if changed is None:
                objects.pop(key, None)
            else:
                objects[key] = changed
        return replace(self, objects=objects)
