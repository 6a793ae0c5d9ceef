"""What the engine tells a user: diagnostics with a place, an expectation and a remedy.

A user's mistakes are collected as `Diagnostic` and shown together; a failure is raised as `DiagnosticsError`, which
carries them. Both end in the same rendering.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: line and column count from 1 in characters, offset from 0 in characters."""

    line: int
    column: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SourceRange:
    """Part of a file, from `start` up to but without `end`. `path` is as the user would write it."""

    path: str
    start: Position
    end: Position

    def __str__(self) -> str:
        return f"{self.path}:{self.start.line}:{self.start.column}"


@dataclass(frozen=True, slots=True)
class Snippet:
    """The source line of a range, what block it stands in, and the values of the references in it.

    `values` holds pairs such as `("var.zones", "is list of string with 2 elements")`; never a sensitive value.
    """

    line: str
    context: str | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong (`summary`), why (`detail`), where (`range`, `address`), and what to do (`remedy`).

    `code` names the kind of a refusal for programs, such as `bad_signature`; most findings have none.
    """

    severity: Severity
    summary: str
    detail: str = ""
    remedy: str | None = None
    range: SourceRange | None = None
    snippet: Snippet | None = None
    address: str | None = None
    code: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def at(self, range_: SourceRange | None, snippet: Snippet | None = None) -> Diagnostic:
        """The same finding at a place, unless it has one already."""
        return self if self.range is not None else replace(self, range=range_, snippet=snippet)

    def __str__(self) -> str:
        where = f"{self.range}: " if self.range else ""
        detail = f": {self.detail}" if self.detail else ""
        return f"{where}{self.severity.value}: {self.summary}{detail}"


class DiagnosticsError(Exception):
    """A failure that is told as one or more diagnostics, at least one of them an error."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(diagnostic) for diagnostic in diagnostics))
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics


def error(
    summary: str, detail: str = "", *, remedy: str | None = None, address: str | None = None, code: str = ""
) -> Diagnostic:
    return Diagnostic(Severity.ERROR, summary, detail, remedy, address=address, code=code)


def warning(summary: str, detail: str = "", *, remedy: str | None = None, address: str | None = None) -> Diagnostic:
    return Diagnostic(Severity.WARNING, summary, detail, remedy, address=address)


def failure(summary: str, detail: str = "", *, remedy: str | None = None) -> DiagnosticsError:
    """An error ready to raise."""
    return DiagnosticsError(error(summary, detail, remedy=remedy))


class Findings:
    """Diagnostics collected along the way, in the order found, each once."""

    def __init__(self) -> None:
        self._seen: dict[Diagnostic, None] = {}

    def add(self, *diagnostics: Diagnostic) -> None:
        for diagnostic in diagnostics:
            self._seen.setdefault(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.add(*diagnostics)

    @property
    def all(self) -> tuple[Diagnostic, ...]:
        return tuple(self._seen)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(diagnostic for diagnostic in self._seen if diagnostic.is_error)

    def raise_errors(self) -> None:
        """Raise DiagnosticsError with everything found when there is an error among it."""
        if self.errors:
            raise DiagnosticsError(*self._seen)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether one of them is an error."""
    return any(found.is_error for found in diagnostics)


def near_match(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def some(named: Iterable[object], shown: int = 10) -> str:
    """The first few of them as text, each once, and how many more there are: `a, b and 3 more`."""
    texts = list(dict.fromkeys(map(str, named)))
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more
