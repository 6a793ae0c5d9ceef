"""The stack file that a Python program writes: a JSON document with one block on each line.

It is read by the same loader and decoder as any stack file. A place in it leads back to the call that wrote the line.
"""

from __future__ import annotations

import json
import keyword
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iacengine.config.directory import Files
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, SourceRange
from iacengine.stack.call_site import CallSite, mistake_here, told
from iacengine.stack.reference import Reference, holds_reference, no_value, template_of


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """One block: its text, the call that wrote it, and the columns at which its arguments begin."""

    text: str
    site: CallSite
    arguments: tuple[tuple[int, str], ...]

    def argument(self, column: int) -> str | None:
        """The argument that stands at a column, counted from 1."""
        found = None
        for start, name in self.arguments:
            if start > column:
                break
            found = name
        return found


class Document:
    """The blocks declared so far. `path`: the name the document would have as a file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lines: list[_Line] = []
        self._place = re.compile(rf"{re.escape(path)}:(\d+):(\d+)")

    def add(
        self,
        site: CallSite,
        labels: Sequence[str],
        arguments: Mapping[str, object],
        *,
        literal: bool = False,
        data: Sequence[str] = (),
        names_are_data: bool = False,
    ) -> None:
        """Write a block. `labels` lead to it, such as `("resource", "aws_vpc", "main")`.

        What stands in the arguments named by `data`, or in all when `literal`, is data without templates.
        `names_are_data`: the names are the user's own, and stay as they are.
        """
        for label in labels:
            if not isinstance(label, str):
                raise mistake_here("Not a name", f"A name is a string, not {type(label).__name__}.", site=site)
        text = "".join(f"{{{json.dumps(label)}:" for label in labels) + "{"
        columns: list[tuple[int, str]] = []
        for given, value in arguments.items():
            name = given if names_are_data else argument_name(given)
            text += "," if columns else ""
            columns.append((len(text) + 1, name))
            text += f"{json.dumps(name)}:{json.dumps(encoded(value, name, literal=literal or name in data))}"
        text += "}" * (len(labels) + 1)
        self._lines.append(_Line(text, site, tuple(columns)))

    def __len__(self) -> int:
        return len(self._lines)

    def text(self, more: Sequence[str] = ()) -> str:
        """The document as JSON, with `more` lines behind its own."""
        return "[\n" + ",\n".join([*(line.text for line in self._lines), *more]) + "\n]\n"

    def relocated(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with the places of the program instead of those of the document."""
        detail = self._place.sub(self._place_in_program, diagnostic.detail)
        if detail != diagnostic.detail:
            diagnostic = replace(diagnostic, detail=detail)
        range_ = diagnostic.range
        if range_ is None or range_.path != self.path:
            return diagnostic
        found = self._program_place(range_.start.line, range_.start.column)
        if found is None:
            return diagnostic
        snippet = found[1]
        if diagnostic.snippet is not None:
            snippet = replace(snippet, context=diagnostic.snippet.context, values=diagnostic.snippet.values)
        return replace(diagnostic, range=found[0], snippet=snippet)

    def relocate(self, failure: DiagnosticsError) -> None:
        """Change the places of a failure that is on its way."""
        failure.diagnostics = tuple(map(self.relocated, failure.diagnostics))
        failure.args = ("\n".join(map(str, failure.diagnostics)),)
        told(failure)

    def _program_place(self, line: int, column: int) -> tuple[SourceRange, Any] | None:
        if not 2 <= line < len(self._lines) + 2:
            return None
        found = self._lines[line - 2]
        return found.site.place(found.argument(column))

    def _place_in_program(self, match: re.Match[str]) -> str:
        found = self._program_place(int(match[1]), int(match[2]))
        return match[0] if found is None else str(found[0])


class DocumentFiles:
    """The file system, with the document in it as if it were a file."""

    def __init__(self, path: str, text: bytes, below: Files) -> None:
        self._path = path
        self._text = text
        self._below = below

    def read(self, path: str) -> bytes:
        return self._text if path == self._path else self._below.read(path)

    def kind(self, path: str) -> str | None:
        return "file" if path == self._path else self._below.kind(path)

    def entries(self, directory: str) -> list[tuple[str, bool]]:
        return self._below.entries(directory)

    def absolute(self, path: str) -> str:
        return self._below.absolute(path)


def argument_name(name: str) -> str:
    """`from_` is `from`, and so with every word that Python keeps for itself."""
    return name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name


def encoded(value: object, argument: str | None = None, *, literal: bool = False) -> Any:
    """A Python value as a stack file has it; `literal` where the file holds data and no templates."""
    match value:
        case None | bool() | int():
            return value
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise no_value(value, argument)
            return value
        case str():
            if literal:
                if holds_reference(value):
                    raise _not_here(argument)
                return value
            return template_of(value)
        case Reference():
            if literal:
                raise _not_here(argument)
            return template_of(str(value))
        case os.PathLike():
            return encoded(os.fspath(value), argument, literal=literal)
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise no_value(key, argument)
            return {
                (key if literal else template_of(key)): encoded(item, argument, literal=literal)
                for key, item in value.items()
            }
        case list() | tuple():
            return [encoded(item, argument, literal=literal) for item in value]
        case set() | frozenset():
            return [encoded(item, argument, literal=literal) for item in sorted(value)]
        case _:
            raise no_value(value, argument)


def _not_here(argument: str | None) -> DiagnosticsError:
    return mistake_here(
        "References not allowed",
        "The value must be known before anything is evaluated.",
        remedy="Write the value out, or use a local value.",
        argument=argument,
    )
