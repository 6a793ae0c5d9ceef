"""What becomes of modules and versions: yanked, deprecated, deleted, counted."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from iacengine.registry.caller import Caller
from iacengine.registry.refusal import Refusal, no_module
from iacengine.registry.store.audit import record
from iacengine.registry.store.latest import choose_latest
from iacengine.registry.store.loose import note_loose
from iacengine.registry.store.modules import find_version


def yank(connection: Connection, caller: Caller, label: str, version: str, reason: str | None) -> None:
    """Let nobody choose this version who has not locked it; None takes that back. Raises Refusal."""
    _lock(connection, label)
    row = find_version(connection, label, version)
    if reason is None and row.yanked is None:
        return
    if reason is not None and row.yanked is not None and row.yank_reason == reason:
        return
    connection.execute(
        text(
            "UPDATE version SET yanked = CASE WHEN :yank THEN coalesce(yanked, now()) END, yank_reason = :reason "
            "WHERE id = :id"
        ),
        {"id": row.id, "yank": reason is not None, "reason": reason or ""},
    )
    choose_latest(connection, row.module_id)
    action = "version.unyank" if reason is None else "version.yank"
    record(connection, caller, action, f"{label}@{version}", reason=reason or "")


def delete(connection: Connection, caller: Caller, label: str, version: str, reason: str, note: str) -> str:
    """Take a version away for good; its number stays taken. The digest of its package, which is loose now, under
    `note`. Raises Refusal."""
    _lock(connection, label)
    row = find_version(connection, label, version)
    connection.execute(text("UPDATE version SET deleted = now() WHERE id = :id"), {"id": row.id})
    connection.execute(
        text("UPDATE version_contents SET contents = '{}', description = '', tags = '{}' WHERE version_id = :id"),
        {"id": row.id},
    )
    connection.execute(text("DELETE FROM dependency WHERE version_id = :id"), {"id": row.id})
    note_loose(connection, note, row.package_digest)
    choose_latest(connection, row.module_id)
    record(
        connection,
        caller,
        "version.delete",
        f"{label}@{version}",
        reason=reason,
        package=row.package_digest,
        tree=row.tree_digest,
    )
    return str(row.package_digest)


def deprecate(connection: Connection, caller: Caller, label: str, reason: str | None, successor: str = "") -> None:
    """Advise against a module, with what to use instead; None takes that back. Raises Refusal."""
    _lock(connection, label)
    if successor:
        if successor == label:
            raise Refusal(422, "own_successor", "A module cannot succeed itself", successor, "Name another, or none.")
        there = connection.execute(text("SELECT 1 FROM module WHERE label = :label"), {"label": successor}).scalar()
        if there is None and successor.count("/") == 2:
            raise Refusal(422, "no_such_successor", "No such successor", f"There is no {successor}.", "Publish it.")
    row = connection.execute(
        text("SELECT deprecated, deprecation_reason, successor FROM module WHERE label = :label"), {"label": label}
    ).one()
    wanted = (reason is not None, reason or "", successor)
    if wanted == (row.deprecated is not None, row.deprecation_reason, row.successor):
        return
    connection.execute(
        text(
            "UPDATE module SET deprecated = CASE WHEN :on THEN coalesce(deprecated, now()) END, "
            "deprecation_reason = :reason, successor = :successor WHERE label = :label"
        ),
        {"label": label, "on": wanted[0], "reason": wanted[1], "successor": successor},
    )
    action = "module.undeprecate" if reason is None else "module.deprecate"
    record(connection, caller, action, label, reason=reason or "", successor=successor)


def count_downloads(connection: Connection, modules: Mapping[int, int], versions: Mapping[int, int]) -> None:
    """Add to the numbers of downloads, by id."""
    for table, key, counts in (
        ("module_downloads", "module_id", modules),
        ("version_contents", "version_id", versions),
    ):
        if not counts:
            continue
        connection.execute(
            text(
                f"UPDATE {table} t SET downloads = t.downloads + n.count FROM "  # noqa: S608 - both names are ours
                "(SELECT unnest(CAST(:ids AS bigint[])) AS id, unnest(CAST(:counts AS bigint[])) AS count) n "
                f"WHERE t.{key} = n.id"
            ),
            {"ids": sorted(counts), "counts": [counts[one] for one in sorted(counts)]},
        )


def _lock(connection: Connection, label: str) -> None:
    """One change at a time for each module. Raises Refusal when there is none."""
    there = text("SELECT id FROM module WHERE label = :label FOR NO KEY UPDATE")
    if connection.execute(there, {"label": label}).scalar() is None:
        raise no_module(label)
