"""The spool: journal entries that could not be written, kept on this machine until the backend can be written again.

A run that cannot reach its backend any more has done things that the journal does not tell of. What it was about to
write goes into a file of its own, in the format of the journal: an `Opened` of the same run, then the entries. Where
the stack encrypts, they are sealed as in the journal. The next run on this machine appends them, before it recovers, if
nothing has happened to the state since. Else others have settled by then what they tell of, and they are set aside;
but for objects that were made after others had looked for them, by a run that was frozen until its lock was lost: these
are put into the state (`iacengine.state.late_results`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from iacengine.foundation.atomic import make_folders, read_regular_file, write_atomically
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, warning
from iacengine.state.backends.base import Backend, StateLock
from iacengine.state.journal import HEADER, decode_entries, encode_entries, entry_to_json
from iacengine.state.journal_entries import Begun, Closed, Failed, JournalEntry, Opened, Succeeded
from iacengine.state.json_form import dump
from iacengine.state.model import State
from iacengine.state.replay import replay

_ENDING: Final = ".journal"
_SET_ASIDE: Final = ".set-aside"


@dataclass(frozen=True, slots=True)
class Spool:
    """Where files are kept: `folders` in the order in which they are tried."""

    folders: tuple[str, ...]

    def keep(self, backend: Backend, opened: Opened, entries: Sequence[JournalEntry]) -> tuple[str, int] | None:
        """Write down what the run could not append; the path, and how many operations it tells of.

        None when there is nothing that the journal would miss. Raises DiagnosticsError when it can be kept nowhere,
        or when it must be sealed and cannot be.
        """
        left = _without_what_was_not_begun(entries)
        if not left:
            return None
        sealed = _sealed(backend, [opened, *left])
        data = HEADER + encode_entries(sealed, 1)
        problem: OSError | None = None
        for folder in self.folders:
            path = os.path.join(folder, opened.run + _ENDING)  # noqa: PTH118 - text in, text out
            try:
                make_folders(folder)
                write_atomically(path, data)  # mode 0600
            except OSError as found:
                problem = found
                continue
            return path, sum(isinstance(entry, Succeeded | Failed) for entry in left)
        assert problem is not None, "there is a folder"
        raise DiagnosticsError(
            error(
                "Results cannot be kept",
                f"What the journal could not be told cannot be written on this machine either: {problem.strerror}.",
                remedy="Nothing is made twice all the same: the journal knows what was begun, and the next run looks "
                "it up.",
            )
        )

    def push(self, backend: Backend, lock: StateLock, tell: Callable[[Diagnostic], None]) -> None:
        """Append what earlier runs left here to the journal, under the lock; of what comes too late, only objects that
        nobody knows of. The rest of that is set aside.

        Files of other stacks stay where they are. Raises DiagnosticsError when the backend cannot be read or written.
        """
        paths = self._paths()
        if not paths:
            return
        state = backend.read()
        journal = backend.read_journal()
        for path in paths:
            data = read_regular_file(path)
            if data is None:
                continue
            kept = decode_entries(data, path)
            first = kept[0] if kept else None
            if not isinstance(first, Opened) or first.lineage != _lineage(state, journal):
                continue
            last = _last_run(journal)
            kept = tuple(_opened(backend, kept, path))
            if last is None or last[0].run != first.run or not _is_of(last[0], state):
                from iacengine.state.late_results import (  # lazy: runs rarely lose their lock
                    late_entries,
                    late_objects,
                    taken_in,
                    tokens_since,
                )

                now = replay(state, journal)
                late = late_objects(now.state, kept, tokens_since(backend, first.serial))
                if late:
                    backend.append(late_entries(first, now, late, lock.info.fencing_token), lock)
                    journal = backend.read_journal()
                    os.remove(path)  # noqa: PTH107 - text in, text out
                    tell(taken_in(first, late))
                else:
                    os.replace(path, path + _SET_ASIDE)  # noqa: PTH105 - as above
                    tell(_too_late(first, path + _SET_ASIDE))
                continue
            missing = _missing(last[1], kept[1:])
            if missing:
                again = replace(last[0], fencing_token=lock.info.fencing_token, encryption=None)
                backend.append([again, *missing], lock)
                journal = backend.read_journal()
            os.remove(path)  # noqa: PTH107 - as above
            tell(_pushed(first, missing))

    def _paths(self) -> list[str]:
        found: list[str] = []
        for folder in self.folders:
            try:
                names = os.listdir(folder)  # noqa: PTH208 - text in, text out
            except OSError:
                continue
            found += [os.path.join(folder, name) for name in sorted(names) if name.endswith(_ENDING)]  # noqa: PTH118
        return found


def spool_of(directory: str, environment: Mapping[str, str]) -> Spool:
    """The spool of the stack in a directory: beside it, or where that cannot be written in the user's own folder."""
    home = environment.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")  # noqa: PTH111, PTH118
    beside = os.path.join(directory or ".", ".iac", "spool")  # noqa: PTH118
    return Spool((os.path.abspath(beside), os.path.join(home, "iacengine", "spool")))  # noqa: PTH100, PTH118


