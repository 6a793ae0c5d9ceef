"""Finding the records of runs."""

from __future__ import annotations

from dataclasses import replace

from iacengine.foundation.diagnostics import failure, near_match, some
from iacengine.state.backends.base import Backend
from iacengine.state.run_record import RunRecord

_NAMED = 5


def recorded_runs(backend: Backend, limit: int | None = None) -> list[RunRecord]:
    """The newest records, the newest first. One that says `running` and whose process does not hold the lock has been
    interrupted: nobody has had the lock since who could have noted it."""
    found = list(backend.runs(limit))[::-1]
    if not any(record.outcome == "running" for record in found):
        return found
    holder = backend.lock_holder()
    at_work = (holder.host, holder.pid) if holder is not None else None
    return [
        replace(record, outcome="interrupted")
        if record.outcome == "running" and (record.host, record.pid) != at_work
        else record
        for record in found
    ]


def one_run(backend: Backend, id_: str) -> RunRecord:
    """The run whose id begins so. Raises DiagnosticsError when there is none, or more than one."""
    known = recorded_runs(backend)
    found = [record for record in known if record.id == id_] or [
        record for record in known if record.id.startswith(id_)
    ]
    if len(found) == 1 and id_:
        return found[0]
    if not found or not id_:
        meant = near_match(id_, [record.id for record in known])
        raise failure(
            "No such run",
            f"{backend.describe()} has no record of a run whose id begins with {id_!r}.",
            remedy=f"Did you mean {meant}?" if meant else "`iac runs list` lists them.",
        )
    raise failure(
        "Several runs",
        f"The ids of {len(found)} runs begin with {id_!r}: {some((run.id for run in found), _NAMED)}.",
        remedy="Write more of the id.",
    )
