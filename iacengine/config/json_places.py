"""Places in a JSON text, found by scanning it for tokens only when an error asks."""

from __future__ import annotations

import json
import re

from iacengine.config.places import Place, Span

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CONTAINER = {"{": "}", "[": "]"}

_Member = tuple[Span, Span]
"""Where the key of a member stands (or the element itself), and its value."""


class JsonPlaces:
    """One text, with an index of every object and array that was looked into."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._members: dict[int, dict[str | int, _Member]] = {}

    def find(self, path: tuple[str | int, ...]) -> Place:
        """The place at the path, or the nearest one above it that is there."""
        match = _TOKEN.search(self._text)
        if match is None:
            return Place(None, (0, 0), 0)
        key: Span | None = None
        value: Span = (match.start(), len(self._text.rstrip()))
        steps = 0
        for step in path:
            if self._text[value[0]] not in _CONTAINER:
                break
            member = self._index(value[0]).get(step)
            if member is None:
                break
            key, value = member
            steps += 1
        if self._text[value[0] : value[0] + 1] == '"':
            span = value
            return Place(key, span, steps, True, lambda: _string_offsets(self._text, span))
        return Place(key, value, steps)

    def _index(self, start: int) -> dict[str | int, _Member]:
        """The members of the object or array that begins at an offset."""
        found = self._members.get(start)
        if found is None:
            found = self._members[start] = _members(self._text, start)
        return found


def _members(text: str, start: int) -> dict[str | int, _Member]:
    is_object = text[start] == "{"
    found: dict[str | int, _Member] = {}
    key: Span | None = None
    depth = 0
    begun = 0
    for match in _TOKEN.finditer(text, start + 1):
        token = match[0]
        complete = False
        if token in _CONTAINER:
            if depth == 0:
                begun = match.start()
            depth += 1
        elif token in ("}", "]"):
            depth -= 1
            if depth < 0:
                break
            complete = depth == 0
        elif depth == 0 and token not in (":", ","):
            if is_object and key is None:
                key = match.span()
            else:
                begun = match.start()
                complete = True
        if complete:
            value = (begun, match.end())
            if not is_object:
                found[len(found)] = (value, value)
            elif key is not None:
                found.setdefault(json.loads(text[key[0] : key[1]]), (key, value))
                key = None
    return found


def _string_offsets(text: str, span: Span) -> list[int]:
    offsets: list[int] = []
    position, end = span[0] + 1, span[1] - 1
    while position < end:
        offsets.append(position)
        match = _ESCAPE.match(text, position, end) if text[position] == "\\" else None
        position = match.end() if match else position + 1
    offsets.append(end)
    return offsets
