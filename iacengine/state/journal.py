"""The journal file, format version 1: what runs wrote down, appended and never changed.

    iacengine-journal 1
    5b2cd10f 1 j {"type":"opened","run":"…","lineage":"…","serial":7,"fencing_token":3,…}
    91e0aa72 2 j {"type":"begun","step":0,"operation":"create","address":"aws_vpc.main",…}

The first line is the format and its version. Each further line, ended by a newline, is one record:

| bytes | meaning |
| --- | --- |
| 8 | CRC-32 (as in zlib) of everything after the space that follows, up to the newline, in lower-case hexadecimal |
| 1 | space |
| 1… | the record's number, decimal, counting from 1 |
| 1 | space |
| 1 | how the JSON is to be read: `j`, or `w` when it is wide (see `iacengine.state.json_form`) |
| 1 | space |
| … | one JSON object, without a raw newline |

A crash can cut the file anywhere. What follows the last whole record is then left out: it was never acknowledged.
Damage is told apart from a cut: a whole line whose CRC is wrong, a bad place with sound records behind it, or numbers
that do not count on, are errors that name the line. The numbers show lines lost or added, and two writers at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from zlib import crc32

from iacengine.addresses import parse_resource_instance
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.garbage import collection_paused
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
from iacengine.state.json_form import (
    Json,
    changes_from_json,
    changes_to_json,
    check_from_json,
    check_to_json,
    dump,
    load,
    moves_from_json,
    moves_to_json,
    object_from_json,
    object_to_json,
    output_from_json,
    output_to_json,
)
from iacengine.state.model import ResourceObject

VERSION = 1
HEADER = b"iacengine-journal 1\n"

_ANY_HEADER = re.compile(rb"iacengine-journal (\d+)\n")
_RECORD_START = re.compile(rb"[0-9a-f]{8} \d+ [jw] \{")
# A line that was whole before it was damaged: it has no holes, and one end of it at least looks like a record's.
_WHOLE_LINE = re.compile(rb"(?:[0-9a-f]{8} \d+ [jw] [^\x00]+|[^\x00]{12,}\})\Z")


# --- writing --------------------------------------------------------------------------------------------------------


def encode_entries(entries: Sequence[JournalEntry], first_number: int) -> bytes:
    """The records of the entries, numbered from `first_number` on. Raises TypeError for what is no JSON data."""
    records: list[bytes] = []
    for number, entry in enumerate(entries, first_number):
        text, wide = dump(entry_to_json(entry))
        record = b"%d %b %b" % (number, b"w" if wide else b"j", text)
        records.append(b"%08x %b\n" % (crc32(record), record))
    return b"".join(records)


def entry_to_json(entry: JournalEntry) -> Json:
    """The entry as JSON data: what its record holds."""
    match entry:
        case Begun():
            return {
                "type": "begun",
                "step": entry.step,
                "operation": entry.operation.value,
                "address": str(entry.address),
                "deposed": entry.deposed,
                "token": entry.token,
                "provider": entry.provider,
                "prior": _object_or_null(entry.prior),
                "planned": _object_or_null(entry.planned),
                **({"commits": True} if entry.commits else {}),
            }
        case Succeeded():
            return {"type": "succeeded", "step": entry.step, "changes": changes_to_json(entry.changes)}
        case Failed():
            return {
                "type": "failed",
                "step": entry.step,
                "error": entry.error,
                "changes": changes_to_json(entry.changes),
            }
        case Changed():
            data: Json = {"type": "changed", "changes": changes_to_json(entry.changes)}
            if entry.outputs is not None:
                data["outputs"] = {name: output_to_json(output) for name, output in entry.outputs.items()}
            if entry.checks is not None:
                data["checks"] = [check_to_json(check) for check in entry.checks]
            if entry.prepares:
                data["prepares"] = True
            if entry.moves:
                data["moves"] = moves_to_json(entry.moves)
            return data
        case Opened():
            return {
                "type": "opened",
                "run": entry.run,
                "lineage": entry.lineage,
                "serial": entry.serial,
                "fencing_token": entry.fencing_token,
                "command": entry.command,
                "time": entry.time,
                **({"on_failure": entry.on_failure} if entry.on_failure != "pause" else {}),
                **({"settles": True} if entry.settles else {}),
                **({"encryption": dict(entry.encryption)} if entry.encryption is not None else {}),
            }
        case Closed():
            return {"type": "closed", "outcome": entry.outcome}
        case Sealed():
            return {"type": "sealed", "text": entry.text}
        case _:
            assert_never(entry)


def _object_or_null(object_: ResourceObject | None) -> Json | None:
    return None if object_ is None else object_to_json(object_, str(object_.address))


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Records:
    """The whole records of a journal: the text of each (with how it is to be read), and how many bytes they end at."""

    texts: tuple[tuple[bytes, bool], ...]
    length: int


def read_records(data: bytes, where: str) -> Records:
    """The whole records of a journal's bytes, not yet decoded. Raises DiagnosticsError when it is damaged or newer."""
    match = _ANY_HEADER.match(data)
    if match is None:
        if HEADER.startswith(data) or not data.strip(b"\0"):
            return Records((), 0)  # cut while the file was being made
        raise _not_a_journal(where)
    if int(match[1]) != VERSION:
        raise failure(
            "Journal of another version",
            f"{where} has format version {int(match[1])}; this iacengine reads version {VERSION}.",
            remedy="Use the version of iacengine that wrote it, or a newer one, to recover first.",
        )
    texts: list[tuple[bytes, bool]] = []
    start = len(HEADER)
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end]
        if not _is_sound(line):
            break
        number, kind, text = line[9:].split(b" ", 2)
        if number != b"%d" % (len(texts) + 1):
            raise _damaged(
                where, len(texts) + 2, f"record {len(texts) + 1} is expected there, record {number.decode()} found"
            )
        texts.append((text, kind == b"w"))
        start = end + 1
    if start < len(data):
        _require_a_cut(data, start, len(texts) + 2, where)
    return Records(tuple(texts), start)


