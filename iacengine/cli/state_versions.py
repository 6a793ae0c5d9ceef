"""Looking at earlier versions of a state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from iacengine.cli.run_records import recorded_runs
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import Backend, StateVersion
from iacengine.state.comparison import Comparison, compare
from iacengine.state.model import State
from iacengine.state.run_record import RunRecord

PRESENT = "now"
"""What names the present version instead of its serial."""


@dataclass(frozen=True, slots=True, eq=False)
class Chapter:
    """One version: the run that wrote it (None: not known) and what it changed.

    `comparison` is None when this version or the one before is not there to be read.
    """

    version: StateVersion
    run: RunRecord | None
    comparison: Comparison | None
    is_present: bool


def history(backend: Backend, limit: int) -> list[Chapter]:
    """The newest versions, the newest first. Reads one state for each, and one more."""
    versions = list(backend.versions())
    shown = versions[max(0, len(versions) - limit) :]
    writers = _writers(backend, [version.serial for version in shown])
    found: list[Chapter] = []
    before = _readable(backend, versions[-len(shown) - 1].serial) if len(versions) > len(shown) else None
    for index, version in enumerate(shown):
        now = _readable(backend, version.serial)
        if index == 0 and before is None and version.serial == 1 and now is not None:
            before = State(now.lineage)
        told = compare(before, now) if before is not None and now is not None else None
        found.append(Chapter(version, writers.get(version.serial), told, version is versions[-1]))
        before = now
    return found[::-1]


def _writers(backend: Backend, serials: Sequence[int]) -> dict[int, RunRecord]:
    """The last run that wrote each serial, on its way from one to another."""
    try:
        records = recorded_runs(backend)  # the newest first
    except DiagnosticsError:  # told by `iac runs list`; the versions are there without
        return {}
    found: dict[int, RunRecord] = {}
    for serial in serials:
        writer = next((record for record in records if _wrote(record, serial)), None)
        if writer is not None:
            found[serial] = writer
    return found


def _wrote(record: RunRecord, serial: int) -> bool:
    before, after = record.serial_before or 0, record.serial_after
    return after is not None and (before < serial <= after or (serial == after < before))


def _readable(backend: Backend, serial: int) -> State | None:
    try:
        return backend.read_version(serial)
    except DiagnosticsError:  # pruned meanwhile, or sealed with a key that is not there any more
        return None


def read_version(backend: Backend, text: str) -> State:
    """The version with a serial, or the present one. Raises DiagnosticsError when it is not kept."""
    if text != PRESENT:
        if not text.isascii() or not text.isdigit():
            raise failure(
                "Not a version",
                f'"{text}" is no serial of a version.',
                remedy=f'Write a number that `iac state history` lists, or "{PRESENT}".',
            )
        return backend.read_version(int(text))
    state = backend.read()
    if state is None:
        raise failure("No state", "This stack has no state yet.", remedy="Run `iac apply` first.")
    return state


def two_versions(backend: Backend, first: str, second: str) -> tuple[State, State]:
    """Two versions of one lineage. Raises DiagnosticsError."""
    before, after = read_version(backend, first), read_version(backend, second)
    if before.lineage != after.lineage:
        before = replace(before, lineage=after.lineage)
    return before, after


def differing_paths(before: object, after: object) -> Iterator[tuple[tuple[str | int, ...], object, object]]:
    """Where two values in stored form differ, as deep as both are objects or lists of one length."""
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            for path, old, new in differing_paths(before.get(name), after.get(name)):
                yield (name, *path), old, new
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            for path, old, new in differing_paths(one, other):
                yield (index, *path), old, new
    else:
        yield (), before, after
