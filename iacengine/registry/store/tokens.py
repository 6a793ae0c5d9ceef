"""Tokens: `iac_`, ten characters that name it, 52 of a secret with 256 random bits, and a checksum.

The alphabet is RFC 4648's base32 in lower case. Only the SHA-256 of the whole is kept: a secret of 256 random bits
needs no slow hash. The checksum (CRC-32) lets what is no token be refused without asking the database, and lets
scanners of secrets know one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from iacengine.modules.wire import TokenEntry
from iacengine.registry.caller import Caller
from iacengine.registry.refusal import Refusal
from iacengine.registry.store.audit import record
from iacengine.registry.store.times import rfc3339

_TOKEN = re.compile(r"iac_([a-z2-7]{10})_([a-z2-7]{52})([a-z2-7]{7})")
_COLUMNS = (
    "t.id, a.name AS account, t.name, t.scopes, t.created, t.expires, t.last_used, t.revoked FROM token t "
    "JOIN account a ON a.id = t.account_id"
)


def new_secret() -> str:
    """A new token."""
    head = f"iac_{_base32(secrets.token_bytes(7))[:10]}_{_base32(secrets.token_bytes(32))}"
    return head + _checksum(head)


def id_of(secret: str) -> str | None:
    """What names the token; None when the text is no token."""
    match = _TOKEN.fullmatch(secret)
    if match is None or _checksum(secret[:-7]) != match[3]:
        return None
    return match[1]


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()


def _checksum(head: str) -> str:
    return _base32(zlib.crc32(head.encode()).to_bytes(4, "big"))


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token as the database has it."""

    caller: Caller
    digest: bytes
    revoked: bool


def find_token(connection: Connection, token_id: str) -> KnownToken | None:
    """The token of this id."""
    row = connection.execute(
        text(
            "SELECT t.account_id, a.name, t.digest, t.scopes, t.expires, "
            "t.revoked IS NOT NULL OR a.disabled IS NOT NULL AS revoked "
            "FROM token t JOIN account a ON a.id = t.account_id WHERE t.id = :id"
        ),
        {"id": token_id},
    ).first()
    if row is None:
        return None
    caller = Caller(row.name, row.account_id, token_id, frozenset(row.scopes), row.expires)
    return KnownToken(caller, bytes(row.digest), row.revoked)


def create_token(
    connection: Connection,
    caller: Caller,
    secret: str,
    account: int,
    name: str,
    scopes: Sequence[str],
    expires: datetime | None,
) -> TokenEntry:
    """Keep a new token, whose secret was made by `new_secret`. Raises Refusal."""
    for scope in scopes:
        namespace = scope.partition("publish:")[2]
        there = text("SELECT 1 FROM namespace WHERE name = :name")
        if namespace and connection.execute(there, {"name": namespace}).scalar() is None:
            raise Refusal(
                404,
                "no_such_namespace",
                "No such namespace",
                f"There is no namespace {namespace}, for the scope {scope}.",
                "Have an administrator make it: iac registry namespace create NAME",
            )
    made = connection.execute(
        text(
            "INSERT INTO token (id, account_id, name, digest, scopes, expires) "
            "VALUES (:id, :account, :name, :digest, :scopes, :expires) ON CONFLICT (id) DO NOTHING RETURNING id"
        ),
        {
            "id": id_of(secret),
            "account": account,
            "name": name,
            "digest": digest_of(secret),
            "scopes": sorted(set(scopes)),
            "expires": expires,
        },
    ).scalar()
    if made is not None:
        record(connection, caller, "token.create", str(made), name=name, scopes=sorted(set(scopes)))
    row = connection.execute(text(f"SELECT {_COLUMNS} WHERE t.id = :id"), {"id": id_of(secret)}).one()
    return _entry(row)


def list_tokens(connection: Connection, account: int | None = None) -> tuple[TokenEntry, ...]:
    """The tokens of a user, or all."""
    where = "WHERE CAST(:account AS bigint) IS NULL OR t.account_id = :account ORDER BY t.created, t.id LIMIT 10000"
    return tuple(map(_entry, connection.execute(text(f"SELECT {_COLUMNS} {where}"), {"account": account})))


def revoke_token(connection: Connection, caller: Caller, token_id: str, account: int | None = None) -> None:
    """Let a token (of this user, if given) count no more. Raises Refusal."""
    row = connection.execute(
        text(
            "SELECT revoked FROM token WHERE id = :id AND (CAST(:account AS bigint) IS NULL OR account_id = :account)"
        ),
        {"id": token_id, "account": account},
    ).first()
    if row is None:
        raise Refusal(404, "no_such_token", "No such token", f"There is no token {token_id}.", "List the tokens.")
    if row.revoked is None:
        connection.execute(text("UPDATE token SET revoked = now() WHERE id = :id"), {"id": token_id})
        record(connection, caller, "token.revoke", token_id)


def note_uses(connection: Connection, uses: Mapping[str, tuple[datetime, str]]) -> None:
    """Remember when, and from where, tokens were last used."""
    rows = [{"id": key, "time": time, "address": address} for key, (time, address) in sorted(uses.items())]
    connection.execute(
        text(
            "UPDATE token SET last_used = greatest(coalesce(last_used, :time), :time), last_address = :address "
            "WHERE id = :id"
        ),
        rows,
    )


def _entry(row: Any) -> TokenEntry:
    return TokenEntry(
        row.id,
        row.account,
        row.name,
        tuple(row.scopes),
        rfc3339(row.created),
        rfc3339(row.expires),
        rfc3339(row.last_used),
        rfc3339(row.revoked),
    )
