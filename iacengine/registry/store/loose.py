"""Packages that no version has: on their way to one, or left behind by one that was deleted.

A package is noted here before it is kept, and struck out by the transaction that publishes it. So whatever moment a
process is killed at, a version has its package, and a package that has no version is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text


def lock_package(connection: Connection, digest: str) -> None:
    """Hold off whoever notes, publishes or removes this package, until the transaction ends."""
    # The number is ours, "iap" in ASCII.
    connection.execute(text("SELECT pg_advisory_xact_lock(6906224, hashtext(:digest))"), {"digest": digest})


def note_loose(connection: Connection, note: str, digest: str) -> None:
    """Note that a package may be kept without a version; `note` is an id that nobody else uses."""
    connection.execute(
        text("INSERT INTO loose_package (id, digest) VALUES (:id, :digest) ON CONFLICT DO NOTHING"),
        {"id": note, "digest": digest},
    )


def strike_out(connection: Connection, note: str) -> None:
    """Forget a note."""
    connection.execute(text("DELETE FROM loose_package WHERE id = :id"), {"id": note})


def is_unused(connection: Connection, digest: str) -> bool:
    """Whether no version has this package, and none is about to."""
    used = text(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM version WHERE package_digest = :digest AND deleted IS NULL) "
        "OR EXISTS (SELECT 1 FROM loose_package WHERE digest = :digest)"
    )
    return connection.execute(used, {"digest": digest}).scalar() is None


def stranded(connection: Connection, age: float) -> Sequence[tuple[str, str]]:
    """Notes that are older than so many seconds, with their digests: whoever made them is gone."""
    rows = connection.execute(
        text("SELECT id, digest FROM loose_package WHERE since <= now() - make_interval(secs => :age) ORDER BY id"),
        {"age": age},
    )
    return [(row.id, row.digest) for row in rows]
