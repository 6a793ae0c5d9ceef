"""An event as a JSON document. Documents of one run are numbered; what they say is in the README.

Every document has `schema` (1), `run`, `sequence` (from 1, without gaps unless some were lost), `time` (RFC 3339, UTC)
and `type`. The rest depends on the type. Fields may come to be added; what is there keeps its meaning. No sensitive
value gets into a document: diagnostics are told as they are to people.
"""

from __future__ import annotations

from typing import Any, assert_never

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.plan.events import (
    EphemeralFinished,
    EphemeralStarted,
    Event,
    ProvisionFinished,
    ProvisionOutput,
    ProvisionStarted,
    ReadFinished,
    ReadStarted,
    Recovered,
    RefreshFinished,
    RefreshStarted,
    RollbackFinished,
    RollbackStarted,
    StepFailed,
    StepFinished,
    StepRetrying,
    StepSkipped,
    StepStarted,
    Warned,
)
from iacengine.plan.model import ChangeCounts

SCHEMA = 1

Document = dict[str, Any]


def event_document(event: Event) -> Document:
    """The type of an event and what belongs to it."""
    match event:
        case StepStarted() | StepFinished() | StepFailed() | StepSkipped() | StepRetrying():
            return _step(event)
        case RefreshStarted() | RefreshFinished():
            kind = "refresh_started" if isinstance(event, RefreshStarted) else "refresh_finished"
            return {"type": kind, "provider": event.provider, "resource_type": event.type, "objects": event.total}
        case ReadStarted():
            return {"type": "read_started", "address": str(event.address), "id": event.id}
        case ReadFinished():
            seconds = _seconds(event.elapsed)
            return {"type": "read_finished", "address": str(event.address), "id": event.id, "seconds": seconds}
        case ProvisionStarted() | ProvisionOutput() | ProvisionFinished():
            return _provision(event)
        case EphemeralStarted():
            return {"type": "ephemeral_started", "address": str(event.address), "operation": event.action}
        case EphemeralFinished():
            return {
                "type": "ephemeral_finished",
                "address": str(event.address),
                "operation": event.action,
                "seconds": _seconds(event.elapsed),
                "outcome": "failed" if event.failed else "done",
            }
        case Recovered():
            return {
                "type": "recovered",
                "address": str(event.address),
                "operation": event.operation.value,
                "outcome": event.outcome,
            }
        case RollbackStarted():
            return {"type": "rollback_started", "undone_run": event.run, "steps": event.total}
        case RollbackFinished():
            return {"type": "rollback_finished", "undone_run": event.run, "left": [str(one) for one in event.left]}
        case Warned():
            return {"type": "warning", "diagnostics": [diagnostic_document(event.diagnostic)]}
        case _:
            assert_never(event)


def _step(event: StepStarted | StepFinished | StepFailed | StepSkipped | StepRetrying) -> Document:
    about: Document = {"address": str(event.address), "operation": event.operation.value}
    if getattr(event, "deposed", ""):
        about["deposed"] = getattr(event, "deposed", "")
    match event:
        case StepStarted():
            return {"type": "step_started", **about, "id": event.id}
        case StepFinished():
            return {
                "type": "step_finished",
                **about,
                "id": event.id,
                "seconds": _seconds(event.elapsed),
                "outcome": "done",
            }
        case StepFailed():
            return {
                "type": "step_failed",
                **about,
                "seconds": _seconds(event.elapsed),
                "outcome": "failed",
                "diagnostics": [diagnostic_document(found) for found in event.diagnostics],
            }
        case StepSkipped():
            return {"type": "step_skipped", **about, "outcome": "skipped", "because": event.because}
        case StepRetrying():
            return {
                "type": "step_retrying",
                **about,
                "because": event.because,
                "attempt": event.attempt,
                "wait_seconds": _seconds(event.wait),
            }
        case _:
            assert_never(event)


def _provision(event: ProvisionStarted | ProvisionOutput | ProvisionFinished) -> Document:
    about = {"address": str(event.address), "provisioner": event.provisioner}
    match event:
        case ProvisionStarted():
            return {"type": "provision_started", **about}
        case ProvisionOutput():
            return {"type": "provision_output", **about, "line": event.line}
        case ProvisionFinished():
            return {"type": "provision_finished", **about, "outcome": "failed" if event.failed else "done"}
        case _:
            assert_never(event)


def diagnostic_document(found: Diagnostic) -> Document:
    """A finding without its source line."""
    return {
        "severity": found.severity.value,
        "summary": found.summary,
        "detail": found.detail,
        "remedy": found.remedy,
        "address": found.address,
        "place": str(found.range) if found.range is not None else None,
    }


def counts_document(counts: ChangeCounts) -> Document:
    return {
        "add": counts.add,
        "change": counts.change,
        "destroy": counts.remove,
        "import": counts.imported,
        "forget": counts.forget,
    }


def _seconds(elapsed: float) -> float:
    return round(elapsed, 3)
