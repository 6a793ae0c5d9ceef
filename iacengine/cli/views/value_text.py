"""Values as the text of the language, for people: `"a"`, `[1, 2]`, `{ a = 1 }`, `(known after apply)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from iacengine.lang.text import number_text, quote
from iacengine.lang.values import SENSITIVE, ListValue, MapValue, Marked, Null, SetValue, Unknown, Value

KNOWN_LATER: Final = "(known after apply)"
SENSITIVE_TEXT: Final = "(sensitive value)"

_NAME = re.compile(r"[^\W\d][\w-]*\Z")
_PLAIN_STRING = re.compile(r'[ !#\x26-\x5b\x5d-\x7e]*\Z')  # nothing to escape: no quote, backslash, $, % or control


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


def is_container(value: Value) -> bool:
    return value.__class__ in (dict, tuple, MapValue, ListValue, SetValue)


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
    if not (value.items if kind in (MapValue, ListValue, SetValue) else value):
        return "{}" if kind is dict or kind is MapValue else "[]"
    return None


def value_lines(value: Value, indent: str, *, width: int) -> list[str]:
    """The value on as many lines as it needs. The first has no indent: it follows a name; the others have `indent`."""
    if value.__class__ is Marked and SENSITIVE not in value.marks:
        value = value.value
    if value.__class__ is str and "\n" in value:
        return [*heredoc(value, indent)]
    text = scalar_text(value)
    if text is not None:
        return [text]
    inner = indent + "    "
    entries = entries_of(value)
    if entries is not None:
        lines = ["{"]
        names = {key: key_name(key) for key in sorted(entries)}
        longest = max(map(len, names.values()))
        for key, name in names.items():
            first, *rest = value_lines(entries[key], inner, width=width)
            lines.append(f"{inner}{name.ljust(longest)} = {first}")
            lines.extend(rest)
        return [*lines, f"{indent}}}"]
    lines = ["["]
    for item in items_of(value) or ():
        first, *rest = value_lines(item, inner, width=width)
        lines.append(inner + first)
        lines.extend(rest)
        lines[-1] += ","
    return [*lines, f"{indent}]"]


def heredoc(text: str, indent: str) -> list[str]:
    """A text of several lines as a heredoc; control characters escaped. `EOT` grows until no line is equal to it."""
    end = "EOT"
    lines = text.split("\n")
    while any(line.strip() == end for line in lines):
        end += "_"
    body = lines[:-1] if not lines[-1] else lines
    shown = [f"{indent}    {escape_line(line)}".rstrip(" ") for line in body]
    start = f"<<-{end}" if not lines[-1] else f"<<-{end} (no newline at the end)"
    return [start, *shown, f"{indent}{end}"]


def escape_line(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line)


def reveal(value: Value) -> Value:
    """The value with no mark on it or in it, for `--show-sensitive`."""
    from iacengine.lang.values import unmark_deep  # lazy: wanted by few runs

    return unmark_deep(value)[0]
