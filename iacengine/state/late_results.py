"""Results that come too late: objects that a run made after it had lost its lock, and after others had looked for them.

A run that is frozen in the middle of a call (a laptop that sleeps, a machine that is paused) may be taken for dead. The
run that follows looks up by its token what the call made, finds nothing, and makes another. When the first one goes on,
its call gets through all the same: nobody can take back a request that is on its way. It can write neither state nor
journal; what it made is in its spool, and from there comes into the state, so that nothing exists that no state knows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, some, warning
from iacengine.state.backends.base import Backend
from iacengine.state.journal_entries import Changed, Failed, JournalEntry, Opened, Succeeded
from iacengine.state.model import ObjectKey, ResourceObject, State
from iacengine.state.replay import Replay


def late_objects(state: State | None, kept: Sequence[JournalEntry], heard: Set[str]) -> dict[ObjectKey, ResourceObject]:
    """The objects of which the results in `kept` tell and that nobody has heard of: neither the state nor `heard`, the
    tokens of objects in versions since, has the token that made them.

    Where another one has taken an object's place, its key is that of a replaced object which is still to be deleted.
    """
    objects = {} if state is None else dict(state.objects)
    known = {stored.token for stored in objects.values()} | heard
    found: dict[ObjectKey, ResourceObject] = {}
    for entry in kept:
        changes = entry.changes if isinstance(entry, Succeeded | Failed) else {}
        for made in changes.values():
            if made is None or not made.token or made.token in known:
                continue
            known.add(made.token)
            address = made.address
            key = (address, "") if (address, "") not in objects else (address, made.token[:8])
            objects[key] = found[key] = replace(made, deposed=key[1], protected=made.protected and not key[1])
    return found


def tokens_since(backend: Backend, serial: int) -> set[str]:
    """The tokens of all objects in the versions after a serial, as far as they are kept and can be read."""
    found: set[str] = set()
    for version in backend.versions():
        if version.serial > serial:
            with contextlib.suppress(DiagnosticsError):  # gone meanwhile, or sealed with a key that is not there
                objects = backend.read_version(version.serial).objects.values()
                found |= {stored.token for stored in objects if stored.token is not None}
    return found


def late_entries(
    opened: Opened, now: Replay, late: Mapping[ObjectKey, ResourceObject], fencing_token: int
) -> list[JournalEntry]:
    """What puts the objects into the state: at the end of the run that the journal tells of, or as a run of its own."""
    state = now.state
    assert state is not None, "the results are of this lineage, so there is a state or a journal"
    run = now.runs[-1].opened if now.runs else replace(opened, on_failure="pause", settles=False)
    again = replace(run, lineage=state.lineage, serial=state.serial, fencing_token=fencing_token, encryption=None)
    return [again, Changed(dict(late))]


def taken_in(opened: Opened, late: Mapping[ObjectKey, ResourceObject]) -> Diagnostic:
    made = some(map(_named, late.values()))
    return warning(
        "An earlier run made objects after it had lost its lock",
        f"`{opened.command}` of {opened.time} (run {opened.run}) made {made} when others had already looked for "
        "what it had left. That is in the state now.",
        remedy="The next `iac apply` deletes what is there twice, or is not wanted.",
    )


def _named(made: ResourceObject) -> str:
    id_ = made.attributes.get("id")
    return f"{made.address} (id {id_})" if isinstance(id_, str) else str(made.address)
