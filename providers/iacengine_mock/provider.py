"""The provider of the mock cloud."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from time import monotonic, sleep, time
from typing import Any

import orjson

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.foundation.duration import duration_text
from iacengine.lang.values import Value, is_null, is_unknown
from iacengine.provider.base import ProviderBase
from iacengine.provider.protocol import (
    ApplyRequest,
    ApplyResponse,
    ConfigureContext,
    ImportedObject,
    OpenedEphemeral,
    ProviderSchema,
    ReadRequest,
    ReadResponse,
    RenewedEphemeral,
)
from iacengine.schema.values import decode, encode
from iacengine_mock.cloud import Cloud, CloudError
from iacengine_mock.faults import Fault, firing
from iacengine_mock.rate import Bucket
from iacengine_mock.settings import Settings, parse_settings
from iacengine_mock.types import SCHEMA, completed, new_id

_POLL = 0.005  # seconds between two looks whether a change can be seen


_TOO_MANY = (
    error(
        "Too many requests",
        "The mock cloud bears fewer requests a second.",
        remedy="Lower the parallelism, or raise rate_limit in the provider's configuration.",
    ),
)
_THROTTLED_READ = ReadResponse(None, None, _TOO_MANY, retryable=True, throttled=True)


class _StoppedError(Exception):
    """The engine asked to end before anything was done."""


class MockProvider(ProviderBase):
    """See the package for the settings."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._cloud = Cloud(self._settings.cloud)
        self._bucket: Bucket | None = None
        self._stopped = threading.Event()

    def schema(self) -> ProviderSchema:
        return SCHEMA

    def validate_provider(self, config: Value) -> tuple[Diagnostic, ...]:
        return parse_settings(config)[1]

    def configure(self, config: Value, context: ConfigureContext) -> tuple[Diagnostic, ...]:
        settings, problems = parse_settings(config)
        self._cloud.close()
        self._settings = settings
        self._bucket = Bucket(*settings.rate) if settings.rate is not None else None
        self._cloud = Cloud(os.path.join(context.stack_directory, settings.cloud), settings.lag)  # noqa: PTH118
        return problems

    def validate_resource(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        block = config.get("cidr_block")
        if type_ != "mock_network" or is_unknown(block) or is_null(block):
            return ()
        from ipaddress import ip_network  # lazy: 10 ms that few need

        try:
            ip_network(block)
        except ValueError as problem:
            remedy = "Write an address and a prefix length without host bits, such as 10.0.0.0/16."
            return (error("Invalid CIDR block", f'"cidr_block": {problem}.', remedy=remedy),)
        return ()

    # --- reading

    def read(self, requests: Sequence[ReadRequest]) -> Sequence[ReadResponse]:
        if self._is_throttled():
            return [_THROTTLED_READ for _ in requests]
        try:
            self._wait("read")
            found = self._cloud.read([request.state["id"] for request in requests if request.state["id"] is not None])
            return [self._read_one(request, found) for request in requests]
        except (_StoppedError, OSError, sqlite3.Error) as problem:
            diagnostics = self._unreachable(problem)
            return [ReadResponse(None, diagnostics=diagnostics) for _ in requests]

    def _read_one(self, request: ReadRequest, found: Mapping[str, tuple[str, dict[str, Any]]]) -> ReadResponse:
        fault = self._fault("read", request.type, request.state)
        if fault is not None:
            return _failed_read(request.type, fault)
        _, stored = found.get(request.state["id"], ("", None))
        return ReadResponse(None if stored is None else self._decode(request.type, stored), request.private)

    def read_data(self, type_: str, config: Value) -> ReadResponse:
        if type_ not in SCHEMA.data_sources:
            return super().read_data(type_, config)
        if self._is_throttled():
            return _THROTTLED_READ
        block = SCHEMA.data_sources[type_].block
        try:
            self._wait("read")
            fault = self._fault("read", type_, config)
            if fault is not None:
                return _failed_read(type_, fault)
            found = self._look_up(type_, config["id"], config["name"])
        except (_StoppedError, OSError, sqlite3.Error) as problem:
            return ReadResponse(None, diagnostics=self._unreachable(problem))
        if len(found) == 1:
            return ReadResponse(decode(found[0], block))
        if config["id"] is None and config["name"] is None:
            problem_text, remedy = "Nothing says which object to look up.", 'Set "id" or "name".'
        else:
            wanted = " and ".join(f'{key} "{config[key]}"' for key in ("id", "name") if config[key] is not None)
            problem_text = f"{len(found) or 'No'} objects of type {type_} have the {wanted}."
            remedy = 'Set "id" to one of them.' if found else "Create it first, or correct what to look for."
        return ReadResponse(None, diagnostics=(error("Object not found", problem_text, remedy=remedy),))

    def _look_up(self, type_: str, id_: str | None, name: str | None) -> list[dict[str, Any]]:
        if id_ is None:
            return [] if name is None else self._cloud.named(type_, name)
        found = [stored for found_type, stored in self._cloud.read([id_]).values() if found_type == type_]
        return [stored for stored in found if name is None or stored.get("name") == name]

    def import_(self, type_: str, id_: str) -> tuple[Sequence[ImportedObject], tuple[Diagnostic, ...]]:
        try:
            found = self._look_up(type_, id_, None)
        except (OSError, sqlite3.Error) as problem:
            return (), self._unreachable(problem)
        if not found:
            problem_text = f'There is no {type_} with the id "{id_}" in {self._cloud.path}.'
            return (), (error("Cannot import an object that does not exist", problem_text, remedy="Check the id."),)
        return [ImportedObject(type_, self._decode(type_, found[0]))], ()

    def find(self, type_: str, token: str) -> ReadResponse:
        if self._is_throttled():
            return _THROTTLED_READ
        try:
            fault = self._fault("find", type_, {})
            if fault is not None:
                return _failed_read(type_, fault, "find")
            stored = self._cloud.find(type_, token)
        except (OSError, sqlite3.Error) as problem:
            return ReadResponse(None, diagnostics=self._unreachable(problem))
        return ReadResponse(None if stored is None else self._decode(type_, stored))

    # --- changing

    def apply(self, request: ApplyRequest) -> ApplyResponse:
        operation = "delete" if request.planned is None else "create" if request.prior is None else "update"
        if self._is_throttled():
            return ApplyResponse(None, diagnostics=_TOO_MANY, retryable=True, throttled=True)
        subject = request.prior if request.planned is None else request.planned
        try:
            deadline = None if request.timeout is None else monotonic() + request.timeout
            if not self._wait(operation, request.timeout):
                return ApplyResponse(None, diagnostics=_timed_out(operation, request, "Nothing was changed."))
            faults = firing(self._settings.faults, self._cloud, operation, request.type, subject.get("name"))
            fault = faults.at("before")
            if fault is not None:
                return ApplyResponse(
                    None,
                    diagnostics=_failed(operation, request.type, fault.error or ""),
                    retryable=fault.retryable or fault.throttled,
                    throttled=fault.throttled,
                )
            state = self._change(operation, request)
            fault = faults.at("after")
            if fault is not None and fault.retryable:  # the answer is lost
                return ApplyResponse(
                    None, diagnostics=_failed(operation, request.type, fault.error or ""), retryable=True
                )
            if fault is not None:
                return ApplyResponse(state, diagnostics=_failed(operation, request.type, fault.error or ""))
            if not self._settle((state or request.prior)["id"], deadline):
                left = "The change was made, but it cannot be seen everywhere yet."
                return ApplyResponse(state, diagnostics=_timed_out(operation, request, left))
            return ApplyResponse(state)
        except CloudError as problem:
            return ApplyResponse(None, diagnostics=_failed(operation, request.type, str(problem)))
        except (_StoppedError, OSError, sqlite3.Error) as problem:
            return ApplyResponse(None, diagnostics=self._unreachable(problem))

    def _change(self, operation: str, request: ApplyRequest) -> Value:
        if operation == "delete":
            self._cloud.delete(request.type, request.prior["id"])
            return None
        block = SCHEMA.resources[request.type].block
        id_ = new_id(request.type, request.token) if operation == "create" else request.prior["id"]
        made = completed(request.type, id_, request.planned)
        stored = encode(made, block)
        if operation == "update":
            self._cloud.update(request.type, id_, stored)
            if request.planned.get("password_wo_version") != request.prior.get("password_wo_version"):
                self._keep_secret(id_, request)
            return made
        self._keep_secret(id_, request)
        there = self._cloud.create(request.type, id_, request.token, stored)
        return made if there is stored else decode(there, block)

    def _keep_secret(self, id_: str, request: ApplyRequest) -> None:
        secret = request.config.get("password_wo") if request.config is not None else None
        if isinstance(secret, str):
            self._cloud.keep_secret(id_, secret)

    # --- ephemeral resources

    def open_ephemeral(self, type_: str, config: Value) -> OpenedEphemeral:
        problems = self._lease("open", config["name"])
        if problems:
            return OpenedEphemeral(None, diagnostics=problems)
        made = {**config, "id": f"token-{os.urandom(8).hex()}", "value": os.urandom(16).hex()}
        after = config["renew_after"]
        private = orjson.dumps([config["name"], None if after is None else float(after)])
        return OpenedEphemeral(made, None if after is None else time() + float(after), private)

    def renew_ephemeral(self, type_: str, private: bytes | None) -> RenewedEphemeral:
        name, after = orjson.loads(private or b"[]")
        return RenewedEphemeral(time() + after, private, self._lease("renew", name))

    def close_ephemeral(self, type_: str, private: bytes | None) -> tuple[Diagnostic, ...]:
        return self._lease("close", orjson.loads(private or b"[]")[0])

    def _lease(self, operation: str, name: str) -> tuple[Diagnostic, ...]:
        """Count the operation (as `open mock_token NAME`), and fail it where a fault says so."""
        try:
            self._wait(operation)
            self._cloud.count(f"{operation} mock_token {name}")
            faults = firing(self._settings.faults, self._cloud, operation, "mock_token", name)
        except (_StoppedError, OSError, sqlite3.Error) as problem:
            return self._unreachable(problem)
        fault = faults.at("before") or faults.at("after")
        return () if fault is None else _failed(operation, "mock_token", fault.error or "")

    def _settle(self, id_: str, deadline: float | None) -> bool:
        """Wait until reads see a change, as an adapter of a real cloud would; False when the time is up before.

        Not even Ctrl-C ends it: what is made and said to be made has to be seen by the next plan, which else takes it
        for gone and makes another one.
        """
        while self._settings.wait and not self._cloud.is_settled(id_):
            if deadline is not None and monotonic() >= deadline:
                return False
            sleep(_POLL if self._settings.lag.seconds else 0)
        return True

    # --- both

    def _is_throttled(self) -> bool:
        return self._bucket is not None and not self._bucket.take()

    def _fault(self, operation: str, type_: str, subject: Value) -> Fault | None:
        faults = firing(self._settings.faults, self._cloud, operation, type_, subject.get("name"))
        return faults.at("before") or faults.at("after")

    def _wait(self, operation: str, timeout: float | None = None) -> bool:
        """Take the time that the operation takes; False when the timeout is over before."""
        seconds = self._settings.latency.get(operation, 0.0)
        in_time = timeout is None or seconds <= timeout
        if seconds and self._stopped.wait(seconds if timeout is None else min(seconds, timeout)):
            raise _StoppedError(operation)
        return in_time

    def _decode(self, type_: str, stored: Mapping[str, Any]) -> dict[str, Value]:
        return decode(stored, SCHEMA.resources[type_].block)

    def _unreachable(self, problem: Exception) -> tuple[Diagnostic, ...]:
        if isinstance(problem, _StoppedError):
            return (error("Stopped", f"The {problem} was stopped before anything was done."),)
        remedy = "Check that the file is a mock cloud (an SQLite file) that you may write, or name another as `cloud`."
        return (error("Mock cloud not reachable", f"{self._cloud.path}: {problem}.", remedy=remedy),)

    def stop(self) -> None:
        """End the waiting of what runs now; operations that begin later, to roll back for one, are not concerned."""
        stopped, self._stopped = self._stopped, threading.Event()
        stopped.set()

    def close(self) -> None:
        self._cloud.close()


def _timed_out(operation: str, request: ApplyRequest, left: str) -> tuple[Diagnostic, ...]:
    return (
        error(
            f"Timed out: cannot {operation} {request.type}",
            f"It was not done after {duration_text(request.timeout or 0)}. {left}",
            remedy=f'Allow more time with "{operation}" in the block timeouts.',
        ),
    )


def _failed_read(type_: str, fault: Fault, operation: str = "read") -> ReadResponse:
    return ReadResponse(
        None,
        None,
        _failed(operation, type_, fault.error or ""),
        retryable=fault.retryable or fault.throttled,
        throttled=fault.throttled,
    )


def _failed(operation: str, type_: str, message: str) -> tuple[Diagnostic, ...]:
    return (error(f"Cannot {operation} {type_}", message),)
