"""The segments of the journal: objects that are written once, each naming the one before it in its first line.

The newest records stand in the head. When they grow beyond `SEGMENT_BYTES` they become a segment, and the head names
it; so an append costs one small request, and a record is written again some times at most, however long the journal
is. A segment counts only when the chain from the head leads to it: what a holder uploaded who then lost the lock is
waste, which a later clearing removes.
"""

from __future__ import annotations

import os

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.s3_head import Head
from iacengine.state.backends.s3_store import S3Store
from iacengine.state.journal import HEADER

SEGMENT_BYTES = 32 * 1024


def segment_name(fencing_token: int, write: int) -> str:
    """A name that nobody uses twice: in order of holders and of their writes, and random for tries that failed."""
    return f"{fencing_token:010d}-{write:012d}-{os.urandom(4).hex()}"


def encode_segment(previous: str, records: bytes) -> bytes:
    return b"iacengine-journal-segment 1 %b\n%b" % (previous.encode("ascii"), records)


def journal_bytes(head: Head, store: S3Store, folder: str, where: str) -> bytes | None:
    """The journal in the form that `decode_entries` reads. None when a segment is gone, as happens when the journal is
    cleared meanwhile. Raises DiagnosticsError."""
    if not head.segment:
        return HEADER + head.tail if head.tail else b""
    doing = "read the journal"
    listed = [key for key, _ in store.list(folder, doing)]
    fetched = store.get_all(listed, doing)
    parts = [head.tail]
    name = head.segment
    while name:
        data = fetched.get(f"{folder}{name}")
        if data is None:
            return None
        first, _, records = data.partition(b"\n")
        words = first.split(b" ")
        if len(words) != 3 or words[:2] != [b"iacengine-journal-segment", b"1"]:
            raise _damaged(where, f"{folder}{name}")
        parts.append(records)
        name = words[2].decode("ascii", "replace")
    return HEADER + b"".join(reversed(parts))


def damaged_journal(where: str, expected: int, found: int) -> DiagnosticsError:
    """What to raise when the records are not as many as the head says."""
    return failure(
        "Damaged journal",
        f"{where}: the journal has {expected} records, {found} were found.",
        remedy="Restore the objects from the bucket's versioning; compare with what really exists using `iac plan`.",
    )


def _damaged(where: str, key: str) -> DiagnosticsError:
    return failure(
        "Damaged journal",
        f"{where}: the object {key} is no segment of a journal, or of a newer version of iacengine.",
        remedy="Restore the object from the bucket's versioning; compare with what really exists using `iac plan`.",
    )


def superseded(keys: list[str], folder: str, fencing_token: int) -> list[str]:
    """The segments of this holder and of all before it."""
    found = []
    for key in keys:
        token = key.removeprefix(folder).partition("-")[0]
        if token.isdigit() and int(token) <= fencing_token:
            found.append(key)
    return found
