"""From the characters of a YAML scalar's value back to where each stands in the file.

The scalar is read again by the rules of its style (YAML 1.2, chapters 7.3 and 8.1), noting where each character came
from. What comes out is compared with the value; where they differ nothing is claimed.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r?\n[ \t]*)|(.))", re.DOTALL)
_SIMPLE = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
_FOLD = re.compile(r"[ \t]*(\r?\n)([ \t]*(?:\r?\n[ \t]*)*)")


def scalar_offsets(text: str, value: str, span: tuple[int, int], style: str | None) -> list[int] | None:
    """The offset in `text` of every character of `value`, and last of its end; None when they cannot be told.

    `span` is where the scalar stands (quotes included, anchors and tags perhaps too); `style` as PyYAML names it.
    """
    start, end = span
    if style in ('"', "'"):
        start = text.find(style, start, end)
        read = _quoted(text, start + 1, end - 1, style) if start >= 0 else None
    elif style in ("|", ">"):
        read = _block(text, start, end, style)
    else:
        start = _after_properties(text, start, end)
        read = _flow(text, start, end)
    if read is None or "".join(character for character, _ in read) != value:
        return None
    offsets = [offset for _, offset in read]
    offsets.append(offsets[-1] + 1 if offsets else start)
    return offsets


_Read = list[tuple[str, int]]
_PROPERTY = re.compile(r"[&!][^\s]*\s+")


def _after_properties(text: str, start: int, end: int) -> int:
    while match := _PROPERTY.match(text, start, end):
        start = match.end()
    return start


def _folded(match: re.Match[str]) -> _Read:
    """A line break inside a flow scalar is a space; each empty line after it, a line break."""
    empty = match[2].count("\n")
    return [("\n", match.start(1))] * empty if empty else [(" ", match.start(1))]


def _flow(text: str, start: int, end: int) -> _Read:
    read: _Read = []
    position = start
    while position < end:
        match = _FOLD.match(text, position, end)
        if match:
            read.extend(_folded(match))
            position = match.end()
        else:
            read.append((text[position], position))
            position += 1
    return read


def _quoted(text: str, start: int, end: int, quote: str) -> _Read:
    read: _Read = []
    position = start
    while position < end:
        character = text[position]
        if quote == "'" and character == "'":
            read.append(("'", position))
            position += 2
        elif quote == '"' and character == "\\":
            match = _ESCAPE.match(text, position, end)
            if match is None:
                break
            code = match[1] or match[2] or match[3]
            if code:
                read.append((chr(int(code, 16)), position))
            elif match[4] is None:
                read.append((_SIMPLE.get(match[5], match[5]), position))
            position = match.end()
        else:
            fold = _FOLD.match(text, position, end)
            if fold:
                read.extend(_folded(fold))
                position = fold.end()
            else:
                read.append((character, position))
                position += 1
    return read


_HEADER = re.compile(r"(?:[&!]\S*\s+)*[|>]([-+0-9]*)[^\n]*\n")


def _block(text: str, start: int, end: int, style: str) -> _Read | None:
    header = _HEADER.match(text, start)
    if header is None:
        return None
    indicators = header[1]
    lines: list[tuple[int, str]] = []
    position = header.end()
    while position < end:
        stop = text.find("\n", position, end)
        stop = end if stop < 0 else stop
        lines.append((position, text[position:stop].removesuffix("\r")))
        position = stop + 1
    explicit = re.sub("[-+]", "", indicators)
    widths = [len(line) - len(line.lstrip(" ")) for _, line in lines if line.strip(" ")]
    if not widths:
        return []
    # An explicit indicator counts from the parent's indentation, which only the least indented line tells for sure.
    indent = min(widths) if explicit else widths[0]
    rows = [(offset + min(indent, len(line)), line[indent:]) for offset, line in lines]
    read = _literal(rows) if style == "|" else _fold_block(rows)
    return _chomped(read, indicators)


def _literal(rows: list[tuple[int, str]]) -> _Read:
    read: _Read = []
    for offset, row in rows:
        read.extend((character, offset + index) for index, character in enumerate(row))
        read.append(("\n", offset + len(row)))
    return read


def _fold_block(rows: list[tuple[int, str]]) -> _Read:
    """Folding joins lines by a space, but not around empty or more indented lines."""
    read: _Read = []
    breaks: _Read = []  # line breaks since the last text
    previous: str | None = None
    for offset, row in rows:
        if row:
            more = row[0] in " \t"
            if previous is None or more or previous[0] in " \t":
                read.extend(breaks)
            elif len(breaks) == 1:
                read.append((" ", breaks[0][1]))
            else:
                read.extend(breaks[1:])
            breaks = []
            read.extend((character, offset + index) for index, character in enumerate(row))
            previous = row
        breaks.append(("\n", offset + len(row)))
    read.extend(breaks)
    return read


def _chomped(read: _Read, indicators: str) -> _Read:
    if "+" in indicators:
        return read
    while read and read[-1][0] == "\n":
        last = read.pop()
        if "-" not in indicators and (not read or read[-1][0] != "\n"):
            return [*read, last] if read else read
    return read
