"""The modules around one: what it calls and what calls it, and theirs in turn, by the newest version of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text

from iacengine.modules.wire import DependencyEntry

_MOST_LINKS = 60  # of one step; what is more is counted, not shown

_CALLED = text(
    "SELECT m.label AS caller, coalesce(d.label, d.source) AS called, d.label IS NOT NULL AS registered, "
    "d.version_constraint FROM dependency d JOIN module m ON m.latest_id = d.version_id "
    "WHERE m.label = ANY(:labels) ORDER BY m.label, d.position LIMIT :most"
)
_CALLING = text(
    "SELECT m.label AS caller, d.label AS called, true AS registered, d.version_constraint "
    "FROM dependency d JOIN module m ON m.latest_id = d.version_id "
    "WHERE d.label = ANY(:labels) ORDER BY m.label, d.position LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class Link:
    """`caller` calls `called`: labels, or a source as written where `registered` is False."""

    caller: str
    called: str
    constraint: str = ""
    registered: bool = True


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The links on either side of a module, nearest first, and the labels among them that are modules here."""

    below: tuple[Link, ...]
    above: tuple[Link, ...]
    known: frozenset[str]


def neighbourhood(
    connection: Connection, label: str, dependencies: Iterable[DependencyEntry], below: int = 3, above: int = 2
) -> Neighbourhood:
    """What a version of the module with these dependencies leads to in so many steps, and what leads to the module."""
    first = [Link(label, one.address or one.source, one.constraint, bool(one.address)) for one in dependencies]
    down = first[:_MOST_LINKS]
    seen, reached = {label}, {link.called for link in down if link.registered}
    for _ in range(below - 1):
        reached, seen = reached - seen, seen | reached
        found = _links(connection, _CALLED, reached)
        down += found
        reached = {link.called for link in found if link.registered}
    up: list[Link] = []
    seen, reached = set(), {label}
    for _ in range(above):
        reached, seen = reached - seen, seen | reached
        found = _links(connection, _CALLING, reached)
        up += found
        reached = {link.caller for link in found}
    labels = {link.called for link in down if link.registered} | {link.caller for link in up} | {label}
    rows = connection.execute(text("SELECT label FROM module WHERE label = ANY(:labels)"), {"labels": sorted(labels)})
    return Neighbourhood(tuple(down), tuple(up), frozenset(row.label for row in rows))


def _links(connection: Connection, query: TextClause, labels: set[str]) -> list[Link]:
    if not labels:
        return []
    rows = connection.execute(query, {"labels": sorted(labels), "most": _MOST_LINKS})
    return [Link(row.caller, row.called, row.version_constraint, row.registered) for row in rows]
