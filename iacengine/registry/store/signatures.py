"""Envelopes of versions, and keys that are revoked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, text

from iacengine.modules.wire import MOST_ENVELOPES, Revocation
from iacengine.registry.caller import Caller
from iacengine.registry.refusal import Refusal
from iacengine.registry.store.audit import record
from iacengine.registry.store.times import rfc3339


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope or Sigstore bundle as it was given, JSON text, and the ids of those that it says have signed."""

    body: str
    signers: tuple[str, ...]


def add_envelopes(
    connection: Connection, caller: Caller, version_id: int, subject: str, envelopes: Sequence[Envelope]
) -> None:
    """Keep envelopes beside those that are there. Raises Refusal when they become too many."""
    if not envelopes:
        return
    # One after the other, so that together they do not become too many.
    connection.execute(text("SELECT 1 FROM version WHERE id = :id FOR NO KEY UPDATE"), {"id": version_id})
    for envelope in envelopes:
        made = connection.execute(
            text(
                "INSERT INTO envelope (version_id, digest, signers, body, account_id) "
                "VALUES (:version, :digest, :signers, :body, :account) ON CONFLICT DO NOTHING RETURNING id"
            ),
            {
                "version": version_id,
                "digest": hashlib.sha256(envelope.body.encode()).digest(),
                "signers": list(envelope.signers),
                "body": envelope.body,
                "account": caller.account_id,
            },
        ).scalar()
        if made is not None:
            record(connection, caller, "version.sign", subject, signers=list(envelope.signers))
    count = connection.execute(text("SELECT count(*) FROM envelope WHERE version_id = :id"), {"id": version_id})
    if count.scalar_one() > MOST_ENVELOPES:
        raise Refusal(
            409,
            "too_many_envelopes",
            "Too many envelopes",
            f"{subject} would have more than {MOST_ENVELOPES}.",
            "Sign with fewer keys.",
        )
    connection.execute(
        text(
            "UPDATE version SET signers = (SELECT coalesce(array_agg(DISTINCT key ORDER BY key), '{}') "
            "FROM envelope, unnest(signers) AS key WHERE version_id = :id) WHERE id = :id"
        ),
        {"id": version_id},
    )


def envelopes_of(connection: Connection, version_id: int) -> tuple[dict[str, Any], ...]:
    """The envelopes of a version, in the order in which they came."""
    rows = connection.execute(text("SELECT body FROM envelope WHERE version_id = :id ORDER BY id"), {"id": version_id})
    return tuple(orjson.loads(row.body) for row in rows)


def revoke_key(connection: Connection, caller: Caller, key: str, reason: str) -> None:
    """Let the signatures of a key count no more, which cannot be taken back."""
    made = connection.execute(
        text(
            "INSERT INTO revocation (key, reason, account_id) VALUES (:key, :reason, :account) "
            "ON CONFLICT DO NOTHING RETURNING key"
        ),
        {"key": key, "reason": reason, "account": caller.account_id},
    ).scalar()
    if made is not None:
        record(connection, caller, "key.revoke", key, reason=reason)


def list_revocations(connection: Connection) -> tuple[Revocation, ...]:
    """All revoked keys, by id."""
    rows = connection.execute(text("SELECT key, reason, revoked FROM revocation ORDER BY key"))
    return tuple(Revocation(row.key, row.reason, rfc3339(row.revoked)) for row in rows)
