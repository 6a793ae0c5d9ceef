"""The words of operations, actions and reasons, for every view."""

from __future__ import annotations

from typing import Final

from iacengine.foundation.duration import duration_text
from iacengine.plan.events import StepRetrying
from iacengine.plan.model import Action, ChangeCounts, Reason
from iacengine.state.journal_entries import Operation

STARTED: Final = {
    Operation.CREATE: "Creating...",
    Operation.READ: "Reading...",
    Operation.UPDATE: "Modifying...",
    Operation.DELETE: "Destroying...",
    Operation.FORGET: "Forgetting...",
}
RUNNING: Final = {
    Operation.CREATE: "Still creating...",
    Operation.READ: "Still reading...",
    Operation.UPDATE: "Still modifying...",
    Operation.DELETE: "Still destroying...",
    Operation.FORGET: "Still forgetting...",
}
FINISHED: Final = {
    Operation.CREATE: "Creation complete",
    Operation.READ: "Read complete",
    Operation.UPDATE: "Modifications complete",
    Operation.DELETE: "Destruction complete",
    Operation.FORGET: "Forgotten",
}
ERRORED: Final = {
    Operation.CREATE: "Creation errored",
    Operation.READ: "Read errored",
    Operation.UPDATE: "Modifications errored",
    Operation.DELETE: "Destruction errored",
    Operation.FORGET: "Forgetting errored",
}

UI_ACTION: Final = {
    Action.NO_OP: "noop",
    Action.CREATE: "create",
    Action.READ: "read",
    Action.UPDATE: "update",
    Action.DELETE: "delete",
    Action.REPLACE: "replace",
    Action.CREATE_THEN_DELETE: "replace",
    Action.FORGET: "remove",
}
"""Actions as the machine-readable UI names them."""

UI_REASON: Final = {
    Reason.REPLACE_BECAUSE_CANNOT_UPDATE: "cannot_update",
    Reason.REPLACE_BECAUSE_TAINTED: "tainted",
    Reason.REPLACE_BY_REQUEST: "requested",
    Reason.REPLACE_BY_TRIGGERS: "replace_triggered_by",
}
"""Reasons that the machine-readable UI names in its own way; the others have the name they have in plan JSON."""


def retrying(event: StepRetrying) -> str:
    """`Retrying in 2s (throttled), try 2 of 5`"""
    of = f" of {event.attempts}" if event.attempts is not None else ""
    return f"Retrying in {duration_text(event.wait)} ({event.because}), try {event.attempt}{of}"


def planned_summary(counts: ChangeCounts, *, forget: bool = False) -> str:
    """`Plan: 1 to add, 0 to change, 2 to destroy.` `forget`: count those too, unlike Terraform."""
    imported = f"{counts.imported} to import, " if counts.imported else ""
    forgotten = f", {counts.forget} to forget" if forget and counts.forget else ""
    return f"Plan: {imported}{counts.add} to add, {counts.change} to change, {counts.remove} to destroy{forgotten}."


def applied_summary(
    counts: ChangeCounts, *, destroyed: bool = False, complete: bool = True, undone: bool = False
) -> str:
    """`Apply complete! Resources: 1 added, 0 changed, 2 destroyed.`"""
    if undone:
        return "Apply failed and rolled back. Resources: 0 added, 0 changed, 0 destroyed."
    if destroyed:
        head = "Destroy complete!" if complete else "Destroy incomplete."
        return f"{head} Resources: {counts.remove} destroyed."
    imported = f"{counts.imported} imported, " if counts.imported else ""
    head = "Apply complete!" if complete else "Apply incomplete."
    return f"{head} Resources: {imported}{counts.add} added, {counts.change} changed, {counts.remove} destroyed."


EPHEMERAL = {"open": "Opening", "close": "Closing"}
