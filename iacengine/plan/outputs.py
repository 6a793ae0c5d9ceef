"""What happens to the root outputs."""

from __future__ import annotations

from collections.abc import Collection

from iacengine.addresses import ModuleInstance
from iacengine.config.model import Output
from iacengine.config.source import locate
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.graph.nodes import Kind, Node
from iacengine.lang.types import type_from_json
from iacengine.lang.values import (
    EPHEMERAL,
    SENSITIVE,
    Value,
    has_mark,
    is_null,
    is_wholly_known,
    sensitive,
    unmark_deep,
)
from iacengine.plan.model import Action, OutputChange, PlanMode
from iacengine.schema.unknowns import alike
from iacengine.schema.values import decode_type
from iacengine.state.model import OutputState, State


def stored_output(stored: OutputState) -> Value:
    """The value of a stored output, marked when it is sensitive."""
    value = decode_type(stored.value, type_from_json(stored.type))
    return sensitive(value) if stored.sensitive else value


def output_changes(
    working: WorkingValues, state: State, mode: PlanMode, visited: Collection[Node]
) -> dict[str, OutputChange]:
    """One change for every root output that is declared or stored, by name."""
    changes: dict[str, OutputChange] = {}
    root = working.scope(ModuleInstance())
    declared = {} if mode is PlanMode.DESTROY else root.module.outputs
    for name, output in sorted(declared.items()):
        if Node(Kind.OUTPUT, (), name) not in visited:
            continue
        after = working.output(root, name)
        refuse_exposure(output, after)
        changes[name] = _change(name, state.outputs.get(name), after, is_sensitive=output.sensitive)
    for name, stored in sorted(state.outputs.items()):
        if name not in root.module.outputs or mode is PlanMode.DESTROY:
            changes[name] = OutputChange(name, Action.DELETE, stored_output(stored), None, stored.sensitive, True)
    return changes


def refuse_exposure(output: Output, value: Value) -> None:
    """Raise DiagnosticsError when a root output may not hold its value: it would be stored, or shown."""
    if has_mark(value, EPHEMERAL):
        diagnostic = error(
            "Ephemeral value not allowed",
            "A root output is stored, so it cannot be ephemeral.",
            remedy="Leave the output out, or give the value to ephemeralasnull.",
        )
        raise DiagnosticsError(diagnostic.at(*locate(output.origin.at("value"))))
    if has_mark(value, SENSITIVE) and not output.sensitive:
        diagnostic = error(
            "Output refers to sensitive values",
            f'The output "{output.name}" holds sensitive values, so that it must be declared sensitive itself.',
            remedy="Add `sensitive: true` to the output, or use nonsensitive() if it is no secret.",
        )
        raise DiagnosticsError(diagnostic.at(*locate(output.origin.at("value"))))


def _change(name: str, stored: OutputState | None, after: Value, *, is_sensitive: bool) -> OutputChange:
    before = stored_output(stored) if stored is not None else None
    plain_before, _ = unmark_deep(before)
    plain_after, _ = unmark_deep(after)
    if stored is None:
        action = Action.NO_OP if is_null(plain_after) else Action.CREATE
    elif is_wholly_known(plain_after) and alike(plain_before, plain_after) and stored.sensitive == is_sensitive:
        action = Action.NO_OP
    else:
        action = Action.UPDATE
    hidden = is_sensitive or (stored is not None and stored.sensitive)
    return OutputChange(name, action, before, after, hidden, stored is not None)
