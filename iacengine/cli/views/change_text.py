"""The headline of a change, and why it is made: one sentence for every reason."""

from __future__ import annotations

from typing import Final, assert_never

from iacengine.addresses import key_text, module_path_text
from iacengine.plan.model import Action, Change, Reason
from iacengine.schema.paths import path_text

MARKERS: Final = {
    Action.NO_OP: "",
    Action.CREATE: "+",
    Action.READ: "<=",
    Action.UPDATE: "~",
    Action.DELETE: "-",
    Action.REPLACE: "-/+",
    Action.CREATE_THEN_DELETE: "+/-",
    Action.FORGET: ".",
}

_REPLACED: Final = {
    Reason.REPLACE_BECAUSE_TAINTED: " is tainted, so it must be replaced",
    Reason.REPLACE_BY_REQUEST: " will be replaced, as requested",
    Reason.REPLACE_BY_TRIGGERS: " will be replaced, as replace_triggered_by asks for",
}


def headline(change: Change) -> str:
    """What happens, as it follows the address."""
    return (f" (deposed object {change.deposed})" if change.deposed else "") + _happening(change)


def _happening(change: Change) -> str:
    match change.action:
        case Action.NO_OP:
            if change.import_id is not None:
                return " will be imported"
            if change.previous_address is None and change.changes_protection:
                return " will be protected" if change.protected else " will not be protected any more"
            return " has moved"
        case Action.CREATE:
            return " will be created"
        case Action.READ:
            return " will be read during apply"
        case Action.UPDATE:
            return " will be updated in place"
        case Action.DELETE:
            return " will be destroyed"
        case Action.REPLACE | Action.CREATE_THEN_DELETE:
            return _REPLACED.get(change.reason, " must be replaced") if change.reason else " must be replaced"
        case Action.FORGET:
            return " will be forgotten: no longer managed here, and not destroyed"
        case _:
            assert_never(change.action)


def cause(change: Change) -> list[str]:
    """Why, and where the object comes from: no sentence, or a few."""
    sentences = []
    if change.previous_address is not None and change.previous_address != change.address:
        sentences.append(f"moved from {change.previous_address}")
    if change.import_id is not None:
        sentences.append(f'imported from "{change.import_id}"')
    if change.generated:
        sentences.append("its configuration was generated")
    if change.changes_protection:
        sentences.append(
            "protected: from now on nothing destroys it, even when its block is gone"
            if change.protected
            else "not protected any more: it can be destroyed from now on"
        )
    if change.deposed and change.action is Action.DELETE:
        sentences.append("left over from a replacement that did not complete")
    if change.reason is not None and change.action is not Action.FORGET:
        sentence = _because(change, change.reason)
        if sentence:
            sentences.append(sentence)
    return sentences


def _because(change: Change, reason: Reason) -> str:
    address = change.address
    match reason:
        case Reason.REPLACE_BECAUSE_CANNOT_UPDATE:
            paths = sorted({path_text(path) for path in change.replace_paths})
            return f"because {_listed(paths)} cannot be changed in place" if paths else ""
        case Reason.REPLACE_BECAUSE_TAINTED | Reason.REPLACE_BY_REQUEST | Reason.REPLACE_BY_TRIGGERS:
            return ""  # the headline says it
        case Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG:
            return f"because {address.config} is not in the configuration"
        case Reason.DELETE_BECAUSE_NO_MODULE:
            return f"because {module_path_text(address.module.path)} is not in the configuration"
        case Reason.DELETE_BECAUSE_WRONG_REPETITION:
            if address.key is None:
                return "because the resource now uses count or for_each"
            return f"because the resource does not use {'count' if isinstance(address.key, int) else 'for_each'}"
        case Reason.DELETE_BECAUSE_COUNT_INDEX:
            return f"because index {key_text(address.key)} is out of range for count"
        case Reason.DELETE_BECAUSE_EACH_KEY:
            return f"because key {key_text(address.key)} is not in for_each"
        case Reason.DELETE_BECAUSE_NO_MOVE_TARGET:
            source = f"{change.previous_address} was moved" if change.previous_address else "it was moved"
            return f"because {source} to {address}, which is not in the configuration"
        case Reason.READ_BECAUSE_CONFIG_UNKNOWN:
            return "because its configuration refers to values that are not known yet"
        case Reason.READ_BECAUSE_DEPENDENCY_PENDING:
            return "because it depends on a resource or module that has changes to make"
        case Reason.READ_BECAUSE_CHECK_NESTED:
            return "because the check block it is in is tested after apply"
        case _:
            assert_never(reason)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
