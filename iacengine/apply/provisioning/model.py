"""One provisioner of one step, evaluated and ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from iacengine.apply.operations import Task
from iacengine.config.model import Connection, Origin, Provisioner, ResourceBlock
from iacengine.config.provisioner_schemas import CONNECTION, PROVISIONERS
from iacengine.config.source import locate
from iacengine.evaluation.body import evaluate_body
from iacengine.evaluation.scope import AnyScope
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.lang.values import EPHEMERAL, SENSITIVE, ListValue, MapValue, Null, Value, is_wholly_known, unmark_deep
from iacengine.plan.model import Change
from iacengine.schema import Block

Say = Callable[[str], None]
"""Takes one line of output."""


@dataclass(frozen=True, slots=True, eq=False)
class Provisioning:
    """`task` is the create that it follows, or the delete that it comes before; `index` its place among those of the
    step. `config` and `connection` are plain data without marks; `secret`: why nothing it prints may be shown."""

    task: Task
    index: int
    provisioner: Provisioner
    config: Mapping[str, Any]
    connection: Mapping[str, Any]
    secret: str | None = None

    @property
    def step(self) -> int:
        return self.task.step

    @property
    def change(self) -> Change:
        return self.task.change


def evaluate_provisioner(
    task: Task, index: int, block: ResourceBlock, provisioner: Provisioner, scope: AnyScope
) -> Provisioning:
    """Evaluate a provisioner and its connection; `scope` knows self. Raises DiagnosticsError."""
    schema = PROVISIONERS[provisioner.type]
    config, marks = unmark_deep(evaluate_body(provisioner.body, schema, scope, provisioner.origin))
    _refuse_unknown(config, provisioner.origin)
    own = provisioner.connection
    merged: dict[str, Any] = {}
    for connection in (block.connection, own):
        if connection is not None:
            merged |= {name: value for name, value in _connection(connection, scope).items() if value is not None}
    if (own or block.connection) is not None and not merged.get("host"):
        where = (own or block.connection or provisioner).origin
        diagnostic = error(
            "Missing host of a connection",
            f"The connection of provisioner {provisioner.type} has no host, or an empty one.",
            remedy='Set host, as in host: "${self.public_ip}".',
        )
        if provisioner.type != "local-exec":
            raise DiagnosticsError(diagnostic.at(*locate(where)))
    secret = next((name for name in (EPHEMERAL, SENSITIVE) if name in marks), None)
    return Provisioning(task, index, provisioner, _plain(config), merged, secret)


_OPTIONAL_CONNECTION = Block(
    {name: replace(attribute, required=False, optional=True) for name, attribute in CONNECTION.attributes.items()}
)


def _connection(connection: Connection, scope: AnyScope) -> dict[str, Any]:
    value, _ = unmark_deep(evaluate_body(connection.body, _OPTIONAL_CONNECTION, scope, connection.origin))
    _refuse_unknown(value, connection.origin)
    return _plain(value)


def _refuse_unknown(value: Value, origin: Origin) -> None:
    if not is_wholly_known(value):
        diagnostic = error(
            "Configuration is still unknown", "A value here is not known even now, after everything was applied."
        )
        raise DiagnosticsError(diagnostic.at(*locate(origin)))


def _plain(value: Value) -> Any:
    if isinstance(value, Null):
        return None
    if isinstance(value, MapValue):
        return {key: _plain(child) for key, child in value.items.items()}
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, ListValue | tuple):
        return [_plain(child) for child in value]
    return value
