"""What a search can be narrowed to: the namespaces, systems, tags and resource types that modules have."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

_FOUND = "FROM module m{more} WHERE m.latest_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT :most"


@dataclass(frozen=True, slots=True)
class Filters:
    """Of each the most frequent, in that order, and how many modules there are."""

    namespaces: tuple[str, ...]
    systems: tuple[str, ...]
    tags: tuple[str, ...]
    resource_types: tuple[str, ...]
    modules: int


def filters(connection: Connection, most: int = 100) -> Filters:
    """What there is to choose from; at most `most` of each."""
    total = connection.execute(text("SELECT count(*) FROM module WHERE latest_id IS NOT NULL")).scalar_one()
    return Filters(
        _values(connection, "m.namespace", "", most),
        _values(connection, "m.system", "", most),
        _values(connection, "t.value", ", unnest(m.tags) AS t(value)", most),
        _values(connection, "t.value", ", unnest(m.resource_types) AS t(value)", most),
        total,
    )


def _values(connection: Connection, column: str, more: str, most: int) -> tuple[str, ...]:
    query = f"SELECT {column} AS value {_FOUND.format(more=more)}"
    return tuple(row.value for row in connection.execute(text(query), {"most": most}))
