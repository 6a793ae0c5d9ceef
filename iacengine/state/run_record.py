"""The record that a run leaves: who did what to a stack, when, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What became of one step: `outcome` is done, failed, skipped, undone or unsettled; `seconds` it took.

    `error` is the summary of what went wrong ("" when nothing did); it holds no sensitive value.
    """

    address: str
    operation: str
    outcome: str
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """`id` is that of the run in the journal; `started` and `ended` are RFC 3339, UTC (`ended` "": goes on, or died).

    `outcome` is running, complete, declined (its plan was not approved), failed, interrupted, rolled back, paused (what
    it had done is neither kept nor undone) or recovered (it only settled what an earlier run had left). `serial_before`
    and `serial_after` are None where there was no state. `plan_digest` is the SHA-256 of the plan, hexadecimal.
    `error` is the summary of what ended the run ("" when nothing did). No part holds a sensitive value.
    """

    id: str
    command: str
    owner: str
    host: str
    pid: int
    started: str
    ended: str = ""
    outcome: str = "running"
    serial_before: int | None = None
    serial_after: int | None = None
    plan_digest: str = ""
    on_failure: str = ""
    steps: tuple[StepRecord, ...] = field(default_factory=tuple)
    error: str = ""


def newest(records: Sequence[RunRecord], limit: int | None) -> Sequence[RunRecord]:
    """The last `limit` of records that stand oldest first; all when it is None."""
    return records if limit is None else records[max(0, len(records) - limit) :]


def run_record_to_json(record: RunRecord) -> dict[str, Any]:
    """The record as plain JSON data."""
    return {
        "id": record.id,
        "command": record.command,
        "owner": record.owner,
        "host": record.host,
        "pid": record.pid,
        "started": record.started,
        "ended": record.ended,
        "outcome": record.outcome,
        "serial_before": record.serial_before,
        "serial_after": record.serial_after,
        "plan_digest": record.plan_digest,
        "on_failure": record.on_failure,
        "error": record.error,
        "steps": [
            {
                "address": step.address,
                "operation": step.operation,
                "outcome": step.outcome,
                "seconds": round(step.seconds, 3),
                "error": step.error,
            }
            for step in record.steps
        ],
    }


def run_record_from_json(data: Any) -> RunRecord:
    """Raises KeyError, TypeError or ValueError when the data is no record of a run."""
    before, after = data["serial_before"], data["serial_after"]
    return RunRecord(
        id=str(data["id"]),
        command=str(data["command"]),
        owner=str(data["owner"]),
        host=str(data["host"]),
        pid=int(data["pid"]),
        started=str(data["started"]),
        ended=str(data["ended"]),
        outcome=str(data["outcome"]),
        serial_before=None if before is None else int(before),
        serial_after=None if after is None else int(after),
        plan_digest=str(data["plan_digest"]),
        on_failure=str(data["on_failure"]),
        error=str(data.get("error", "")),
        steps=tuple(
            StepRecord(
                str(step["address"]),
                str(step["operation"]),
                str(step["outcome"]),
                float(step["seconds"]),
                str(step["error"]),
            )
            for step in data["steps"]
        ),
    )
