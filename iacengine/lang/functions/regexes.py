"""Regular expressions in RE2's syntax: `regex`, `regexall`, and `replace`.

Matching takes time linear in the text, whatever the pattern. Matches are walked as Go's `regexp` package walks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from iacengine.lang.functions.arguments import text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.text import nfc
from iacengine.lang.types import DYNAMIC, STRING, ListType, ObjectType, TupleType, Type
from iacengine.lang.values import ListValue, Null, Unknown, Value

_MESSAGES = {  # what RE2 says: what users of Terraform know
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
    "invalid named capture group": "invalid named capture",
}
# a quoted part, an escape, a class (of which "]" may be the first character), a named group, other groups
_TOKEN = re.compile(
    r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]])*\]|\(\?P?<(\w+)>|\(\?|\(", re.ASCII | re.DOTALL
)
_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")  # RE2 has it, but a byte may be half a character
_MEMORY = 128 << 20  # bytes a compiled pattern may take
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


class PatternError(Exception):
    """A pattern that is no regular expression: what is wrong, and in which part of it."""

    def __init__(self, problem: str, part: str) -> None:
        super().__init__(f"{problem}: `{part}`")
        self.problem = problem
        self.part = part


@lru_cache(maxsize=256)
def _compile(pattern: str) -> tuple[Any, tuple[str, ...]]:
    """The compiled pattern and the names of its groups (empty for one without). Raises PatternError."""
    import re2  # type: ignore[import-untyped]  # lazy: an extension module that few stacks need

    if _ANY_BYTE.search(pattern):
        raise PatternError("invalid escape sequence", "\\C")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise _pattern_error(error) from None
    if not compiled.groupindex:
        return compiled, ("",) * compiled.groups
    return compiled, tuple(_group_names(pattern))


def _group_names(pattern: str) -> list[str]:
    """The name of each capture group in order, empty for one without. RE2 itself tells only one group of a name."""
    names: list[str] = []
    for token in _TOKEN.finditer(pattern):
        if token[0] == "(":
            names.append("")
        elif token[1]:
            names.append(token[1])
    return names


def _pattern_error(error: Exception) -> PatternError:
    raw = error.args[0] if error.args else ""
    message = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    problem, _, part = message.partition(": ")
    return PatternError(_MESSAGES.get(problem, problem), part)


def _capture_type(names: tuple[str, ...]) -> Type:
    if not names:
        return STRING
    if all(names):
        return ObjectType(dict.fromkeys(names, STRING))
    if any(names):
        raise FunctionError("invalid regexp pattern: cannot mix both named and unnamed capture groups", 0)
    return TupleType([STRING] * len(names))


def _pattern(pattern: str) -> tuple[Any, tuple[str, ...], Type]:
    try:
        compiled, names = _compile(pattern)
    except PatternError as error:
        raise FunctionError(f"invalid regexp pattern: {error.problem} in {error.part}", 0) from None
    return compiled, names, _capture_type(names)


def _captured(match: Any, names: tuple[str, ...]) -> Value:
    if not names:
        return nfc(match.group().decode())
    groups = [Null(STRING) if group is None else nfc(group.decode()) for group in match.groups()]
    if not names[0]:
        return tuple(groups)
    named = dict(zip(names, groups, strict=True))  # of several groups of one name the last decides
    return {name: named[name] for name in sorted(named)}


def _regex_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    return DYNAMIC if arguments[0].__class__ is Unknown else _pattern(arguments[0])[2]


def _regexall_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    return ListType(_regex_type(arguments, _context))


def _regex(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    compiled, names, _ = _pattern(arguments[0])
    match = compiled.search(arguments[1].encode())
    if match is None:
        raise FunctionError("pattern did not match any part of the given string")
    return _captured(match, names)


def _regexall(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    compiled, names, type_ = _pattern(arguments[0])
    return ListValue(type_, [_captured(match, names) for match in _matches(compiled, arguments[1].encode())])


def _matches(compiled: Any, subject: bytes) -> Iterator[Any]:
    """All matches that do not overlap; no empty one directly after another match."""
    position, previous_end = 0, -1
    while position <= len(subject):
        match = compiled.search(subject, position)
        if match is None:
            return
        start, end = match.span()
        accept = True
        if end == position:
            accept = start != previous_end
            position = _after_character(subject, position)
        else:
            position = end
        previous_end = end
        if accept:
            yield match


def _after_character(subject: bytes, position: int) -> int:
    position += 1
    while position < len(subject) and subject[position] & 0xC0 == 0x80:
        position += 1
    return position


def _replace(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    subject, old, new = arguments
    if len(old) > 1 and old[0] == old[-1] == "/":
        try:
            compiled, names = _compile(old[1:-1])
        except PatternError as error:
            raise FunctionError(f"error parsing regexp: {error}") from None
        return nfc(_substitute(compiled, names, subject.encode(), new))
    return nfc(subject.replace(old, new))


def _substitute(compiled: Any, names: tuple[str, ...], subject: bytes, template: str) -> str:
    pieces: list[bytes] = []
    copied = position = 0
    while position <= len(subject):
        match = compiled.search(subject, position)
        if match is None:
            break
        start, end = match.span()
        pieces.append(subject[copied:start])
        if end > copied or start == 0:
            pieces.append(_expand(template, match, names))
        copied = end
        position = max(end, _after_character(subject, position))
    pieces.append(subject[copied:])
    return b"".join(pieces).decode()


def _expand(template: str, match: Any, names: tuple[str, ...]) -> bytes:
    """The replacement, with `$1`, `$name`, `${name}` and `$$` filled in; a group that is not there is empty."""
    if "$" not in template:
        return template.encode()

    def fill(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isascii() and name.isdigit() and (name == "0" or name[0] != "0"):
            index = int(name)
            group = match.group(index) if index <= len(names) else None
        else:
            group = match.group(names.index(name) + 1) if name in names else None
        return "" if group is None else group.decode()

    return _REFERENCE.sub(fill, template).encode()


FUNCTIONS = (
    Function("regex", (text("pattern"), text("string")), None, _regex_type, _regex),
    Function("regexall", (text("pattern"), text("string")), None, _regexall_type, _regexall),
    Function("replace", (text("str"), text("substr"), text("replace")), None, STRING, _replace),
)
