"""Sealing the entries of a journal.

Each run has the header in its `Opened`, which is never sealed itself. In mode `values` the objects and outputs of the
entries that follow are sealed like those of a state. In mode `full` each entry becomes a `Sealed` with the text

    NUMBER.PREVIOUS.BASE64

`NUMBER` grows from entry to entry of a run; `PREVIOUS` is the number of the last entry that was acknowledged before it
(0: none). Both, the lineage and the run are authenticated. So an entry cannot be changed, moved, repeated or taken out
of the middle unnoticed, while a batch whose write failed may be there or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iacengine.foundation.crypto import ForgedError
from iacengine.state.encryption.header import damaged, from_text, place, to_text
from iacengine.state.encryption.states import value_sealer
from iacengine.state.encryption.values import ObjectChange, OutputChange, UnsealedError, change_objects, change_outputs
from iacengine.state.journal import entry_from_json, entry_to_json
from iacengine.state.journal_entries import Begun, Changed, Failed, JournalEntry, Opened, Sealed, Succeeded
from iacengine.state.json_form import dump, load

if TYPE_CHECKING:
    from iacengine.state.encryption.keyring import DataKey, Keyring


class JournalSealing:
    """Seals what one holder of the lock appends. Not for several threads at once."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._key: DataKey | None = None
        self._run = ""
        self._number = self._acknowledged = 0

    def seal(self, entries: Sequence[JournalEntry]) -> list[JournalEntry]:
        """The entries as they are to be written. Raises DiagnosticsError when the key is not to be had."""
        return [self._seal(entry) for entry in entries]

    def acknowledged(self) -> None:
        """What was sealed last is durable."""
        self._acknowledged = self._number

    def _seal(self, entry: JournalEntry) -> JournalEntry:
        if isinstance(entry, Opened):
            self._key, self._run = self._keyring.data_key(entry.lineage), entry.run
            self._number = self._acknowledged = 0
            return replace(entry, encryption=self._key.header_for(self._keyring.mode))
        if self._key is None or isinstance(entry, Sealed):
            return entry  # it belongs to no run: the backend refuses it
        if self._keyring.mode == "values":
            values = value_sealer(self._key)
            return _changed(entry, values.seal_object, values.seal_output)
        self._number += 1
        at = _place(self._key.lineage, self._run, self._number, self._acknowledged)
        sealed = self._key.sealer(f"journal {self._run}").seal(_text(entry), at)
        return Sealed(f"{self._number}.{self._acknowledged}.{to_text(sealed)}")


def open_entries(entries: Sequence[JournalEntry], keyring: Keyring, where: str) -> Sequence[JournalEntry]:
    """The entries with everything opened. Raises DiagnosticsError."""
    if not any(
        (entry.__class__ is Opened and entry.encryption is not None) or entry.__class__ is Sealed for entry in entries
    ):
        return entries
    opening = _Opening(keyring, where)
    return [opening.open(entry) for entry in entries]


class _Opening:
    def __init__(self, keyring: Keyring, where: str) -> None:
        self._keyring, self._where = keyring, where
        self._opened: Opened | None = None
        self._header: Mapping[str, Any] | None = None
        self._seen: set[int] = {0}
        self._last = 0

    def open(self, entry: JournalEntry) -> JournalEntry:
        if isinstance(entry, Opened):
            self._opened, self._header = entry, entry.encryption
            self._seen, self._last = {0}, 0
            return replace(entry, encryption=None)
        if self._header is None or self._opened is None:
            if isinstance(entry, Sealed):
                raise damaged(self._where, "An entry, whose run has no header,")
            return entry
        key = self._keyring.open(self._header, self._opened.lineage, self._where)
        if isinstance(entry, Sealed):
            return self._open(entry, key, self._opened)
        if self._header.get("mode") != "values":
            raise damaged(self._where, "An entry, which stands unsealed in a sealed run,")
        values = value_sealer(key)
        try:
            return _changed(entry, values.open_object, values.open_output)
        except UnsealedError as found:
            raise damaged(self._where, f"The sensitive value at {found.place}") from None

    def _open(self, entry: Sealed, key: DataKey, opened: Opened) -> JournalEntry:
        try:
            first, second, text = entry.text.split(".")
            number, previous = int(first), int(second)
            if number <= self._last or previous not in self._seen:
                raise ForgedError
            at = _place(opened.lineage, opened.run, number, previous)
            found = key.sealer(f"journal {opened.run}").open(from_text(text), at)
        except (ForgedError, ValueError):
            raise damaged(self._where, f"Entry {self._last + 1} of the run `{opened.command}`") from None
        self._last = number
        self._seen.add(number)
        return entry_from_json(load(found[1:], found[:1] == b"w"))


def _text(entry: JournalEntry) -> bytes:
    text, wide = dump(entry_to_json(entry))
    return (b"w" if wide else b"j") + text


def _place(lineage: str, run: str, number: int, previous: int) -> bytes:
    return place("journal", lineage, run, number, previous)


def _changed(entry: JournalEntry, objects: ObjectChange, outputs: OutputChange) -> JournalEntry:
    match entry:
        case Begun():
            prior = None if entry.prior is None else objects(entry.prior)
            planned = None if entry.planned is None else objects(entry.planned)
            return replace(entry, prior=prior, planned=planned)
        case Succeeded() | Failed():
            return replace(entry, changes=change_objects(entry.changes, objects))
        case Changed():
            told = None if entry.outputs is None else change_outputs(entry.outputs, outputs)
            return replace(entry, changes=change_objects(entry.changes, objects), outputs=told)
        case _:
            return entry
