"""Replay: the state as it is, from the state as last written and the journal of what was done since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, failure, warning
from iacengine.state.journal_entries import (
    Begun,
    Changed,
    Closed,
    Failed,
    JournalEntry,
    Opened,
    Operation,
    Sealed,
    Succeeded,
)
from iacengine.state.model import CheckResult, Identity, ObjectKey, OutputState, ResourceObject, State
from iacengine.state.moved import COMMAND, migration_cut_off


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run that the journal tells of.

    `outcome` is that of its `Closed`, None when it never came to it. `prepared`: what planning had found out before.
    `committed`: its commit phase had begun. `destroyed`: the objects that it is known to have destroyed.
    """

    opened: Opened
    outcome: str | None = None
    prepared: Changed = field(default_factory=Changed)
    committed: bool = False
    destroyed: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What a journal amounts to.

    `state`: with everything applied that is known to be done; its serial is still that of the state below the journal.
    `in_flight`: operations that began and whose end is unknown, in the order they began. `runs`: those that were
    replayed. `problems`: warnings about entries that were skipped.
    """

    state: State | None
    in_flight: tuple[Begun, ...] = ()
    runs: tuple[Run, ...] = ()
    problems: tuple[Diagnostic, ...] = ()


def replay(state: State | None, entries: Iterable[JournalEntry]) -> Replay:
    """Apply the entries of a journal, in order, over the state that was last written.

    A run over an older serial is skipped: its result is in the state already (a crash came between writing the state
    and clearing the journal). So is, with a warning, a run over another lineage. What a later run does to the object
    of an operation in flight settles that operation. Raises DiagnosticsError when a run is over a newer serial (the
    state was put back, or is gone), or when entries belong to no run.
    """
    replaying = _Replaying(state)
    for entry in entries:
        replaying.take(entry)
    return replaying.result()


class _Replaying:
    """The state under replay; one copy of the table of objects is made, when the first entry counts."""

    def __init__(self, state: State | None) -> None:
        self._base = state
        self._objects: dict[ObjectKey, ResourceObject] | None = None
        self._outputs: Mapping[str, OutputState] | None = None
        self._checks: tuple[CheckResult, ...] | None = None
        self._in_flight: dict[tuple[int, int], Begun] = {}  # by run and step
        self._unsettled: dict[ObjectKey, list[tuple[int, int]]] = {}  # of earlier runs
        self._runs: list[Run] = []
        self._destroyed: list[list[Identity]] = []  # by run
        self._problems: list[Diagnostic] = []
        self._opened = False
        self._skipping = False

    def take(self, entry: JournalEntry) -> None:
        if isinstance(entry, Opened):
            self._open(entry)
            return
        if not self._opened:
            raise failure(
                "Journal without a run",
                "The journal starts with an entry that belongs to no run, so it is unknown which state it changes.",
                remedy="Keep a copy of the journal and move it away; then compare with what exists using `iac plan`.",
            )
        if self._skipping:
            return
        run = len(self._runs) - 1
        match entry:
            case Begun():
                self._settle((entry.address, entry.deposed))
                self._in_flight[(run, entry.step)] = entry
                if entry.commits and not self._runs[run].committed:
                    self._runs[run] = replace(self._runs[run], committed=True)
            case Succeeded() | Failed():
                begun = self._in_flight.pop((run, entry.step), None)
                if begun is not None and begun.prior is not None and _destroyed(begun, entry):
                    self._destroyed[run].append(begun.prior.identity)
                self._change(entry.changes)
            case Changed():
                if entry.prepares:
                    self._runs[run] = replace(self._runs[run], prepared=entry)
                self._change(entry.changes)
                self._outputs = self._outputs if entry.outputs is None else entry.outputs
                self._checks = self._checks if entry.checks is None else entry.checks
            case Sealed():
                raise AssertionError("sealed entries are opened before they are replayed")
            case Closed():
                self._runs[run] = replace(self._runs[run], outcome=entry.outcome)
            case _:
                assert_never(entry)

    def _open(self, opened: Opened) -> None:
        self._opened = True
        if self._base is None and opened.serial == 0:
            self._base = State(opened.lineage)
        serial = None if self._base is None else self._base.serial
        if self._base is not None and opened.lineage != self._base.lineage:
            self._skipping = True
            self._problems.append(_of_another_lineage(opened))
        elif serial is None or opened.serial > serial:
            raise _newer(opened, serial)
        else:
            self._skipping = opened.serial < serial
        if not self._skipping and not (self._runs and _continues(opened, self._runs[-1].opened)):
            self._unsettled = {}
            for operation, begun in self._in_flight.items():
                self._unsettled.setdefault((begun.address, begun.deposed), []).append(operation)
            self._runs.append(Run(opened))
            self._destroyed.append([])

    def _change(self, changes: Mapping[ObjectKey, ResourceObject | None]) -> None:
        if not changes:
            return
        if self._objects is None:
            assert self._base is not None
            self._objects = dict(self._base.objects)
        for key, changed in changes.items():
            self._settle(key)
            if changed is None:
                self._objects.pop(key, None)
            else:
                self._objects[key] = changed

    def _settle(self, key: ObjectKey) -> None:
        if self._unsettled:
            for operation in self._unsettled.pop(key, ()):
                self._in_flight.pop(operation, None)

    def result(self) -> Replay:
        state = self._base
        if state is not None:
            if self._objects is not None:
                state = replace(state, objects=self._objects)
            if self._outputs is not None:
                state = replace(state, outputs=self._outputs)
            if self._checks is not None:
                state = replace(state, checks=self._checks)
        runs = (replace(run, destroyed=tuple(gone)) for run, gone in zip(self._runs, self._destroyed, strict=True))
        return Replay(state, tuple(self._in_flight.values()), tuple(runs), tuple(self._problems))


def _destroyed(begun: Begun, ended: Succeeded | Failed) -> bool:
    is_gone = ended.changes.get((begun.address, begun.deposed), begun.prior) is None
    return begun.operation is Operation.DELETE and is_gone


def _continues(opened: Opened, before: Opened) -> bool:
    """Whether a run goes on that could not write, under another lock (see `iacengine.state.spool`)."""
    return (opened.run, opened.serial) == (before.run, before.serial)


def _of_another_lineage(opened: Opened) -> Diagnostic:
    return warning(
        "Journal of another state",
        f"The run `{opened.command}` of {opened.time} changed the state of lineage {opened.lineage}, which is not this "
        "one; its entries were left out.",
        remedy="If this state was put in the place of that one, compare with what exists using `iac plan`.",
    )


def _newer(opened: Opened, serial: int | None) -> DiagnosticsError:
    if opened.command == COMMAND:
        return migration_cut_off(opened.time)
    there = "there is no state" if serial is None else f"the state has serial {serial}"
    return failure(
        "Journal of a newer state",
        f"The run `{opened.command}` of {opened.time} started from serial {opened.serial}, but {there}: the state was "
        "removed, or an older one was put in its place.",
        remedy=f"Restore the state with serial {opened.serial}. If it is lost, keep a copy of the journal, move it "
        "away, and compare with what exists using `iac plan`.",
    )
