"""The provider a small adapter derives from: everything but the schema, `read` and `apply` is answered here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error, failure, warning
from iacengine.lang.types import STRING
from iacengine.lang.values import Value
from iacengine.provider.planning import plan_from_schema
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
    RenewedEphemeral,
)
from iacengine.schema.values import null_object


def cannot_tell(type_: str) -> ReadResponse:
    """The answer of `find` where objects carry nothing of the operation that made them."""
    found = warning(
        "Cannot tell whether it was made",
        f"An object of type {type_} cannot be found by the operation that was to make it.",
        remedy="Look for it; if it is there, import it, or remove what the next apply would make twice.",
    )
    return ReadResponse(None, diagnostics=(found,))


class ProviderBase:
    """A provider that plans from its schema. Write `schema`, `read` and `apply`; override more as the API needs."""

    is_local = False

    def schema(self) -> ProviderSchema:
        raise NotImplementedError

    def read(self, requests: Sequence[ReadRequest]) -> Sequence[ReadResponse]:
        raise NotImplementedError

    def apply(self, request: ApplyRequest) -> ApplyResponse:
        raise NotImplementedError

    def validate_provider(self, config: Value) -> tuple[Diagnostic, ...]:
        return ()

    def configure(self, config: Value, context: ConfigureContext) -> tuple[Diagnostic, ...]:
        return ()

    def validate_resource(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        return ()

    def validate_data_source(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        return ()

    def plan(self, requests: Sequence[PlanRequest]) -> Sequence[PlanResponse]:
        return [self.plan_one(request) for request in requests]

    def plan_one(self, request: PlanRequest) -> PlanResponse:
        """The plan of one object. Override it to refine what the schema alone cannot say."""
        return plan_from_schema(self.schema().resources[request.type], request)

    def read_data(self, type_: str, config: Value) -> ReadResponse:
        return ReadResponse(None, diagnostics=(error("Unknown data source", f"There is no data source {type_}."),))

    def import_(self, type_: str, id_: str) -> tuple[Sequence[ImportedObject], tuple[Diagnostic, ...]]:
        """A stub that holds the id alone, for `read` to fill in; types without an `id` cannot be imported."""
        block = self.schema().resources[type_].block
        if "id" not in block.attributes or block.attributes["id"].type is not STRING:
            return (), (error("Import not supported", f"Objects of type {type_} cannot be imported."),)
        return [ImportedObject(type_, {**null_object(block), "id": id_})], ()

    def find(self, type_: str, token: str) -> ReadResponse:
        return cannot_tell(type_)

    def validate_ephemeral(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        return ()

    def open_ephemeral(self, type_: str, config: Value) -> OpenedEphemeral:
        missing = error("Unknown ephemeral resource", f"There is no ephemeral resource {type_}.")
        return OpenedEphemeral(None, diagnostics=(missing,))

    def renew_ephemeral(self, type_: str, private: bytes | None) -> RenewedEphemeral:
        return RenewedEphemeral(private=private)

    def close_ephemeral(self, type_: str, private: bytes | None) -> tuple[Diagnostic, ...]:
        return ()

    def upgrade(self, type_: str, version: int, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        return raw

    def call_function(self, name: str, arguments: Sequence[Value]) -> Value:
        raise failure("Unknown function", f'This provider has no function "{name}".')

    def stop(self) -> None:
        return None

    def close(self) -> None:
        return None
