"""The audit log: who did what to what, from where. It is only written to; a trigger in the database sees to that."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, text

from iacengine.modules.wire import AuditEntry
from iacengine.registry.caller import Caller
from iacengine.registry.store.times import rfc3339

_WRITE = text(
    "INSERT INTO audit (account, token, address, action, subject, detail) "
    "VALUES (:account, :token, :address, :action, :subject, CAST(:detail AS json))"
)
_READ = text(
    "SELECT id, time, account, token, address, action, subject, detail FROM audit "
    "WHERE id > :after ORDER BY id LIMIT :limit"
)


def record(connection: Connection, caller: Caller, action: str, subject: str, **detail: Any) -> None:
    """Add an entry, in the transaction of what it tells of."""
    row = {"account": caller.user, "token": caller.token_id, "address": caller.address}
    connection.execute(_WRITE, {**row, "action": action, "subject": subject, "detail": orjson.dumps(detail).decode()})


def entries_after(connection: Connection, after: int, limit: int) -> tuple[AuditEntry, ...]:
    """Entries with larger ids, in their order."""
    return tuple(
        AuditEntry(row.id, rfc3339(row.time), row.account, row.action, row.subject, row.detail, row.token, row.address)
        for row in connection.execute(_READ, {"after": after, "limit": limit})
    )
