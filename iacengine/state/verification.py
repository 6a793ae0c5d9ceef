"""Verifying all that is kept of a stack: state, journal and versions, digests, seals and invariants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.encryption.header import KeyMissingError
from iacengine.state.encryption.journals import open_entries
from iacengine.state.encryption.states import is_sealed, open_state
from iacengine.state.invariants import Violation, journal_violations, state_violations
from iacengine.state.journal_entries import JournalEntry
from iacengine.state.model import State

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What was looked at, and what is wrong.

    `sealed`: the mode of encryption, None without. `lineage` None: there is no state. `objects` are those of the state,
    `entries` those of the journal, `versions` those kept before it; `closed` says how many of those need a key that is
    not configured, as they do after a rotation.
    """

    where: str
    lineage: str | None
    serial: int | None
    sealed: str | None
    objects: int
    entries: int
    versions: int
    closed: int
    violations: tuple[Violation, ...]


def verify(backend: SealedBackend) -> Verification:
    """Look at everything, and go on after what is wrong. Raises nothing that is wrong with what is kept."""
    wrong: list[Violation] = []
    where = backend.describe()
    raw = _tried(1, wrong, backend.inner.read)
    state = None
    if raw is not None:
        state = _tried(2, wrong, lambda: open_state(raw, backend.keyring, where) if is_sealed(raw) else raw)
    if state is not None:
        wrong.extend(state_violations(state))
    written = _tried(17, wrong, backend.inner.read_journal)
    entries: Sequence[JournalEntry] | None = None
    if written is not None:
        entries = _tried(2, wrong, lambda: open_entries(written, backend.keyring, f"The journal of {where}"))
    if entries is not None and (state is not None or raw is None):
        wrong.extend(journal_violations(state, entries))
    versions, closed = _verify_versions(backend, raw, wrong)
    return Verification(
        where,
        raw.lineage if raw is not None else None,
        raw.serial if raw is not None else None,
        None if raw is None or raw.encryption is None else str(raw.encryption.get("mode")),
        len(state.objects) if state is not None else 0,
        len(written or ()),
        versions,
        closed,
        tuple(sorted(set(wrong), key=lambda violation: violation.number)),
    )


def _verify_versions(backend: SealedBackend, state: State | None, wrong: list[Violation]) -> tuple[int, int]:
    kept = _tried(21, wrong, backend.inner.versions) or ()
    earlier = [version.serial for version in kept if state is None or version.serial != state.serial]
    closed = 0
    for serial in earlier:
        try:
            version = backend.read_version(serial)
        except KeyMissingError:
            closed += 1
            continue
        except DiagnosticsError as found:
            wrong.extend(Violation(21, one.detail or one.summary) for one in found.diagnostics)
            continue
        if version.serial != serial:
            wrong.append(Violation(21, f"the version with serial {serial} says that it has {version.serial}"))
        if state is not None and version.lineage != state.lineage:
            wrong.append(Violation(21, f"the version with serial {serial} has the lineage {version.lineage}"))
    return len(earlier), closed


def _tried(number: int, wrong: list[Violation], call: Callable[[], Found]) -> Found | None:
    try:
        return call()
    except DiagnosticsError as found:
        wrong.extend(Violation(number, one.detail or one.summary) for one in found.diagnostics)
        return None
