"""What is searched for, as an address has it, and what a page of results shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from iacengine.modules.wire import SearchAnswer
from iacengine.registry.store.searching import Search
from iacengine.registry.web.rendering import query

PAGE: Final = 20
"""Hits on a page."""

LAST: Final = 500
"""The last page that can be asked for."""

_LONGEST = 200
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form on the page holds."""

    q: str = ""
    namespace: str = ""
    system: str = ""
    tag: str = ""
    resource_type: str = ""
    page: int = 1

    @property
    def filters(self) -> tuple[tuple[str, str, str], ...]:
        """Those that are set: label, value, and the address without it."""
        labels = (("namespace", "Namespace"), ("system", "Provider"), ("tag", "Tag"), ("resource_type", "Resource"))
        return tuple(
            (label, getattr(self, name), self._without(name).url) for name, label in labels if getattr(self, name)
        )

    def _without(self, name: str) -> Asked:
        changed: dict[str, Any] = {name: "", "page": 1}
        return replace(self, **changed)

    @property
    def anything(self) -> bool:
        return bool(self.q or self.filters)

    @property
    def url(self) -> str:
        return self.at(self.page)

    def at(self, page: int) -> str:
        """The address of a page of the same search."""
        given = {"namespace": self.namespace, "system": self.system, "tag": self.tag}
        return query("/search", q=self.q, **given, resource_type=self.resource_type, page=page if page > 1 else "")

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(_WORD.findall(self.q.lower()))

    @property
    def search(self) -> Search:
        """What the store is asked."""
        return Search(self.q, self.namespace, self.system, self.tag, self.resource_type, (self.page - 1) * PAGE, PAGE)


def asked(parameters: Mapping[str, str]) -> Asked:
    """What a query says. Nothing is refused: what makes no sense is left out, as a form's reader would expect."""
    given = {
        name: parameters.get(name, "").replace("\0", "").strip()[:_LONGEST]
        for name in ("q", "namespace", "system", "tag", "resource_type")
    }
    page = parameters.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return Asked(**given, page=min(max(number, 1), LAST))


@dataclass(frozen=True, slots=True)
class Results:
    """A page of an answer."""

    asked: Asked
    answer: SearchAnswer

    @property
    def pages(self) -> int:
        return min(LAST, -(-self.answer.total // PAGE))

    @property
    def summary(self) -> str:
        """One line, which is also read out while one types."""
        total = self.answer.total
        if not total:
            return "No modules found." if self.asked.anything else "No modules yet."
        what = "1 module" if total == 1 else f"{total:,} modules"
        where = f", page {self.asked.page} of {self.pages}" if self.pages > 1 else ""
        if self.answer.instead_of:
            return f"Nothing has these words; {what} with similar ones{where}."
        return f"{what}{' found' if self.asked.anything else ''}{where}."

    @property
    def corrected(self) -> str:
        """The address of a search for the words that were perhaps meant, or ""."""
        return replace(self.asked, q=self.corrected_words, page=1).url if self.answer.instead_of else ""

    @property
    def corrected_words(self) -> str:
        """The query with words replaced that nothing has."""
        meant = dict(zip(self.answer.instead_of, self.answer.meant, strict=False))
        return " ".join(meant.get(word, word) for word in self.asked.words)
