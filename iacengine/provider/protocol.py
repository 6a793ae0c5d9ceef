"""The one interface between the engine and whatever makes real things.

It carries all that Terraform's provider protocol carries (private bytes, planned private, replace paths, partial state
with an error, write-only values, ephemeral resources, functions), so that a plugin host is one more adapter, and it
lets a small adapter be small: derive from `ProviderBase`, describe the types in a `ProviderSchema`, and write `read`
and `apply`. The engine plans from the schema alone.

Values are those of `iacengine.lang.values`, conforming to the schema (`iacengine.schema`). Marks never reach a
provider. Unknown values reach only `configure`, `validate` and `plan`.

A provider is used by several threads at once: `read`, `read_data`, `apply`, `import_`, `find` and what opens,
renews and closes ephemeral resources must be thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.values import Value
from iacengine.provider.retry import RetryPolicy
from iacengine.schema import NO_SCHEMA, Path, Schema

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class ProviderSchema:
    """Everything a provider offers. The mappings may be lazy: `resources["aws_vpc"]` builds that schema alone.

    `functions` holds `iacengine.lang.functions.signature.Function`s by name: what `provider::NAME::FUNCTION` calls.
    `retries`: how patient to be with objects of a type, under "" with all others; what the engine tries again beside
    what the provider tries again by itself.
    """

    provider: Schema = NO_SCHEMA
    resources: Mapping[str, Schema] = field(default_factory=lambda: _EMPTY)
    data_sources: Mapping[str, Schema] = field(default_factory=lambda: _EMPTY)
    ephemeral_resources: Mapping[str, Schema] = field(default_factory=lambda: _EMPTY)
    functions: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    retries: Mapping[str, RetryPolicy] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, eq=False)
class ConfigureContext:
    """What a provider may want to know beside its configuration.

    `stack_directory`: the root module's folder, which relative paths in the configuration refer to.
    `parallelism`: how many operations the engine runs at once at most (connection pools follow it).
    """

    stack_directory: str = "."
    parallelism: int = 32


@dataclass(frozen=True, slots=True, eq=False)
class PlanRequest:
    """One object to plan. `prior` and `config` are None for absent: create has no prior, delete no config.

    `proposed` is the engine's merge of configuration and prior (Terraform's proposed new state).
    """

    type: str
    prior: Value
    config: Value
    proposed: Value
    private: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlanResponse:
    """The provider's answer: the planned object (with `Unknown` where apply will tell) and what forces replacement.

    `retryable` and `throttled` as in `ApplyResponse`.
    """

    planned: Value
    requires_replace: tuple[Path, ...] = ()
    private: bytes | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    legacy_type_system: bool = False
    retryable: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReadRequest:
    """One object to look up again. `state` is the object as last known; at least what identifies it is there."""

    type: str
    state: Value
    private: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReadResponse:
    """The object as it is now; `state` None when it is gone. With an error among the diagnostics, state is ignored.

    `retryable` and `throttled` as in `ApplyResponse`.
    """

    state: Value
    private: bytes | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    retryable: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ApplyRequest:
    """One change to make: create (`prior` None), update, or delete (`planned` None).

    `token` is unique to this operation and the same when the operation is tried again: pass it where the API takes one
    (client token, tag, deterministic name), so that `find` can tell whether it happened.
    `timeout`: seconds after which to give up and say what is there and what is left, from the object's block
    `timeouts`; None: as the provider thinks fit.
    """

    type: str
    prior: Value
    planned: Value
    config: Value
    token: str
    planned_private: bytes | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ApplyResponse:
    """What is there now. `state` None after a delete.

    On error, a state that is not None is kept: a create that failed half-way returns what exists (it becomes tainted);
    an update or delete that failed returns what is there, or None to keep the prior state.
    `retryable`: the error may pass when the same is tried again (a lost connection, a server that is not ready). With
    a create nothing was made, as far as the provider knows: before the next try it is asked to `find` it.
    `throttled`: the API asked for fewer calls, whether the operation came to a good end or not. The engine then makes
    fewer at once, and tries what failed again; nothing was done by it.
    """

    state: Value
    private: bytes | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    retryable: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ImportedObject:
    """An object found by its import id. It may be a stub: the engine reads it next."""

    type: str
    state: Value
    private: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OpenedEphemeral:
    """An ephemeral resource that was opened. `result` is the object with everything computed; it is never stored.

    `renew_at`: seconds since the epoch by which it has to be renewed, None when it stays valid for as long as it is
    open. `private` comes back with `renew_ephemeral` and `close_ephemeral`. With an error among the diagnostics nothing
    is open.
    """

    result: Value
    renew_at: float | None = None
    private: bytes | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RenewedEphemeral:
    """An ephemeral resource goes on being valid: until when, and what comes back with the next call."""

    renew_at: float | None = None
    private: bytes | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


class Provider(Protocol):
    """One configured (or not yet configured) provider. Errors that a user can cause come back as diagnostics; a raised
    exception is a defect of the provider, which the engine reports as such without losing state.

    `is_local`: every answer comes without I/O and at once, so that no thread is worth its while.
    """

    is_local: bool

    def schema(self) -> ProviderSchema:
        """What this provider offers. Needs no configuration and does no network I/O."""

    def validate_provider(self, config: Value) -> tuple[Diagnostic, ...]:
        """Check a provider configuration beyond the schema. Values may be unknown."""

    def configure(self, config: Value, context: ConfigureContext) -> tuple[Diagnostic, ...]:
        """Take the configuration. Called once before read, apply, import and find. Values may be unknown at plan."""

    def validate_resource(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        """Check one object's configuration beyond the schema. Values may be unknown."""

    def validate_data_source(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        """Check one data source's configuration beyond the schema. Values may be unknown."""

    def plan(self, requests: Sequence[PlanRequest]) -> Sequence[PlanResponse]:
        """Plan many objects, one answer each in the same order. `ProviderBase` answers from the schema."""

    def read(self, requests: Sequence[ReadRequest]) -> Sequence[ReadResponse]:
        """Look up many objects again, one answer each in the same order; batched into list calls where the API can."""

    def read_data(self, type_: str, config: Value) -> ReadResponse:
        """Read a data source with a wholly known configuration."""

    def apply(self, request: ApplyRequest) -> ApplyResponse:
        """Make one change and wait until it is done."""

    def import_(self, type_: str, id_: str) -> tuple[Sequence[ImportedObject], tuple[Diagnostic, ...]]:
        """Find existing objects by import id."""

    def find(self, type_: str, token: str) -> ReadResponse:
        """The object that the create operation with this token made; state None when it made none.

        A warning beside the None says that nobody can tell (`iacengine.provider.base.cannot_tell`), so the user looks.
        """

    def validate_ephemeral(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        """Check one ephemeral resource's configuration beyond the schema. Values may be unknown."""

    def open_ephemeral(self, type_: str, config: Value) -> OpenedEphemeral:
        """Make the values of an ephemeral resource with a wholly known configuration. Called while planning, too."""

    def renew_ephemeral(self, type_: str, private: bytes | None) -> RenewedEphemeral:
        """Keep an open ephemeral resource valid. Called from another thread than those that open and close."""

    def close_ephemeral(self, type_: str, private: bytes | None) -> tuple[Diagnostic, ...]:
        """Nobody needs the values any more. Called once for everything that was opened, after a failure too."""

    def upgrade(self, type_: str, version: int, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """Rewrite stored JSON attributes from an older schema version to the present one."""

    def call_function(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call a function of the provider's own."""

    def stop(self) -> None:
        """Ask running operations to end soon (Ctrl-C). May be called from another thread.

        An operation that ends before reads see what it did must say so with an error, and give the object along.
        """

    def close(self) -> None:
        """Release processes, connections and files. The provider is not used afterwards."""


@dataclass(frozen=True, slots=True, eq=False)
class ProviderPlugin:
    """What an entry point of the group `iacengine.providers` names.

    `name` is the adapter's name and prefix of its types (`aws` → `aws_vpc`); `stands_in_for` the Terraform source
    addresses it answers to (`hashicorp/aws`, hosts left out mean registry.terraform.io); `create` makes an
    unconfigured provider.
    """

    name: str
    create: Callable[[], Provider]
    version: str = "0.1.0"
    stands_in_for: tuple[str, ...] = ()
