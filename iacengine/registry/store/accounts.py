"""Users and namespaces."""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from iacengine.modules.wire import NAMESPACE_PATTERN, NamespaceEntry
from iacengine.registry.caller import Caller
from iacengine.registry.refusal import Refusal
from iacengine.registry.store.audit import record

_ENTRY = (
    "SELECT n.name, n.description, (SELECT count(*) FROM module m WHERE m.namespace = n.name) AS modules "
    "FROM namespace n "
)


def create_account(connection: Connection, caller: Caller, name: str) -> bool:
    """Make a user; False when there is one already. Raises Refusal."""
    if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._@+-]{0,127}", name) is None:
        raise Refusal(
            422,
            "invalid_user",
            "Invalid name of a user",
            f"{name!r} is no name of a user.",
            "Use up to 128 letters, digits and ._@+-, and begin with a letter or digit.",
        )
    made = connection.execute(
        text("INSERT INTO account (name) VALUES (:name) ON CONFLICT DO NOTHING RETURNING id"), {"name": name}
    ).scalar()
    if made is not None:
        record(connection, caller, "user.create", name)
    return made is not None


def account_id(connection: Connection, name: str) -> int:
    """Raises Refusal when there is no such user."""
    found = connection.execute(text("SELECT id FROM account WHERE name = :name"), {"name": name}).scalar()
    if found is None:
        raise Refusal(
            404, "no_such_user", "No such user", f"There is no user {name!r}.", "iac registry user create NAME"
        )
    return int(found)


def disable_account(connection: Connection, caller: Caller, name: str) -> None:
    """Let no token of this user count any more. Raises Refusal."""
    found = account_id(connection, name)
    changed = connection.execute(
        text("UPDATE account SET disabled = now() WHERE id = :id AND disabled IS NULL RETURNING id"), {"id": found}
    ).scalar()
    if changed is not None:
        record(connection, caller, "user.disable", name)


def put_namespace(connection: Connection, caller: Caller, name: str, description: str | None = None) -> bool:
    """Make a namespace, or describe it anew (None: leave that as it is); whether it is new. Raises Refusal."""
    if re.fullmatch(NAMESPACE_PATTERN, name) is None:
        raise Refusal(
            422,
            "invalid_namespace",
            "Invalid name of a namespace",
            f"{name!r} is no name of a namespace.",
            "Use up to 64 letters, digits, - and _, and begin and end with a letter or digit.",
        )
    row = connection.execute(
        text("SELECT name, description FROM namespace WHERE lower(name) = lower(:name)"), {"name": name}
    ).first()
    if row is None:
        made = connection.execute(
            text(
                "INSERT INTO namespace (name, description) VALUES (:name, :about) ON CONFLICT DO NOTHING RETURNING id"
            ),
            {"name": name, "about": description or ""},
        ).scalar()
        if made is not None:
            record(connection, caller, "namespace.create", name)
            return True
        row = connection.execute(
            text("SELECT name, description FROM namespace WHERE lower(name) = lower(:name)"), {"name": name}
        ).one()  # somebody was faster
    if row.name != name:
        raise Refusal(
            409,
            "namespace_alike",
            "A namespace of a like name exists",
            f"{row.name} differs from {name} in case alone.",
            "Choose another name.",
        )
    if description is not None and row.description != description:
        connection.execute(
            text("UPDATE namespace SET description = :about WHERE name = :name"), {"name": name, "about": description}
        )
        record(connection, caller, "namespace.describe", name)
    return False


def find_namespace(connection: Connection, name: str) -> NamespaceEntry:
    """Raises Refusal when there is none of the name."""
    row = connection.execute(text(f"{_ENTRY} WHERE n.name = :name"), {"name": name}).first()
    if row is None:
        raise Refusal(404, "no_such_namespace", "No such namespace", f"There is no namespace {name}.")
    return NamespaceEntry(row.name, row.description, row.modules)


def list_namespaces(connection: Connection) -> tuple[NamespaceEntry, ...]:
    """All namespaces, by name."""
    rows = connection.execute(
        text(
            "SELECT n.name, n.description, coalesce(m.modules, 0) AS modules FROM namespace n LEFT JOIN "
            "(SELECT namespace, count(*) AS modules FROM module GROUP BY namespace) m ON m.namespace = n.name "
            "ORDER BY n.name LIMIT 10000"
        )
    )
    return tuple(NamespaceEntry(row.name, row.description, row.modules) for row in rows)
