"""The builtin provider, under the name and address that Terraform's own has."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.foundation.diagnostics import Diagnostic, error, failure
from iacengine.lang.values import Value
from iacengine.provider.base import ProviderBase
from iacengine.provider.builtin.data import DATA_SCHEMA, apply_data, plan_data
from iacengine.provider.builtin.remote_state import (
    REMOTE_STATE_SCHEMA,
    ReadState,
    read_remote_state,
    validate_remote_state,
)
from iacengine.provider.protocol import (
    ApplyRequest,
    ApplyResponse,
    ConfigureContext,
    PlanRequest,
    PlanResponse,
    Provider,
    ProviderPlugin,
    ProviderSchema,
    ReadRequest,
    ReadResponse,
)

_SCHEMA = ProviderSchema(
    resources={"terraform_data": DATA_SCHEMA},
    data_sources={"terraform_remote_state": REMOTE_STATE_SCHEMA},
    functions={
        "decode_tfvars": "An object of the variables that text in the syntax of a `.tfvars` file sets.",
        "encode_expr": "The text of an expression that means a value.",
        "encode_tfvars": "The text of a `.tfvars` file that sets the attributes of an object as variables.",
    },
)


class TerraformProvider(ProviderBase):
    """Needs no configuration. `read_state` reads the states of other stacks; without it there is no remote state."""

    is_local = True
    """It answers at once, so the engine calls it without threads, and journals many operations with one flush."""

    def __init__(self, read_state: ReadState | None = None) -> None:
        self._read_state = read_state
        self._directory = "."

    def schema(self) -> ProviderSchema:
        return _SCHEMA

    def configure(self, config: Value, context: ConfigureContext) -> tuple[Diagnostic, ...]:
        self._directory = context.stack_directory
        return ()

    def validate_data_source(self, type_: str, config: Value) -> tuple[Diagnostic, ...]:
        return validate_remote_state(config)

    def plan_one(self, request: PlanRequest) -> PlanResponse:
        return plan_data(request)

    def read(self, requests: Sequence[ReadRequest]) -> Sequence[ReadResponse]:
        return [ReadResponse(request.state, request.private) for request in requests]

    def find(self, type_: str, token: str) -> ReadResponse:
        return ReadResponse(None)  # what is nowhere but in state cannot have been left anywhere

    def read_data(self, type_: str, config: Value) -> ReadResponse:
        if type_ != "terraform_remote_state":
            return super().read_data(type_, config)
        return read_remote_state(config, self._directory, self._read_state)

    def apply(self, request: ApplyRequest) -> ApplyResponse:
        if request.type != "terraform_data":
            problem = error("Unknown resource type", f"The builtin provider has no type {request.type}.")
            return ApplyResponse(None, diagnostics=(problem,))
        return apply_data(request)

    def call_function(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call `encode_tfvars`, `decode_tfvars` or `encode_expr`."""
        from iacengine.lang.functions.context import FunctionContext  # lazy: few configurations call these
        from iacengine.lang.functions.registry import call, lookup

        function = lookup(f"provider::terraform::{name}") if name in _SCHEMA.functions else None
        if function is None:
            known = ", ".join(_SCHEMA.functions)
            raise failure(
                "Unknown function", f'The provider "terraform" has no function "{name}".', remedy=f"It has {known}."
            )
        return call(function, arguments, FunctionContext(files=_NoFiles()))


class _NoFiles:
    """No files: none of the provider's functions reads one."""

    def read(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def kind(self, path: str) -> str | None:
        return None

    def entries(self, directory: str) -> Sequence[tuple[str, bool]]:
        raise FileNotFoundError(directory)

    def expand_home(self, path: str) -> str:
        return path

    def absolute(self, path: str) -> str:
        return path


def terraform_plugin(read_state: ReadState | None = None) -> ProviderPlugin:
    """The builtin provider as a plugin."""

    def create() -> Provider:
        return TerraformProvider(read_state)

    return ProviderPlugin("terraform", create, stands_in_for=("terraform.io/builtin/terraform",))
