"""The provider: what the engine asks, answered from the specs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, failure
from iacengine.foundation.duration import parse_duration
from iacengine.lang.values import Value
from iacengine.provider.base import ProviderBase, cannot_tell
from iacengine.provider.protocol import (
    ApplyRequest,
    ApplyResponse,
    ConfigureContext,
    ImportedObject,
    OpenedEphemeral,
    PlanRequest,
    PlanResponse,
    ProviderSchema,
    ReadRequest,
    ReadResponse,
)
from iacengine.provider.retry import RetryPolicy
from iacengine.schema import Block, Schema
from iacengine.schema.values import decode, encode
from iacengine_aws import operations
from iacengine_aws.client import Session
from iacengine_aws.data import DATA_SOURCES, data_source
from iacengine_aws.ephemeral import EPHEMERAL_RESOURCES, ephemeral_resource
from iacengine_aws.errors import ApiError
from iacengine_aws.observation import attributes_of, look_up
from iacengine_aws.operations import HalfDoneError
from iacengine_aws.planning import plan_resource
from iacengine_aws.settings import Settings, parse_settings, provider_schema, validate_settings
from iacengine_aws.settling import settle, without_unknown
from iacengine_aws.spec import Plain, ResourceSpec
from iacengine_aws.specs import SPECS, spec_of
from iacengine_aws.validation import validate_config

_RETRIES = RetryPolicy(attempts=2, first_wait=2.0, longest_wait=30.0, patience=300.0)
"""Little, since botocore has tried many times before the engine hears of an error, and specs name those that pass."""


class _Schemas(Mapping[str, Schema]):
    """The schemas of all types, each made when it is asked for."""

    def __init__(self, names: Sequence[str], make: Any) -> None:
        self._names = names
        self._make = make
        self._made: dict[str, Schema] = {}

    def __getitem__(self, name: str) -> Schema:
        found = self._made.get(name)
        if found is None:
            if name not in self._names:
                raise KeyError(name)
            found = self._made[name] = self._make(name)
        return found

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class AwsProvider(ProviderBase):
    """AWS. Thread-safe once configured."""

    def __init__(self) -> None:
        self._schema: ProviderSchema | None = None
        self._settings = Settings()
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._tokens: dict[str, threading.Lock] = {}

    # --- what there is ----------------------------------------------------------------------------------------------

    def schema(self) -> ProviderSchema:
        if self._schema is None:
            self._schema = ProviderSchema(
                provider_schema(),
                _Schemas(tuple(SPECS), lambda name: spec_of(name).schema()),
                _Schemas(tuple(DATA_SOURCES), lambda name: data_source(name).schema()),
                _Schemas(tuple(EPHEMERAL_RESOURCES), lambda name: ephemeral_resource(name).schema()),
                retries={"": _RETRIES},
            )
        return self._schema

    def _block(self, type_: str) -> Block:
        return self.schema().resources[type_].block

    def validate_provider(self, config: Value) -> tuple[Diagnostic, ...]:
        return validate_settings(config)

    def validate_resource(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        return validate_config(spec_of(type_), config)

    def validate_data_source(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        return data_source(type_).validate(config)

    # --- configure --------------------------------------------------------------------------------------------------

    def configure(self, config: Value, context: ConfigureContext) -> tuple[Diagnostic, ...]:
        try:
            self._settings = parse_settings(config)
            session = Session(self._settings, context.parallelism)
            session.check_account()
        except DiagnosticsError as problem:
            return problem.diagnostics
        except ImportError:
            return (
                error(
                    "The provider aws needs boto3",
                    "Python cannot import botocore, the AWS client library.",
                    remedy="Install it: pip install 'iacengine[aws]'",
                ),
            )
        self._session = session
        return ()

    @property
    def session(self) -> Session:
        if self._session is None:
            raise failure("The provider aws is not configured", "It was asked for an object before it was configured.")
        return self._session

    # --- plan and read ----------------------------------------------------------------------------------------------

    def plan_one(self, request: PlanRequest) -> PlanResponse:
        return plan_resource(spec_of(request.type), self.schema().resources[request.type], self._settings, request)

    def read(self, requests: Sequence[ReadRequest]) -> Sequence[ReadResponse]:
        session = self.session
        throttled = session.throttled
        wanted = [(spec_of(request.type), self._plain(request.type, request.state)) for request in requests]
        responses: list[ReadResponse] = []
        for request, (spec, prior), sighting in zip(requests, wanted, look_up(session, wanted), strict=True):
            try:
                if sighting.problem is not None:
                    raise sighting.problem
                state = None
                if sighting.observation is not None:
                    attributes = attributes_of(session, spec, prior, sighting.observation)
                    state = self._value(request.type, attributes)
                responses.append(ReadResponse(state, request.private))
            except ApiError as problem:
                responses.append(_failed_read(problem, f"reading {request.type}"))
        if responses and session.throttled > throttled:
            responses[0] = replace(responses[0], throttled=True)
        return responses

    def read_data(self, type_: str, config: Value) -> ReadResponse:
        source = data_source(type_)
        try:
            return ReadResponse(source.read(self.session if source.remote else None, config))
        except ApiError as problem:
            return _failed_read(problem, f"reading {type_}")
        except DiagnosticsError as problem:
            return ReadResponse(None, diagnostics=problem.diagnostics)

    def open_ephemeral(self, type_: str, config: Value) -> OpenedEphemeral:
        try:
            return OpenedEphemeral(ephemeral_resource(type_).read(self.session, config))
        except ApiError as problem:
            return OpenedEphemeral(None, diagnostics=(problem.diagnostic(f"opening {type_}"),))

    # --- apply ------------------------------------------------------------------------------------------------------

    def apply(self, request: ApplyRequest) -> ApplyResponse:
        throttled = self.session.throttled_here
        response = self._apply(spec_of(request.type), request)
        if not response.diagnostics and self.session.throttled_here > throttled:
            return replace(response, throttled=True)
        return response

    def _apply(self, spec: ResourceSpec, request: ApplyRequest) -> ApplyResponse:
        try:
            if request.planned is None:
                return self._delete(spec, request)
            if request.prior is None:
                return self._create(spec, request)
            return self._update(spec, request)
        except DiagnosticsError as problem:
            return ApplyResponse(None, diagnostics=problem.diagnostics)

    def _create(self, spec: ResourceSpec, request: ApplyRequest) -> ApplyResponse:
        session = self.session
        with self._lock:
            again = request.token in self._tokens
            mine = self._tokens.setdefault(request.token, threading.Lock())
        with mine:
            try:
                found = operations.find(session, spec, request.token) if again else None
                planned = self._plain(request.type, request.planned)
                patience = _patience(planned, "create", request.timeout)
                made = found or operations.create(session, spec, planned, request.token, patience)
            except HalfDoneError as half:
                return self._half_done(request, half, f"creating {request.type}")
            except ApiError as problem:
                return _failed(problem, f"creating {request.type}")
        return ApplyResponse(settle(request.planned, self._value(request.type, made)), request.planned_private)

    def _update(self, spec: ResourceSpec, request: ApplyRequest) -> ApplyResponse:
        prior = self._plain(request.type, request.prior)
        planned = self._plain(request.type, request.planned)
        try:
            made = operations.update(self.session, spec, prior, planned, _patience(planned, "update", request.timeout))
        except HalfDoneError as half:
            state = self._value(request.type, half.attributes)
            failed = _failed(half.problem, f"updating {request.type}")
            return replace(failed, state=state, private=request.planned_private)
        except ApiError as problem:
            return _failed(problem, f"updating {request.type}")
        return ApplyResponse(settle(request.planned, self._value(request.type, made)), request.planned_private)

    def _delete(self, spec: ResourceSpec, request: ApplyRequest) -> ApplyResponse:
        prior = self._plain(request.type, request.prior)
        try:
            operations.delete(self.session, spec, prior, _patience(prior, "delete", request.timeout))
        except ApiError as problem:
            return _failed(problem, f"deleting {request.type}")
        return ApplyResponse(None)

    def _half_done(self, request: ApplyRequest, half: HalfDoneError, doing: str) -> ApplyResponse:
        state = settle(request.planned, self._value(request.type, half.attributes))
        return ApplyResponse(state, request.planned_private, (half.problem.diagnostic(doing),))

    # --- existing objects -------------------------------------------------------------------------------------------

    def import_(self, type_: str, id_: str) -> tuple[Sequence[ImportedObject], tuple[Diagnostic, ...]]:
        spec = spec_of(type_)
        stub: Plain = {"id": id_}
        if spec.hooks.parse_id is not None:
            try:
                stub |= spec.hooks.parse_id(id_)
            except ValueError as problem:
                wrong = error(
                    "Invalid import id", f'"{id_}" is no id of {type_}: {problem}.', remedy=f"Give {problem}."
                )
                return (), (wrong,)
        return (ImportedObject(type_, self._value(type_, stub)),), ()

    def find(self, type_: str, token: str) -> ReadResponse:
        spec = spec_of(type_)
        if spec.find is None:
            return cannot_tell(type_)
        try:
            found = operations.find(self.session, spec, token)
        except ApiError as problem:
            return _failed_read(problem, f"looking for a {type_} of an interrupted run")
        return ReadResponse(None if found is None else self._value(type_, found))

    def stop(self) -> None:
        if self._session is not None:
            self._session.stopped.set()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    # --- values -----------------------------------------------------------------------------------------------------

    def _plain(self, type_: str, value: Value) -> Plain:
        return encode(without_unknown(value), self._block(type_))

    def _value(self, type_: str, attributes: Plain) -> Value:
        return decode(attributes, self._block(type_))


def _failed(problem: ApiError, doing: str) -> ApplyResponse:
    return ApplyResponse(None, None, (problem.diagnostic(doing),), problem.retryable, problem.throttled)


def _failed_read(problem: ApiError, doing: str) -> ReadResponse:
    return ReadResponse(None, None, (problem.diagnostic(doing),), problem.retryable, problem.throttled)


def _patience(attributes: Plain, operation: str, timeout: float | None) -> float | None:
    """How long to wait, in seconds: what the block `timeouts` says, or the engine, or None for the type's own limit."""
    said = (attributes.get("timeouts") or {}).get(operation)
    return parse_duration(said) if said else timeout
