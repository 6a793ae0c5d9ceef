"""Modules and versions, as they are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from iacengine.modules.version import parse_version
from iacengine.modules.wire import (
    Contents,
    DependencyEntry,
    Dependent,
    Dependents,
    Deprecation,
    ModuleDetail,
    ModuleVersions,
    Provenance,
    VersionDetail,
    VersionEntry,
    from_data,
)
from iacengine.registry.refusal import deleted_version, no_module, no_version
from iacengine.registry.store.signatures import envelopes_of
from iacengine.registry.store.times import rfc3339

_VERSION_COLUMNS = (
    "v.id, v.version, v.published, v.package_digest, v.tree_digest, v.size, v.yanked, v.yank_reason, v.signers, "
    "v.dependencies, v.deleted"
)


@dataclass(frozen=True, slots=True)
class StoredPackage:
    """What a download needs to know."""

    version_id: int
    module_id: int
    digest: str
    tree_digest: str
    size: int


def module_detail(connection: Connection, label: str) -> ModuleDetail:
    """Raises Refusal."""
    row = connection.execute(
        text(
            "SELECT m.*, v.version AS latest, d.downloads, (SELECT count(*) FROM version x "
            "WHERE x.module_id = m.id AND x.deleted IS NULL) AS versions FROM module m "
            "JOIN module_downloads d ON d.module_id = m.id LEFT JOIN version v ON v.id = m.latest_id "
            "WHERE m.label = :label"
        ),
        {"label": label},
    ).first()
    if row is None:
        raise no_module(label)
    return ModuleDetail(
        row.label,
        row.description,
        row.latest or "",
        row.versions,
        rfc3339(row.created),
        rfc3339(row.updated),
        row.downloads,
        tuple(row.tags),
        tuple(row.resource_types),
        _deprecation(row),
    )


def module_versions(connection: Connection, label: str) -> ModuleVersions:
    """All versions, the newest first. Raises Refusal."""
    found = known_modules(connection, [label])
    if not found:
        raise no_module(label)
    return found[0][0]


def known_modules(
    connection: Connection, labels: Sequence[str]
) -> list[tuple[ModuleVersions, dict[str, StoredPackage]]]:
    """The modules that there are of these: all versions of each, the newest first, and their packages by version."""
    rows = connection.execute(
        text(
            "SELECT m.label, m.id AS module_id, m.deprecated, m.deprecation_reason, m.successor, "  # noqa: S608 - ours
            f"{_VERSION_COLUMNS} FROM module m LEFT JOIN version v ON v.module_id = m.id AND v.deleted IS NULL "
            "WHERE m.label = ANY(:labels)"
        ),
        {"labels": list(labels)},
    ).all()
    of_module: dict[str, list[Any]] = {}
    for row in rows:
        of_module.setdefault(row.label, []).append(row)
    return [(_versions(label, of_module[label]), _packages(of_module[label])) for label in of_module]


def most_used(connection: Connection) -> list[str]:
    """The labels of all modules, those that are downloaded most first."""
    rows = connection.execute(
        text("SELECT m.label FROM module m JOIN module_downloads d ON d.module_id = m.id ORDER BY d.downloads DESC")
    )
    return list(rows.scalars())


def find_version(connection: Connection, label: str, version: str, *, columns: str = "") -> Any:
    """The row of a version, with module_id. Raises Refusal when there is none, or it was deleted."""
    row = connection.execute(
        text(
            f"SELECT {_VERSION_COLUMNS}, v.module_id{columns} "  # noqa: S608 - all ours
            "FROM module m JOIN version v ON v.module_id = m.id "
            "JOIN account a ON a.id = v.account_id JOIN version_contents c ON c.version_id = v.id "
            "WHERE m.label = :label AND v.precedence = :precedence"
        ),
        {"label": label, "precedence": version.partition("+")[0]},
    ).first()
    if row is None or row.version != version:
        there = connection.execute(text("SELECT 1 FROM module WHERE label = :label"), {"label": label}).scalar()
        raise no_module(label) if there is None else no_version(label, version)
    if row.deleted is not None:
        raise deleted_version(label, version)
    return row


def version_detail(connection: Connection, label: str, version: str) -> VersionDetail:
    """Raises Refusal."""
    columns = ", a.name AS publisher, c.description, c.tags, c.source_revision, c.contents, c.downloads"
    row = find_version(connection, label, version, columns=columns)
    return VersionDetail(
        label,
        _entry(row),
        row.description,
        row.publisher,
        from_data(Contents, row.contents),
        row.source_revision,
        tuple(row.tags),
        row.downloads,
    )


def provenance(connection: Connection, label: str, version: str) -> Provenance:
    """Raises Refusal."""
    row = find_version(connection, label, version, columns=", a.name AS publisher, c.source_revision")
    return Provenance(
        label,
        row.version,
        row.package_digest,
        row.tree_digest,
        rfc3339(row.published),
        row.publisher,
        row.source_revision,
        envelopes_of(connection, row.id),
    )


def stored_package(connection: Connection, label: str, version: str) -> StoredPackage:
    """Raises Refusal."""
    return _package(find_version(connection, label, version))


def dependents(connection: Connection, label: str, offset: int, limit: int) -> Dependents:
    """The modules whose newest version depends on this one, by name. Raises Refusal."""
    given = {"label": label, "offset": offset, "limit": limit}
    if connection.execute(text("SELECT 1 FROM module WHERE label = :label"), given).scalar() is None:
        raise no_module(label)
    tables = "dependency d JOIN module m ON m.latest_id = d.version_id WHERE d.label = :label"
    total = connection.execute(text(f"SELECT count(*) FROM {tables}"), given).scalar_one()  # noqa: S608 - all ours
    rows = connection.execute(
        text(
            "SELECT m.label, v.version, d.version_constraint FROM dependency d JOIN module m "
            "ON m.latest_id = d.version_id JOIN version v ON v.id = m.latest_id WHERE d.label = :label "
            "ORDER BY m.label, d.position LIMIT :limit OFFSET :offset"
        ),
        given,
    )
    found = tuple(Dependent(row.label, row.version, row.version_constraint) for row in rows)
    return Dependents(label, found, total, offset, limit)


def _versions(label: str, rows: Sequence[Any]) -> ModuleVersions:
    entries = [_entry(row) for row in rows if row.id is not None]
    entries.sort(key=lambda entry: parse_version(entry.version), reverse=True)
    return ModuleVersions(label, tuple(entries), _deprecation(rows[0]))


def _packages(rows: Sequence[Any]) -> dict[str, StoredPackage]:
    return {sys.intern(row.version): _package(row) for row in rows if row.id is not None}


def _package(row: Any) -> StoredPackage:
    return StoredPackage(row.id, row.module_id, row.package_digest, row.tree_digest, row.size)


def _entry(row: Any) -> VersionEntry:
    return VersionEntry(
        row.version,
        rfc3339(row.published),
        row.package_digest,
        row.tree_digest,
        row.size,
        row.yanked is not None,
        row.yank_reason,
        tuple(row.signers),
        tuple(from_data(DependencyEntry, one) for one in row.dependencies),
    )


def _deprecation(row: Any) -> Deprecation | None:
    return None if row.deprecated is None else Deprecation(row.deprecation_reason, row.successor)
