"""Which version of a module is the latest, and what of it the search knows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection, text

from iacengine.modules.version import parse_version

_README_SEARCHED = 20_000  # characters
_MOST_TYPES, _LONGEST_TYPE = 1000, 200  # what is more, or longer, is no use in searching, and no index would hold it
_WORD = re.compile(r"[^\W_]+")


def choose_latest(connection: Connection, module: int) -> None:
    """Let the newest version that is neither yanked nor deleted describe the module; a release goes before every
    pre-release. Without any, the module is found no more, but is still there."""
    rows = connection.execute(
        text("SELECT id, version FROM version WHERE module_id = :id AND yanked IS NULL AND deleted IS NULL"),
        {"id": module},
    ).all()
    if not rows:
        connection.execute(
            text("UPDATE module SET latest_id = NULL, heading = '', words = '', updated = now() WHERE id = :id"),
            {"id": module},
        )
        return
    versions = [(parse_version(row.version), row.id) for row in rows]
    _, latest = max(versions, key=lambda pair: (not pair[0].prerelease, pair[0]))
    row = connection.execute(
        text(
            "SELECT m.label, m.latest_id, c.description, c.tags, c.contents->>'readme' AS readme, "
            "(SELECT coalesce(array_agg(DISTINCT r->>'type'), '{}') "
            " FROM json_array_elements(c.contents->'resources') r) AS types "
            "FROM module m, version_contents c WHERE m.id = :module AND c.version_id = :version"
        ),
        {"module": module, "version": latest},
    ).one()
    if row.latest_id == latest:
        connection.execute(text("UPDATE module SET updated = now() WHERE id = :id"), {"id": module})
        return
    types = [one for one in sorted(row.types) if len(one) <= _LONGEST_TYPE][:_MOST_TYPES]
    connection.execute(
        text(
            # Names are matched as they are, prose by the stems of its words.
            "UPDATE module SET latest_id = :latest, updated = now(), description = :description, tags = :tags, "
            "resource_types = :types, heading = h.heading, words = h.heading || "
            "setweight(to_tsvector('english', :readme) || to_tsvector('simple', :resources), 'D') "
            "FROM (SELECT setweight(to_tsvector('simple', :names), 'A') || setweight(to_tsvector('simple', :labels), "
            "'B') || setweight(to_tsvector('english', :description), 'C') AS heading) h WHERE id = :id"
        ),
        {
            "id": module,
            "latest": latest,
            "description": row.description,
            "tags": list(row.tags),
            "types": types,
            "names": _spaced([row.label]),
            "labels": _spaced(row.tags),
            "readme": (row.readme or "")[:_README_SEARCHED].replace("\0", " "),
            "resources": _spaced(types),
        },
    )
    learn_words(connection, words_of([row.label, *row.tags]))


def words_of(texts: Iterable[str]) -> list[str]:
    """The words in names, in lower case: what stands between signs."""
    return sorted({word for one in texts for word in _WORD.findall(one.lower())})


def _spaced(texts: Iterable[str]) -> str:
    return " ".join(word for one in texts for word in _WORD.findall(one.lower()))


def trigrams(word: str) -> list[str]:
    """The trigrams of a word, as PostgreSQL's pg_trgm has them: with two blanks before it and one behind."""
    padded = f"  {word} "
    return sorted({padded[index : index + 3] for index in range(len(padded) - 2)})


def learn_words(connection: Connection, words: Iterable[str]) -> None:
    """Let words be found by similar ones."""
    rows = [
        {"trigram": trigram, "word": word, "size": len(found)}
        for word in words
        if 3 <= len(word) <= 64
        for found in (trigrams(word),)
        for trigram in found
    ]
    rows.sort(key=lambda row: (row["trigram"], row["word"]))  # one order for all: no deadlocks
    if rows:
        connection.execute(
            text(
                "INSERT INTO word_trigram (trigram, word, size) VALUES (:trigram, :word, :size) ON CONFLICT DO NOTHING"
            ),
            rows,
        )
