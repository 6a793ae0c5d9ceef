"""Searching: PostgreSQL's full text search, by the beginnings of words and by stems, ranked, filtered and paged.

If nothing is found, a word is also taken for those that are similar to it by their trigrams. These are kept in a table
of ours rather than by pg_trgm, which not every PostgreSQL has (the embedded one does not), and many forbid to install.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from iacengine.modules.wire import SearchAnswer, SearchHit
from iacengine.registry.store.latest import trigrams
from iacengine.registry.store.times import rfc3339

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 8
_LIKENESS = 0.3  # pg_trgm's own threshold: shared trigrams, of all those of both words
_MOST_ORDERED = 400  # modules; of those that fit, so many of the best are ordered by downloads as well

_SIMILAR = text(
    "SELECT word, count(*)::float / (:size + size - count(*)) AS likeness FROM word_trigram "
    "WHERE trigram = ANY(:trigrams) GROUP BY word, size "
    "HAVING count(*)::float / (:size + size - count(*)) >= :least ORDER BY likeness DESC, word LIMIT 4"
)

_PAGE = """
WITH found AS MATERIALIZED (
    SELECT m.id, m.latest_id, m.label, m.deprecated IS NOT NULL AS old, {rank} AS rank FROM module m WHERE {where}
), best AS (
    SELECT * FROM found ORDER BY old, rank DESC, label LIMIT CAST(:best AS bigint)
), page AS (
    SELECT b.*, d.downloads FROM best b JOIN module_downloads d ON d.module_id = b.id
    ORDER BY b.old, b.rank DESC, d.downloads DESC, b.label LIMIT :limit OFFSET :offset
)
SELECT p.label, m.description, m.tags, m.deprecated, p.downloads, v.version, v.published, v.signers,
    (SELECT count(*) FROM found) AS total
FROM (SELECT 1) one LEFT JOIN page p ON true
    LEFT JOIN module m ON m.id = p.id LEFT JOIN version v ON v.id = p.latest_id
ORDER BY p.old, p.rank DESC, p.downloads DESC, p.label
"""
"""A page of what fits. It has a row even when the page is empty, for the total."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for. Every word, filter and tag has to fit; "" and () are no filter."""

    query: str = ""
    namespace: str = ""
    system: str = ""
    tag: str = ""
    resource_type: str = ""
    offset: int = 0
    limit: int = 20


def search(connection: Connection, wanted: Search) -> SearchAnswer:
    """The modules that fit, the best first; without words, the most used."""
    words = list(dict.fromkeys(word[:64] for word in _WORD.findall(wanted.query.lower())))[:_MOST_WORDS]
    if not words and wanted.query.strip():
        return SearchAnswer((), 0, wanted.offset, wanted.limit)  # signs alone stand in no index
    answer = _found(connection, wanted, [[word] for word in words])
    if answer.total or not words:
        return answer
    alternatives: list[list[str]] = []
    replaced: list[str] = []
    meant: list[str] = []
    for word in words:
        similar = _similar(connection, word) if len(word) >= 3 else []
        if similar and similar != [word]:
            replaced.append(word)
            meant.append(next(one for one in similar if one != word))
        alternatives.append([word, *similar])
    if not replaced:
        return answer
    second = _found(connection, wanted, alternatives)
    if not second.total:
        return second
    return SearchAnswer(second.hits, second.total, second.offset, second.limit, tuple(replaced), tuple(meant))


def _similar(connection: Connection, word: str) -> list[str]:
    parts = trigrams(word)
    rows = connection.execute(_SIMILAR, {"trigrams": parts, "size": len(parts), "least": _LIKENESS})
    return [row.word for row in rows]


def _found(connection: Connection, wanted: Search, words: list[list[str]]) -> SearchAnswer:
    given: dict[str, Any] = {"limit": wanted.limit, "offset": wanted.offset}
    conditions = ["m.latest_id IS NOT NULL"]
    for name, value in (("namespace", wanted.namespace), ("system", wanted.system)):
        if value:
            conditions.append(f"m.{name} = :{name}")
            given[name] = value
    for column, value in (("tags", wanted.tag), ("resource_types", wanted.resource_type)):
        if value:
            conditions.append(f"m.{column} @> ARRAY[:{column}]")
            given[column] = value
    rank = "0"
    if words:
        given["words"] = " & ".join("(" + " | ".join(f"{word}:*" for word in alike) + ")" for alike in words)
        given["stems"] = " ".join(alike[0] for alike in words)
        query = "(to_tsquery('simple', :words) || plainto_tsquery('english', :stems))"
        conditions.append(f"m.words @@ {query}")
        # Weights of D, C, B, A: what stands in a name counts most. 1: long texts count less.
        rank = f"ts_rank('{{0.05, 0.2, 0.5, 1.0}}', m.heading, {query}, 1)"
        # The planner does not know how long it takes to read the words of every module.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    # Without words nothing is better than anything else: the most used of all come first.
    given["best"] = max(_MOST_ORDERED, wanted.offset + wanted.limit) if words else None
    rows = connection.execute(
        text(_PAGE.format(where=" AND ".join(conditions), rank=rank)),
        given,
    ).all()
    total = rows[0].total
    hits = tuple(
        SearchHit(
            row.label,
            row.description,
            row.version,
            rfc3339(row.published),
            row.downloads,
            tuple(row.tags),
            tuple(row.signers),
            row.deprecated is not None,
        )
        for row in rows
        if row.label is not None
    )
    return SearchAnswer(hits, total, wanted.offset, wanted.limit)
