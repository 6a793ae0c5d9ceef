"""The head: the one object of the `s3` backend that changes. Its first line is JSON, the newest journal records follow.

    {"format":"iacengine-s3","version":1,"write":42,"fencing_token":7,"holder":{…},"lease":60.0,"state":{…},…}
    5b2cd10f 118 j {"type":"begun",…}

Why there is one such object, and what follows from it, stands in `iacengine.state.backends.s3`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.backends.base import LockInfo
from iacengine.state.lock import lock_info_from_json, lock_info_to_json

FORMAT = "iacengine-s3"
VERSION = 1


@dataclass(frozen=True, slots=True)
class StateName:
    """Which state is the present one: the object below `KEY.versions/` that holds it, and what it says of itself."""

    name: str
    lineage: str
    serial: int


@dataclass(frozen=True, slots=True)
class Head:
    """All that a stack's place in the bucket says at one instant.

    `write` counts the writes of the head, so that no two of them are equal bytes. `fencing_token` is that of the last
    holder, `holder` None when the lock is free, `lease` in seconds. `versions` are the names of earlier states, oldest
    first. `records` is how many records the journal has, `segment` the last of its full segments ("": none), `tail`
    the records after that.
    """

    write: int = 0
    fencing_token: int = 0
    holder: LockInfo | None = None
    lease: float = 0.0
    state: StateName | None = None
    versions: tuple[str, ...] = ()
    records: int = 0
    segment: str = ""
    tail: bytes = b""

    @property
    def journal(self) -> tuple[int, str, int]:
        """What tells two states of the journal apart."""
        return self.records, self.segment, len(self.tail)


def encode_head(head: Head) -> bytes:
    state = head.state
    form = {
        "format": FORMAT,
        "version": VERSION,
        "write": head.write,
        "fencing_token": head.fencing_token,
        "holder": None if head.holder is None else lock_info_to_json(head.holder),
        "lease": head.lease,
        "state": None if state is None else {"name": state.name, "lineage": state.lineage, "serial": state.serial},
        "versions": head.versions,
        "journal": {"records": head.records, "segment": head.segment},
    }
    return orjson.dumps(form) + b"\n" + head.tail


def decode_head(data: bytes, where: str) -> Head:
    """Raises DiagnosticsError for a head of a newer version, and for anything else that lies under its name."""
    line, newline, tail = data.partition(b"\n")
    try:
        form = orjson.loads(line)
        if form["format"] != FORMAT or not newline:
            raise _no_head(data, where)
        if form["version"] != VERSION:
            raise failure(
                "State of another version",
                f"{where} has format version {form['version']}; this iacengine reads version {VERSION}.",
                remedy="Use the version of iacengine that wrote it, or a newer one.",
            )
        holder, state, journal = form["holder"], form["state"], form["journal"]
        return Head(
            write=int(form["write"]),
            fencing_token=int(form["fencing_token"]),
            holder=None if holder is None else lock_info_from_json(holder),
            lease=float(form["lease"]),
            state=None if state is None else StateName(str(state["name"]), str(state["lineage"]), int(state["serial"])),
            versions=tuple(str(name) for name in form["versions"]),
            records=int(journal["records"]),
            segment=str(journal["segment"]),
            tail=tail,
        )
    except (KeyError, TypeError, ValueError):
        raise _no_head(data, where) from None


def _no_head(data: bytes, where: str) -> DiagnosticsError:
    try:
        found: Any = orjson.loads(data)
    except ValueError:
        found = None
    if isinstance(found, dict) and "terraform_version" in found:
        return failure(
            "Terraform's state",
            f"{where} is a state of Terraform, which is left as it is.",
            remedy="Name another key in the backend block, and take the state over: fetch it (terraform state pull > "
            "old.tfstate), then iac state push old.tfstate.",
        )
    if data.startswith(b'{"format":"iacengine-state"'):
        return failure(
            "A state file in the place of the head",
            f"{where} is a state file; the backend keeps states below that name and only points to one there.",
            remedy="Move the object away, then put the state in with `iac state push`.",
        )
    return failure(
        "Not a state of iacengine",
        f"{where} is an object of something else, or damaged; it is left as it is.",
        remedy="Check bucket and key. If they are right, restore an earlier version of the object from the bucket's "
        "versioning.",
    )
