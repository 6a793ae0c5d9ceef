"""Diagnostics as plain text: what, where with the source line and a caret, why, and the remedy.

    error: Reference to undeclared input variable
      --> main.iac.yaml:7:14, in output.zone
       |
     7 |     value: ${var.zonne}
       |              ^^^^^^^^^
       |
      The root module declares no variable "zonne".
      help: Did you mean "zone"?

Columns are counted in terminal cells, so the caret stands right under tabs and wide characters.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable

from iacengine.foundation.diagnostics import Diagnostic, Severity, Snippet, SourceRange

_TAB = 4
_RESET = "\x1b[0m"
_STYLES = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "gutter": "\x1b[36m", "help": "\x1b[32m"}
# Control characters would move the cursor, and bidirectional overrides reorder what a reader sees: neither is shown.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LIST_ITEM = re.compile(r"\s*[-*] ")

_Paint = Callable[[str, str], str]


def render(diagnostic: Diagnostic, *, color: bool = False, width: int = 100) -> str:
    """The diagnostic as text without a final newline, wrapped to `width` cells; ANSI colours when `color`."""

    def paint(text: str, style: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if color else text

    severity = "error" if diagnostic.severity is Severity.ERROR else "warning"
    code = f"[{_safe(diagnostic.code)}]" if diagnostic.code else ""
    lines = [paint(f"{severity}{code}:", severity) + " " + paint(_safe(diagnostic.summary), "bold")]
    indent = "  "
    if diagnostic.range is not None:
        number = str(diagnostic.range.start.line)
        gutter = " " * (len(number) + 1)
        context = diagnostic.snippet.context if diagnostic.snippet else None
        where = f"{diagnostic.range}, in {context}" if context else str(diagnostic.range)
        lines.append(f"{gutter}{paint('-->', 'gutter')} {_safe(where)}")
        if diagnostic.snippet is not None:
            lines.extend(_excerpt(diagnostic.range, diagnostic.snippet, number, severity, width, paint))
    elif diagnostic.address:
        lines.append(f"  {paint('-->', 'gutter')} {_safe(diagnostic.address)}")
    if diagnostic.detail:
        lines.extend(_wrapped(_safe(diagnostic.detail), indent, indent, width))
    if diagnostic.remedy:
        wrapped = _wrapped(_safe(diagnostic.remedy), f"{indent}help: ", indent + " " * 6, width)
        wrapped[0] = wrapped[0].replace("help:", paint("help:", "help"), 1)
        lines.extend(wrapped)
    return "\n".join(lines)


def _excerpt(range_: SourceRange, snippet: Snippet, number: str, severity: str, width: int, paint: _Paint) -> list[str]:
    """The source line with the range underlined, then the values of the references in it."""
    bar = paint(" " * (len(number) + 2) + "|", "gutter")
    line = snippet.line
    start = min(max(range_.start.column - 1, 0), len(line))
    same_line = range_.end.line == range_.start.line
    end = min(max(range_.end.column - 1, start), len(line)) if same_line else len(line.rstrip())
    before, marked, after = _cropped(line, start, max(end, start), width - len(number) - 4)
    caret = " " * _cells(before) + "^" * max(_cells(marked, _cells(before)), 1)
    shown = f"{before}{marked}{after}".rstrip()
    lines = [
        bar,
        f"{paint(f' {number} |', 'gutter')} {_expanded(shown)}".rstrip(),
        f"{bar} {paint(caret, severity)}",
    ]
    for name, value in snippet.values:
        lines.append(f"{bar} {_safe(name)} {_safe(value)}")
    lines.append(bar)
    return lines


def _cropped(line: str, start: int, end: int, width: int) -> tuple[str, str, str]:
    """The line around the range, cut to about `width` characters: minified JSON has lines of megabytes."""
    line_length = len(line)
    if line_length <= width:
        return _safe(line[:start]), _safe(line[start:end]), _safe(line[end:])
    end = min(end, start + max(width * 2 // 3, 10))
    room = max(width - (end - start) - 2, 8)
    first = max(0, min(start - room // 2, line_length - width + 1))
    last = min(line_length, max(end, first + width - 2))
    before = ("…" if first else "") + line[first:start]
    after = line[end:last] + ("…" if last < line_length else "")
    return _safe(before), _safe(line[start:end]), _safe(after)


def _cells(text: str, column: int = 0) -> int:
    """How many terminal cells the text takes when it begins at a column."""
    start = column
    for character in text:
        if character == "\t":
            column += _TAB - column % _TAB
        elif character.isascii():
            column += 1
        elif not unicodedata.combining(character) and unicodedata.category(character) != "Cf":
            column += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return column - start


def _expanded(text: str) -> str:
    """The text with tabs as spaces, by the same measure as `_cells`."""
    if "\t" not in text:
        return text
    parts: list[str] = []
    column = 0
    for piece in re.split("(\t)", text):
        cells = _cells(piece, column)
        parts.append(" " * cells if piece == "\t" else piece)
        column += cells
    return "".join(parts)


def _safe(text: str) -> str:
    return _UNSAFE.sub("�", text)


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.splitlines():
        indent = rest if lines else first
        if paragraph.startswith(("  ", "\t")) or _LIST_ITEM.match(paragraph):
            lines.append(indent + paragraph)  # code, lists and tables keep their own shape
        elif not paragraph:
            lines.append("")
        else:
            lines.extend(
                textwrap.wrap(
                    paragraph,
                    max(width, 40),
                    initial_indent=indent,
                    subsequent_indent=rest,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    return lines or [first.rstrip()]