def _is_sound(line: bytes) -> bool:
    return line[:8] == b"%08x" % crc32(line[9:]) and _RECORD_START.match(line) is not None


def _require_a_cut(data: bytes, start: int, line: int, where: str) -> None:
    """Raises unless what follows `start` is what a crash leaves: a record that was cut, perhaps with holes in it."""
    first_end = data.find(b"\n", start)
    if first_end >= 0 and _WHOLE_LINE.match(data[start:first_end]):
        raise _damaged(where, line, "its checksum does not match its content")
    for match in _RECORD_START.finditer(data, start + 1):
        end = data.find(b"\n", match.start())
        if end >= 0 and _is_sound(data[match.start() : end]):
            raise _damaged(where, line, "it is unreadable, although sound records follow it")


def _damaged(where: str, line: int, why: str) -> DiagnosticsError:
    return failure(
        "Damaged journal",
        f"{where}, line {line}: {why}. The operations from there on may be unknown to the state.",
        remedy=f"Keep a copy of the file. To go on with what stands before line {line}, delete that line and all that "
        "follow it, then compare with what really exists using `iac plan`.",
    )


def _not_a_journal(where: str) -> DiagnosticsError:
    return failure(
        "Not a journal",
        f"{where} does not start with `{HEADER.decode().strip()}`, so it was damaged or is something else.",
        remedy="Keep a copy of the file and move it away; then compare with what really exists using `iac plan`.",
    )


def decode_entries(data: bytes, where: str) -> tuple[JournalEntry, ...]:
    """The entries of a journal's bytes; `where` names the file in messages. What a crash cut off is left out.

    Raises DiagnosticsError when it is damaged or newer.
    """
    records = read_records(data, where)
    entries: list[JournalEntry] = []
    with collection_paused():
        for text, wide in records.texts:
            try:
                entries.append(entry_from_json(load(text, wide)))
            except (KeyError, TypeError, ValueError, AttributeError, DiagnosticsError) as problem:
                raise failure(
                    "Unknown journal entry",
                    f"{where}, line {len(entries) + 2}: the record is intact, but its meaning is not known: {problem}.",
                    remedy="Use the version of iacengine that wrote it, or a newer one, to recover first.",
                ) from problem
    return tuple(entries)


def entry_from_json(data: Any) -> JournalEntry:
    """Raises KeyError, TypeError, ValueError, AttributeError or DiagnosticsError when the data is no entry."""
    match data["type"]:
        case "begun":
            prior, planned = data["prior"], data["planned"]
            return Begun(
                step=data["step"],
                operation=Operation(data["operation"]),
                address=parse_resource_instance(data["address"]),
                deposed=data["deposed"],
                token=data["token"],
                provider=data["provider"],
                prior=None if prior is None else object_from_json(prior),
                planned=None if planned is None else object_from_json(planned),
                commits=data.get("commits", False),
            )
        case "succeeded":
            return Succeeded(data["step"], changes_from_json(data["changes"]))
        case "failed":
            return Failed(data["step"], data["error"], changes_from_json(data["changes"]))
        case "changed":
            outputs, checks = data.get("outputs"), data.get("checks")
            return Changed(
                changes_from_json(data["changes"]),
                None if outputs is None else {name: output_from_json(form) for name, form in outputs.items()},
                None if checks is None else tuple(check_from_json(form) for form in checks),
                data.get("prepares", False),
                moves_from_json(data.get("moves", ())),
            )
        case "opened":
            return Opened(
                run=data["run"],
                lineage=data["lineage"],
                serial=data["serial"],
                fencing_token=data["fencing_token"],
                command=data["command"],
                time=data["time"],
                encryption=data.get("encryption"),
                on_failure=data.get("on_failure", "pause"),
                settles=data.get("settles", False),
            )
        case "closed":
            return Closed(data["outcome"])
        case "sealed":
            return Sealed(data["text"])
        case other:
            raise ValueError(f"entries of type {other!r} are unknown")
