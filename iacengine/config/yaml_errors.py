"""What is wrong with a YAML text, told for somebody who writes stack files."""

from __future__ import annotations

import re
from typing import Any

from iacengine.config.syntax_error import SourceSyntaxError

_RESERVED = {"%": "%", "@": "@", "`": "`"}
_FLOW_TEMPLATE = re.compile(r"[{\[,].*\$\{")


def syntax_mistake(error: Any, text: str) -> SourceSyntaxError:
    """The mistake behind an exception of PyYAML."""
    problem = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    if mark is None or (opened is not None and "unexpected end of stream" in problem):
        mark = opened or mark
    if mark is None:  # a ReaderError: a character that YAML does not allow
        offset = _forbidden_character(text)
        return SourceSyntaxError(
            "Character not allowed",
            f"YAML allows no control characters; this is U+{ord(text[offset]):04X}.",
            offset,
            remedy='Write it as an escape in a double-quoted string, such as "\\u0007".',
        )
    offset = min(mark.index, len(text))
    line_start = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", offset)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    summary, detail, remedy = _explained(problem, text[offset : offset + 1], line)
    if offset == len(text) or text[offset] == "\n":  # an unfinished construct: show the last text there is
        shown = len(text[:offset].rstrip())
        offset = max(shown - 1, 0) if line_start >= shown else offset
    return SourceSyntaxError(summary, detail, offset, remedy=remedy)


def _explained(problem: str, character: str, line: str) -> tuple[str, str, str | None]:
    if character == "\t" or "found a tab" in problem or "\\t" in problem:
        return (
            "Tab used for indentation",
            "YAML allows only spaces in front of a key or a list element.",
            "Replace the tab by spaces, two a level.",
        )
    if character in _RESERVED and "cannot start any token" in problem:
        return (
            f'Text cannot begin with "{character}"',
            f'A plain YAML text may not begin with "{character}".',
            "Put the whole text in quotes.",
        )
    if "mapping values are not allowed" in problem:
        return (
            "Unexpected colon",
            "A colon followed by a space begins a value here, in a text that is no key.",
            "Put the whole text in quotes if the colon belongs to it: '${[for x in y : x]}'. Or check the indentation.",
        )
    if _FLOW_TEMPLATE.search(line) and ("flow" in problem or "expected ','" in problem or "cannot start" in problem):
        return (
            "Unquoted template inside { } or [ ]",
            "Inside { } and [ ] the braces of ${…} are YAML's own.",
            'Quote the text: {name: "${var.name}"}, or write one key a line.',
        )
    if "expected alphabetic or numeric character" in problem:
        return (
            "Invalid anchor or alias",
            'A text that begins with "*" or "&" names an anchor.',
            "Put the text in quotes when it is meant as it stands.",
        )
    if "unexpected end of stream" in problem:
        return "Unfinished text", "The quoted text that begins here has no end.", "Add the closing quote."
    if "did not find expected ',' or" in problem:
        return (
            "Unfinished list or mapping",
            f"Inside a bracket a comma or {problem[-3:]} must follow here.",
            "Close the bracket, or put a comma between two elements.",
        )
    if "unknown escape character" in problem:
        return (
            "Unknown escape",
            'A double-quoted YAML text knows escapes such as \\n, \\t, \\" and \\\\.',
            "Double the backslash, or use single quotes, where a backslash is itself.",
        )
    if "expected <block end>" in problem or "did not find expected key" in problem:
        return (
            "Wrong indentation",
            "This line is neither part of what stands above it nor a key or element beside it.",
            "Indent it like its neighbours.",
        )
    if "could not find expected ':'" in problem:
        return ("Missing colon", "A key is followed by a colon and a space.", "Write `key: value`.")
    return "Invalid YAML", f"{problem[:1].upper()}{problem[1:]}.", "Look for a character that YAML takes for its own."


def _forbidden_character(text: str) -> int:
    match = re.search("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    return match.start() if match else 0
