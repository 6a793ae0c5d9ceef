"""Values as the text of the language, for people: `"a"`, `[1, 2]`, `{ a = 1 }`, `(known after apply)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

from iacengine.cli.views.cells import cells, pad
from iacengine.lang.text import number_text, quote
from iacengine.lang.values import SENSITIVE, ListValue, MapValue, Marked, Null, SetValue, Unknown, Value, from_python

KNOWN_LATER: Final = "(known after apply)"
SENSITIVE_TEXT: Final = "(sensitive value)"
INDENT: Final = "    "

_NAME = re.compile(r"[^\W\d][\w-]*\Z")
_PLAIN_STRING = re.compile(r"[ !#\x26-\x5b\x5d-\x7e]*\Z")  # nothing to escape: no quote, backslash, $, % or control


@lru_cache(maxsize=4096)
def key_name(key: str) -> str:
    """A key of an object or map, quoted when it is no name."""
    return key if _NAME.match(key) else quote(key)


def string_text(text: str) -> str:
    return f'"{text}"' if _PLAIN_STRING.match(text) else quote(text)


def entries_of(value: Value) -> Mapping[str, Value] | None:
    """The entries of an object or map; None for anything else."""
    kind = value.__class__
    if kind is dict:
        return value
    return value.items if kind is MapValue else None


def items_of(value: Value) -> tuple[Value, ...] | None:
    """The elements of a tuple, list or set; None for anything else."""
    kind = value.__class__
    if kind is tuple:
        return value
    return value.items if kind is ListValue or kind is SetValue else None


def is_sensitive(value: Value) -> bool:
    return value.__class__ is Marked and SENSITIVE in value.marks


def scalar_text(value: Value) -> str | None:
    """The text of a value that fits one line by its nature; None for a filled collection or object."""
    kind = value.__class__
    if kind is str:
        return string_text(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None or kind is Null:
        return "null"
    if kind is int or kind is Fraction or kind is float:
        return number_text(value)
    if kind is Unknown:
        return KNOWN_LATER
    if kind is Marked:
        return SENSITIVE_TEXT if SENSITIVE in value.marks else scalar_text(value.value)
    if not (value if kind is dict or kind is tuple else value.items):
        return "{}" if kind is dict or kind is MapValue else "[]"
    return None


def short_text(value: Value) -> str:
    """The value on one line; what does not fit one is told by its size."""
    text = scalar_text(value)
    if text is not None:
        return text if len(text) <= 60 or value.__class__ is not str else f'{text[:56]}..."'
    if value.__class__ is Marked:
        return short_text(value.value)
    entries = entries_of(value)
    if entries is not None:
        return f"{{ {_counted(len(entries), 'attribute')} }}"
    return f"[ {_counted(len(items_of(value) or ()), 'element')} ]"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def value_lines(value: Value, indent: str) -> list[str]:
    """The value on as many lines as it needs. The first has no indent: it follows a name; the others have `indent`."""
    kind = value.__class__
    if kind is Marked and SENSITIVE not in value.marks:
        value = value.value
        kind = value.__class__
    if kind is str:
        if len(value) <= 20 and _PLAIN_STRING.match(value):
            return [f'"{value}"']
        if "\n" in value:
            structure = json_structure(value)
            return heredoc(value, indent) if structure is None else _encoded(structure, indent)
        if len(value) > 20 and (structure := json_structure(value)) is not None:
            return _encoded(structure, indent)
    text = scalar_text(value)
    if text is not None:
        return [text]
    inner = indent + INDENT
    entries = entries_of(value)
    if entries is not None:
        lines = ["{"]
        names = {key: key_name(key) for key in sorted(entries)}
        longest = max(map(cells, names.values()))
        for key, name in names.items():
            first, *rest = value_lines(entries[key], inner)
            lines.append(f"{inner}{pad(name, longest)} = {first}")
            lines.extend(rest)
        return [*lines, f"{indent}}}"]
    lines = ["["]
    for item in items_of(value) or ():
        first, *rest = value_lines(item, inner)
        lines.append(inner + first)
        lines.extend(rest)
        lines[-1] += ","
    return [*lines, f"{indent}]"]


def json_structure(text: str) -> Value | None:
    """The object or array that a text holds as JSON, filled and not nested beyond reason; None when it is none."""
    if not text or text[0] not in "{[" or len(text) < 8:
        return None
    import json  # lazy: few plans hold JSON in strings

    try:
        data = json.loads(text)
        return from_python(data) if data else None
    except (ValueError, TypeError, RecursionError):
        return None


def _encoded(structure: Value, indent: str) -> list[str]:
    first, *rest = value_lines(structure, indent)
    lines = [f"jsonencode({first}", *rest]
    lines[-1] += ")"
    return lines


def heredoc(text: str, indent: str) -> list[str]:
    """A text of several lines as a heredoc, control characters escaped."""
    lines = text.split("\n")
    start, end = heredoc_frame(lines)
    body = lines if lines[-1] else lines[:-1]
    return [start, *(f"{indent}{INDENT}{escape_line(line)}".rstrip(" ") for line in body), f"{indent}{end}"]


def heredoc_frame(lines: list[str]) -> tuple[str, str]:
    """The first and the last line around a heredoc. The end mark grows until no line is equal to it."""
    end = "EOT"
    while any(line.strip() == end for line in lines):
        end += "_"
    return (f"<<-{end} # no newline at the end" if lines[-1] else f"<<-{end}"), end


def escape_line(line: str) -> str:
    """The line with what would move the cursor escaped; tabs stay."""
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() or character == "\t" else repr(character)[1:-1] for character in line
    )
