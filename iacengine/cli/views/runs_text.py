"""Records of runs for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from iacengine.cli.views.progress import elapsed_text
from iacengine.cli.views.table_text import table_text
from iacengine.state.run_record import RunRecord

SHORT_ID = 8
"""So many letters of an id are shown in lists; they are enough to name it again."""


def runs_text(records: Sequence[RunRecord]) -> str:
    """A line for each."""
    if not records:
        return "No runs are recorded.\n"
    rows = [
        (
            record.id[:SHORT_ID],
            moment_text(record.started),
            record.command,
            f"{record.owner}@{record.host}",
            record.outcome,
            serials_text(record),
            ", ".join(_steps(record)),
        )
        for record in records
    ]
    return table_text(("id", "started", "command", "by", "outcome", "serial", "steps"), rows)


def run_text(record: RunRecord) -> str:
    """All that is known of one run."""
    took = _seconds(record)
    facts = [
        ("run", record.id),
        ("command", record.command),
        ("by", f"{record.owner}@{record.host}, process {record.pid}"),
        ("started", moment_text(record.started)),
        ("ended", moment_text(record.ended) + (f" (after {elapsed_text(took)})" if took is not None else "")),
        ("outcome", record.outcome),
        ("error", record.error),
        ("serial", serials_text(record)),
        ("plan", f"sha256:{record.plan_digest}" if record.plan_digest else ""),
        ("on failure", record.on_failure),
    ]
    lines = [f"{name + ':':<12}{text}\n" for name, text in facts if text]
    if record.steps:
        rows = [
            (step.address or "-", step.operation or "-", step.outcome, f"{step.seconds:.1f}s", step.error)
            for step in record.steps
        ]
        lines += ["\n", table_text(("address", "operation", "outcome", "took", "error"), rows)]
    return "".join(lines)


def serials_text(record: RunRecord) -> str:
    """`3 -> 4`, or `3` when the run did not change the state."""
    before, after = ("none" if one is None else str(one) for one in (record.serial_before, record.serial_after))
    return before if before == after else f"{before} -> {after}"


def moment_text(time: str) -> str:
    """An RFC 3339 time in UTC to the second, as people write it."""
    return f"{time[:10]} {time[11:19]}" if time else ""


def _steps(record: RunRecord) -> list[str]:
    counts = Counter(step.outcome for step in record.steps)
    return [f"{count} {outcome}" for outcome, count in counts.items()]


def _seconds(record: RunRecord) -> float | None:
    try:
        started, ended = (datetime.fromisoformat(one.replace("Z", "+00:00")) for one in (record.started, record.ended))
    except ValueError:
        return None
    return max(0.0, (ended - started).total_seconds())
