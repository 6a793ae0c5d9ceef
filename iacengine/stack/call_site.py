"""Where in a Python program something was declared: found cheaply, worked out only when an error needs it."""

from __future__ import annotations

import ast
import itertools
import linecache
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Position, Snippet, SourceRange, error

_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True, eq=False)
class CallSite:
    """A call: its code, the offset of the instruction in it, and its line for code without columns."""

    code: CodeType
    instruction: int
    line: int

    def place(self, argument: str | None = None) -> tuple[SourceRange, Snippet]:
        """The call, or one keyword argument of it where the source can be read."""
        path = self.code.co_filename
        first, last = self._lines()
        keyword = _keyword(path, first, last, argument) if argument is not None else None
        if keyword is not None:
            start, end = keyword
        else:
            text = linecache.getline(path, first.line).rstrip("\n")
            start = first
            end = last if last.line == first.line else Position(first.line, len(text) + 1)
        line = linecache.getline(path, start.line).rstrip("\n")
        return SourceRange(_shown(path), start, end), Snippet(line)

    def _lines(self) -> tuple[Position, Position]:
        """From the first to behind the last character of the call (PEP 657)."""
        path = self.code.co_filename
        spans = itertools.islice(self.code.co_positions(), self.instruction // 2, None)
        line, end_line, column, end_column = next(spans, (None, None, None, None))
        if line is None or end_line is None or column is None or end_column is None:
            text = linecache.getline(path, self.line).rstrip("\n")
            indent = len(text) - len(text.lstrip())
            return Position(self.line, indent + 1), Position(self.line, len(text) + 1)
        return _position(path, line, column), _position(path, end_line, end_column)


def call_site() -> CallSite:
    """The innermost call that is made outside this package."""
    frame = sys._getframe(1)
    while True:
        module = frame.f_globals.get("__name__", "")
        if (module != _PACKAGE and not module.startswith(_PACKAGE + ".")) or frame.f_back is None:
            return CallSite(frame.f_code, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back


def mistake_here(
    summary: str, detail: str, *, remedy: str | None = None, site: CallSite | None = None, argument: str | None = None
) -> DiagnosticsError:
    """An error ready to raise, at the line of the program that made the mistake."""
    return told(DiagnosticsError(error(summary, detail, remedy=remedy).at(*(site or call_site()).place(argument))))


def told(failure: DiagnosticsError) -> DiagnosticsError:
    """The failure with its remedies as notes, so that a traceback shows them too (PEP 678)."""
    shown = getattr(failure, "__notes__", [])
    for diagnostic in failure.diagnostics:
        note = _note(diagnostic)
        if note is not None and note not in shown:
            failure.add_note(note)
    return failure


def _note(diagnostic: Diagnostic) -> str | None:
    return f"  help: {diagnostic.remedy}" if diagnostic.remedy and diagnostic.is_error else None


def _shown(path: str) -> str:
    """The path as the user would write it: relative to the working directory for what is below it."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return path
    return path if relative.startswith("..") or path.startswith("<") else relative


def _position(path: str, line: int, column: int) -> Position:
    """Python counts columns in UTF-8 bytes from 0, users in characters from 1."""
    text = linecache.getline(path, line)
    return Position(line, len(text.encode()[:column].decode(errors="ignore")) + 1)


def _keyword(path: str, first: Position, last: Position, name: str) -> tuple[Position, Position] | None:
    for keyword in _keywords("".join(linecache.getlines(path))).get((first.line, last.line), ()):
        if keyword.arg in (name, f"{name}_") and keyword.end_lineno is not None:
            start = _position(path, keyword.lineno, keyword.col_offset)
            end = _position(path, keyword.end_lineno, keyword.end_col_offset or 0)
            if end.line != start.line:
                end = Position(start.line, len(linecache.getline(path, start.line).rstrip("\n")) + 1)
            return start, end
    return None


@lru_cache(maxsize=8)
def _keywords(source: str) -> dict[tuple[int, int], list[ast.keyword]]:
    """The keyword arguments of every call of a program, by the first and last line of the call."""
    found: dict[tuple[int, int], list[ast.keyword]] = {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.end_lineno is not None:
            found.setdefault((node.lineno, node.end_lineno), []).extend(node.keywords)
    return found
