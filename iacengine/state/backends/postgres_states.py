"""The states of the postgres backend: a row for each version, and the objects as a temporal table.

An object's row belongs to the versions from `serial_from` up to but without `serial_to` (null: up to the present one),
so that a write costs what it changes, and earlier versions cost what differs. `header` is a state file without
objects. `digest` covers the header, and the keys and digests of all objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import NamedTuple

from sqlalchemy import Connection, LargeBinary, bindparam, delete, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.foundation.garbage import collection_paused
from iacengine.state.backends.base import StateVersion
from iacengine.state.backends.conflicts import require_successor
from iacengine.state.backends.postgres_tables import OBJECT, STATE
from iacengine.state.json_form import dump, load, object_from_json, object_to_json, require_key
from iacengine.state.model import ObjectKey, ResourceObject, State
from iacengine.state.statefile import decode_state, encode_state, in_order

_COPY = "COPY iac_object (stack_id, serial_from, key, digest, address, deposed, wide, body) FROM STDIN"  # in one go
_CHUNK = 8 * 1024 * 1024
"""Bytes that one COPY brings at most (or one object): each has a time limit of its own."""


class ObjectRow(NamedTuple):
    """An object as a row: `key` is made of address and deposed key (so that long addresses fit into the index),
    `digest` of the body."""

    key: bytes
    digest: bytes
    address: str
    deposed: str
    wide: bool
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class EncodedState:
    """A state, ready to be written."""

    state: State
    header: str
    rows: Mapping[bytes, ObjectRow]
    digest: bytes


def encode(state: State) -> EncodedState:
    """Raises TypeError when it holds what is no JSON data."""
    rows: dict[bytes, ObjectRow] = {}
    for key, object_ in state.objects.items():
        require_key(key, object_)
        address = str(object_.address)
        body, wide = dump(object_to_json(object_, address))
        row = ObjectRow(_key(address, object_.deposed), _digest(body), _shown(address), object_.deposed, wide, body)
        rows[row.key] = row
    header = encode_state(replace(state, objects={})).decode()
    digests = {key: row.digest for key, row in rows.items()}
    return EncodedState(state, header, rows, _digest_of_all(header, digests))


def write_rows(
    connection: Connection, stack_id: int, where: str, encoded: EncodedState, expected_serial: int | None, keep: int
) -> None:
    """Make the state the present one, if it may follow that one; at most `keep` earlier ones stay.

    Only rows of objects that differ are written. Doing it again does nothing. Raises DiagnosticsError.
    """
    state = encoded.state
    asked = select(STATE.c.lineage, STATE.c.serial, STATE.c.digest).where(STATE.c.stack_id == stack_id)
    present = connection.execute(asked.order_by(STATE.c.serial.desc()).limit(1)).one_or_none()
    if present is not None and state.serial > (expected_serial or 0) and present.digest == encoded.digest:
        return  # a write whose answer was lost is tried again
    require_successor(where, None if present is None else (present.lineage, present.serial), state, expected_serial)
    fresh = _replace_objects(connection, stack_id, encoded)
    _copy(connection, stack_id, state.serial, fresh)
    connection.execute(
        insert(STATE).values(
            stack_id=stack_id,
            serial=state.serial,
            lineage=state.lineage,
            objects=len(encoded.rows),
            digest=encoded.digest,
            header=encoded.header,
        )
    )
    _prune(connection, stack_id, keep)


def _replace_objects(connection: Connection, stack_id: int, encoded: EncodedState) -> list[ObjectRow]:
    """End what is gone or differs; the rows to write are returned."""
    here = (OBJECT.c.stack_id == stack_id) & OBJECT.c.serial_to.is_(None)
    stored = {row.key: row.digest for row in connection.execute(select(OBJECT.c.key, OBJECT.c.digest).where(here))}
    rows = encoded.rows
    ended = [key for key, digest in stored.items() if key not in rows or rows[key].digest != digest]
    if ended:
        keys = bindparam("keys", ended, type_=ARRAY(LargeBinary))
        connection.execute(
            update(OBJECT).where(here & (OBJECT.c.key == keys.any_())).values(serial_to=encoded.state.serial)
        )
    return [row for key, row in rows.items() if stored.get(key) != row.digest]


def _copy(connection: Connection, stack_id: int, serial: int, rows: Sequence[ObjectRow]) -> None:
    cursor = connection.connection.cursor()
    try:
        for chunk in _chunks(rows):
            with cursor.copy(_COPY) as copy:  # psycopg's own: many times faster
                for key, digest, address, deposed, wide, body in chunk:
                    copy.write_row((stack_id, serial, key, digest, address, deposed, wide, body.decode()))
    finally:
        cursor.close()


def _chunks(rows: Sequence[ObjectRow]) -> Iterator[Sequence[ObjectRow]]:
    start, size = 0, 0
    for index, row in enumerate(rows):
        size += len(row.body)
        if size >= _CHUNK:
            yield rows[start : index + 1]
            start, size = index + 1, 0
    if start < len(rows):
        yield rows[start:]


def _prune(connection: Connection, stack_id: int, keep: int) -> None:
    """Drop the versions beyond the limit, and the objects that belong to none any more."""
    serials = select(STATE.c.serial).where(STATE.c.stack_id == stack_id).order_by(STATE.c.serial.desc())
    oldest = connection.execute(serials.offset(keep).limit(1)).scalar()
    if oldest is None:
        return
    dropped = delete(STATE).where(STATE.c.stack_id == stack_id, STATE.c.serial < oldest)
    if connection.execute(dropped).rowcount:
        connection.execute(delete(OBJECT).where(OBJECT.c.stack_id == stack_id, OBJECT.c.serial_to <= oldest))


def read_rows(connection: Connection, stack_id: int, where: str, serial: int | None = None) -> State | None:
    """The state with this serial (None: the present one); None when it is not there.

    The transaction must see one moment (REPEATABLE READ). Raises DiagnosticsError when rows were damaged, or changed
    by hand.
    """
    asked = select(STATE.c.serial, STATE.c.objects, STATE.c.digest, STATE.c.header).where(STATE.c.stack_id == stack_id)
    asked = asked.order_by(STATE.c.serial.desc()).limit(1)
    present = connection.execute(asked if serial is None else asked.where(STATE.c.serial == serial)).one_or_none()
    if present is None:
        return None
    where = f"{where}, serial {present.serial}"
    at = literal(present.serial)
    until = OBJECT.c.serial_to.is_(None) if serial is None else OBJECT.c.serial_to.is_(None) | (OBJECT.c.serial_to > at)
    belonging = (OBJECT.c.stack_id == stack_id) & (OBJECT.c.serial_from <= at) & until
    rows = connection.execute(select(OBJECT.c.key, OBJECT.c.digest, OBJECT.c.wide, OBJECT.c.body).where(belonging))
    state = decode_state(present.header.encode(), where)
    objects: dict[ObjectKey, ResourceObject] = {}
    digests: dict[bytes, bytes] = {}
    with collection_paused():
        for key, digest, wide, text in rows:
            body = text.encode()
            object_ = _object(body, wide, where)
            if _digest(body) != digest:
                raise _damaged(where, f"{object_.address} does not match its digest")
            digests[key] = digest
            objects[object_.key] = object_
        if len(objects) != present.objects or _digest_of_all(present.header, digests) != present.digest:
            raise _damaged(where, f"{present.objects} objects were written, these are not they ({len(objects)} found)")
        ordered = {object_.key: object_ for object_ in in_order(objects)}
    return replace(state, objects=ordered)


def read_versions(connection: Connection, stack_id: int) -> list[StateVersion]:
    """The versions that are kept, oldest first."""
    asked = select(STATE.c.serial, STATE.c.time).where(STATE.c.stack_id == stack_id).order_by(STATE.c.serial)
    return [
        StateVersion(serial, time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for serial, time in connection.execute(asked)
    ]


def _object(body: bytes, wide: bool, where: str) -> ResourceObject:
    try:
        return object_from_json(load(body, wide))
    except (KeyError, TypeError, ValueError, AttributeError, DiagnosticsError) as problem:
        raise _damaged(where, f"an object makes no sense: {problem}") from problem


def _damaged(where: str, why: str) -> DiagnosticsError:
    return failure(
        "Damaged state",
        f"{where} cannot be trusted: {why}. Rows of iac_object were changed by hand, or damaged.",
        remedy="Restore the rows from a backup of the database; change state with `iac state` only.",
    )


def _key(address: str, deposed: str) -> bytes:
    return _digest(f"{address}\0{deposed}".encode("utf-8", "surrogatepass"))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _digest_of_all(header: str, digests: Mapping[bytes, bytes]) -> bytes:
    covered = hashlib.sha256(header.encode())
    covered.update(b"".join(key + digests[key] for key in sorted(digests)))
    return covered.digest()


def _shown(address: str) -> str:
    """The address as PostgreSQL takes it: without NUL and lone surrogates."""
    return address.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")
