"""The state as it is, for those that only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iacengine.engine.model import Engine
from iacengine.engine.opening import require_unmoved
from iacengine.lang.types import type_from_json
from iacengine.lang.values import Value, sensitive
from iacengine.schema.values import decode_type
from iacengine.state.model import State
from iacengine.state.replay import replay

if TYPE_CHECKING:
    pass


def read_state(engine: Engine) -> State | None:
    """The state as it is now, the journal of an interrupted run replayed (in memory)."""
    require_unmoved(engine)
    return replay(engine.backend.read(), engine.backend.read_journal()).state


def evaluate_outputs(state: State) -> dict[str, Value]:
    """The root outputs of a state as values, sensitive ones marked."""
    values: dict[str, Value] = {}
    for name, output in state.outputs.items():
        value = decode_type(output.value, type_from_json(output.type))
        values[name] = sensitive(value) if output.sensitive else value
    return values