# --- what is kept and what is missing -------------------------------------------------------------------------------


def _without_what_was_not_begun(entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    """No provider is called before its `begun` is durable: what has no end here was never called."""
    ended = {entry.step for entry in entries if isinstance(entry, Succeeded | Failed)}
    return [entry for entry in entries if not isinstance(entry, Begun) or entry.step in ended]


def _last_run(journal: Sequence[JournalEntry]) -> tuple[Opened, list[JournalEntry]] | None:
    """The last run of a journal, and its entries, those of its continuations included."""
    last: Opened | None = None
    entries: list[JournalEntry] = []
    for entry in journal:
        if not isinstance(entry, Opened):
            entries.append(entry)
        elif last is None or entry.run != last.run:
            last, entries = entry, []
    return None if last is None else (last, entries)


def _missing(there: Sequence[JournalEntry], kept: Sequence[JournalEntry]) -> list[JournalEntry]:
    """What is not in the journal. A batch that was not acknowledged may be in it all the same, at its end."""
    if any(isinstance(entry, Closed) for entry in there):
        return []
    texts = [dump(entry_to_json(entry)) for entry in kept]
    tail = [dump(entry_to_json(entry)) for entry in there[-len(kept) :]]
    for length in range(min(len(tail), len(texts)), 0, -1):
        if tail[-length:] == texts[:length]:
            return list(kept[length:])
    return list(kept)


def _lineage(state: State | None, journal: Sequence[JournalEntry]) -> str | None:
    if state is not None:
        return state.lineage
    return next((entry.lineage for entry in journal if isinstance(entry, Opened)), None)


def _is_of(opened: Opened, state: State | None) -> bool:
    return opened.serial == (0 if state is None else state.serial)


def _sealed(backend: Backend, entries: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
    seal: Callable[[Sequence[JournalEntry]], Sequence[JournalEntry]] | None = getattr(backend, "sealed_entries", None)
    return entries if seal is None else seal(entries)


def _opened(backend: Backend, entries: Sequence[JournalEntry], where: str) -> Sequence[JournalEntry]:
    open_: Callable[[Sequence[JournalEntry], str], Sequence[JournalEntry]] | None
    open_ = getattr(backend, "opened_entries", None)
    return entries if open_ is None else open_(entries, where)


# --- what is told ---------------------------------------------------------------------------------------------------


def kept_here(path: str, count: int, *, lost: bool) -> Diagnostic:
    """What to say of a run whose results are in the spool. `lost`: because it had lost its lock."""
    results = "1 operation" if count == 1 else f"{count} operations"
    here = "run `iac recover` (or any other command that changes something) here: it takes them up first."
    return error(
        "Not everything is in the journal",
        f"The results of {results}, and what else the journal could not be told, are kept on this machine, in {path}.",
        remedy=f"When nobody else works on the state any more, {here} What others have made in its place since stays; "
        "what this run made is then in the state, to be deleted by the next apply."
        if lost
        else f"When the state can be written again, {here} Elsewhere nothing is made twice either, but has to be "
        "looked up.",
    )


def _pushed(opened: Opened, missing: Sequence[JournalEntry]) -> Diagnostic:
    count = sum(isinstance(entry, Succeeded | Failed) for entry in missing)
    results = "the result of 1 operation" if count == 1 else f"the results of {count} operations"
    said = f"took up {results} that were kept on this machine" if missing else "found that the journal has all of it"
    return warning(
        "Took up what an earlier run could not write",
        f"`{opened.command}` of {opened.time} (run {opened.run}) had lost its state's place; iac {said}.",
    )


def _too_late(opened: Opened, path: str) -> Diagnostic:
    return warning(
        "Results of an earlier run came too late",
        f"`{opened.command}` of {opened.time} (run {opened.run}) could not write some of what it had done. The state "
        f"has been written by others since, who have looked that up; the file was set aside, as {path}.",
        remedy="Compare with what exists using `iac plan`, then remove the file.",
    )
