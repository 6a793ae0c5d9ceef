"""A provider as the engine uses it: what it raises, and answers of the wrong kind, become errors of the user's run.

Providers come from others. A defect of one must not tear up a run half-way, whatever it raises (`SystemExit`
included); so every call goes through here. What the arguments and answers mean is not looked at: see
`iacengine.provider.checks`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, failure, warning
from iacengine.foundation.duration import duration_text
from iacengine.lang.values import Value
from iacengine.provider.protocol import (
    ApplyRequest,
    ApplyResponse,
    ConfigureContext,
    ImportedObject,
    OpenedEphemeral,
    PlanRequest,
    PlanResponse,
    Provider,
    ProviderSchema,
    ReadRequest,
    ReadResponse,
    RenewedEphemeral,
)
from iacengine.provider.redaction import without

if TYPE_CHECKING:
    from iacengine.provider.patience import Patience

_REMEDY = "This is a defect of the provider; report it to its maintainers."

_TELLING = PlanResponse | ReadResponse | ApplyResponse | OpenedEphemeral | RenewedEphemeral
"""Answers that carry diagnostics."""

_GRACE = 5.0
"""Seconds by which a call may run over its timeout before anybody is told: to notice takes a while, too."""

A = TypeVar("A")


class GuardedProvider:
    """A provider that raises nothing but DiagnosticsError (functions apart, whose errors belong to expressions)."""

    def __init__(self, provider: Provider, source: str) -> None:
        self._provider = provider
        self._source = source
        self.secrets: tuple[str, ...] = ()
        """What is sensitive in its configuration: it may quote it, and it is not shown."""
        self.is_local = provider.is_local
        self.patience: Patience | None = None
        """By what reading and planning are tried again; None: they are not."""

    def impatient(self) -> GuardedProvider:
        """The same provider, which tries nothing again: for those who can do something else meanwhile."""
        if self.patience is None:
            return self
        found = copy.copy(self)
        found.patience = None
        return found

    def _call(self, doing: str, call: Callable[[], A]) -> A:
        try:
            return call()
        except DiagnosticsError as found:
            raise DiagnosticsError(*without(found.diagnostics, self.secrets)) from None
        except RecursionError:
            raise failure(
                "Nested too deeply",
                f"A value is nested too deeply for the provider {self._source}, while {doing}.",
                remedy="Nest lists and objects no deeper than some hundred levels.",
            ) from None
        except (Exception, SystemExit) as defect:
            problem = error(
                "Provider failed",
                f"The provider {self._source} raised {type(defect).__name__} while {doing}: {defect}",
                remedy=_REMEDY,
            )
            raise DiagnosticsError(*without([problem], self.secrets)) from defect

    def _told(self, doing: str, call: Callable[[], tuple[Diagnostic, ...]]) -> tuple[Diagnostic, ...]:
        return self._call(doing, lambda: without(call(), self.secrets))

    def _require(self, answer: object, kind: type[A], doing: str) -> A:
        if not isinstance(answer, kind):
            raise self._wrong(doing, f"{type(answer).__name__} instead of {kind.__name__}")
        if self.secrets and isinstance(answer, _TELLING) and answer.diagnostics:
            return cast(A, replace(answer, diagnostics=without(answer.diagnostics, self.secrets)))
        return answer

    def _all(self, answers: object, kind: type[A], count: int, doing: str) -> list[A]:
        if not isinstance(answers, Sequence) or len(answers) != count:
            found = str(len(answers)) if isinstance(answers, Sequence) else type(answers).__name__
            raise self._wrong(doing, f"{found} instead of {count} answers")
        return [self._require(answer, kind, doing) for answer in answers]

    def _wrong(self, doing: str, what: str) -> DiagnosticsError:
        return failure("Provider failed", f"The provider {self._source} gave {what} while {doing}.", remedy=_REMEDY)

    # --- the protocol ----------------------------------------------------------------------------------------------

    def schema(self) -> ProviderSchema:
        doing = "giving its schema"
        return self._require(self._call(doing, self._provider.schema), ProviderSchema, doing)

    def validate_provider(self, config: Value) -> tuple[Diagnostic, ...]:
        return self._told("checking its configuration", lambda: self._provider.validate_provider(config))

    def configure(self, config: Value, context: ConfigureContext) -> tuple[Diagnostic, ...]:
        return self._told("taking its configuration", lambda: self._provider.configure(config, context))

    def validate_resource(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        doing = f"checking the configuration of {type_}"
        return self._told(doing, lambda: self._provider.validate_resource(type_, config))

    def validate_data_source(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        doing = f"checking the configuration of the data source {type_}"
        return self._told(doing, lambda: self._provider.validate_data_source(type_, config))

    def plan(self, requests: Sequence[PlanRequest]) -> Sequence[PlanResponse]:
        if self.patience is None or self.is_local:
            return self._plan(requests)
        return self.patience.all(self._plan, requests, paced=False)

    def _plan(self, requests: Sequence[PlanRequest]) -> list[PlanResponse]:
        doing = "planning"
        return self._all(self._call(doing, lambda: self._provider.plan(requests)), PlanResponse, len(requests), doing)

    def read(self, requests: Sequence[ReadRequest]) -> Sequence[ReadResponse]:
        if self.patience is None or self.is_local:
            return self._read(requests)
        return self.patience.all(self._read, requests)

    def _read(self, requests: Sequence[ReadRequest]) -> list[ReadResponse]:
        doing = f"reading {requests[0].type}" if requests else "reading"
        return self._all(self._call(doing, lambda: self._provider.read(requests)), ReadResponse, len(requests), doing)

    def read_data(self, type_: str, config: Value) -> ReadResponse:
        if self.patience is None or self.is_local:
            return self._read_data(type_, config)
        return self.patience.one(type_, lambda: self._read_data(type_, config))

    def _read_data(self, type_: str, config: Value) -> ReadResponse:
        doing = f"reading the data source {type_}"
        return self._require(self._call(doing, lambda: self._provider.read_data(type_, config)), ReadResponse, doing)

    def apply(self, request: ApplyRequest) -> ApplyResponse:
        operation = "deleting" if request.planned is None else "creating" if request.prior is None else "updating"
        doing = f"{operation} {request.type}"
        started = monotonic()
        try:
            answer = self._require(self._call(doing, lambda: self._provider.apply(request)), ApplyResponse, doing)
        except DiagnosticsError as found:
            raise DiagnosticsError(*found.diagnostics, *self._overrun(request, operation, started)) from None
        overrun = self._overrun(request, operation, started)
        return replace(answer, diagnostics=(*answer.diagnostics, *overrun)) if overrun else answer

    def _overrun(self, request: ApplyRequest, operation: str, started: float) -> tuple[Diagnostic, ...]:
        """A warning when the provider did not heed the time it was given. Nobody else can stop what it does: to leave
        it alone half-way would lose what it makes."""
        if request.timeout is None:
            return ()
        took = monotonic() - started
        if took <= request.timeout + _GRACE:
            return ()
        return (
            warning(
                "Ran longer than its timeout",
                f"The provider {self._source} took {duration_text(took)} for {operation} {request.type}; its block "
                f"timeouts allows {duration_text(request.timeout)}.",
                remedy="Allow more time in the block timeouts; a provider that does not heed it is to be reported to "
                "its maintainers.",
            ),
        )

    def import_(self, type_: str, id_: str) -> tuple[Sequence[ImportedObject], tuple[Diagnostic, ...]]:
        def call() -> tuple[Sequence[ImportedObject], tuple[Diagnostic, ...]]:
            objects, diagnostics = self._provider.import_(type_, id_)
            return tuple(objects), without(diagnostics, self.secrets)

        return self._call(f"importing {type_}", call)

    def find(self, type_: str, token: str) -> ReadResponse:
        doing = f"looking for an object of type {type_}"
        return self._require(self._call(doing, lambda: self._provider.find(type_, token)), ReadResponse, doing)

    def validate_ephemeral(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        doing = f"checking the configuration of the ephemeral resource {type_}"
        return self._told(doing, lambda: self._provider.validate_ephemeral(type_, config))

    def open_ephemeral(self, type_: str, config: Value) -> OpenedEphemeral:
        doing = f"opening the ephemeral resource {type_}"
        return self._require(
            self._call(doing, lambda: self._provider.open_ephemeral(type_, config)), OpenedEphemeral, doing
        )

    def renew_ephemeral(self, type_: str, private: bytes | None) -> RenewedEphemeral:
        doing = f"renewing the ephemeral resource {type_}"
        return self._require(
            self._call(doing, lambda: self._provider.renew_ephemeral(type_, private)), RenewedEphemeral, doing
        )

    def close_ephemeral(self, type_: str, private: bytes | None) -> tuple[Diagnostic, ...]:
        doing = f"closing the ephemeral resource {type_}"
        return self._told(doing, lambda: self._provider.close_ephemeral(type_, private))

    def upgrade(self, type_: str, version: int, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._call(
            f"upgrading a stored {type_} from schema version {version}",
            lambda: self._provider.upgrade(type_, version, raw),
        )

    def call_function(self, name: str, arguments: Sequence[Value]) -> Value:
        return self._provider.call_function(name, arguments)

    def stop(self) -> None:
        with contextlib.suppress(Exception):  # it was asked; the run ends all the same
            self._provider.stop()

    def close(self) -> None:
        with contextlib.suppress(Exception):  # all it was asked to do is done
            self._provider.close()
