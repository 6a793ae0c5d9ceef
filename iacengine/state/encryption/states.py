"""Sealing whole states: their sensitive values, or all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iacengine.foundation.crypto import ForgedError
from iacengine.state.encryption.header import damaged, from_text, place, to_text
from iacengine.state.encryption.values import (
    ObjectChange,
    OutputChange,
    UnsealedError,
    ValueSealer,
    change_outputs,
)
from iacengine.state.model import ResourceObject, State
from iacengine.state.statefile import decode_state, encode_state

if TYPE_CHECKING:
    from iacengine.state.encryption.keyring import DataKey, Keyring


def is_sealed(state: State) -> bool:
    """Whether a state, as it stands in its file, was written with a key."""
    return state.encryption is not None or state.sealed is not None


def value_sealer(key: DataKey) -> ValueSealer:
    return ValueSealer(key.sealer("values"), key.lineage)


def seal_state(state: State, keyring: Keyring) -> State:
    """The state as it is to be written. Raises DiagnosticsError when the key is not to be had.

    The sign that a state leaves where it was moved away from holds nothing, and is there for those without the key.
    """
    if state.moved_to and state.is_empty:
        return replace(state, encryption=None, sealed=None)
    key = keyring.data_key(state.lineage)
    header = key.header_for(keyring.mode)
    if keyring.mode == "full":
        text = encode_state(replace(state, encryption=None, sealed=None))
        sealed = key.sealer("state").seal(text, place("state", state.lineage, state.serial))
        return State(
            state.lineage,
            state.serial,
            engine_version=state.engine_version,
            encryption=header,
            sealed=to_text(sealed),
        )
    values = value_sealer(key)
    return replace(_changed(state, values.seal_object, values.seal_output), encryption=header, sealed=None)


def open_state(state: State, keyring: Keyring, where: str) -> State:
    """The state with everything opened. `where` names it in messages.

    Raises DiagnosticsError when its key is missing or another, or what is sealed was tampered with.
    """
    if not is_sealed(state):
        return state
    if state.encryption is None:
        raise damaged(where, "The state, whose header is gone,")
    key = keyring.open(state.encryption, state.lineage, where)
    if state.sealed is not None:
        try:
            if state.objects or state.outputs or state.checks or state.pending_rollback is not None:
                raise ForgedError
            text = key.sealer("state").open(from_text(state.sealed), place("state", state.lineage, state.serial))
        except (ForgedError, ValueError):
            raise damaged(where, "The state") from None
        return decode_state(text, where)
    if state.encryption.get("mode") != "values":
        raise damaged(where, "The state, of which nothing is there,")
    values = value_sealer(key)
    try:
        return replace(_changed(state, values.open_object, values.open_output), encryption=None)
    except UnsealedError as found:
        raise damaged(where, f"The sensitive value at {found.place}") from None


def _changed(state: State, objects: ObjectChange, outputs: OutputChange) -> State:
    table: dict[Any, ResourceObject] = {
        key: objects(object_) if object_.sensitive_paths or object_.private is not None else object_
        for key, object_ in state.objects.items()
    }
    pending = state.pending_rollback
    if pending is not None:
        changes = tuple(
            change if change.wanted is None else replace(change, wanted=objects(change.wanted))
            for change in pending.changes
        )
        pending = replace(pending, changes=changes, outputs=change_outputs(pending.outputs, outputs))
    return replace(state, objects=table, outputs=change_outputs(state.outputs, outputs), pending_rollback=pending)
