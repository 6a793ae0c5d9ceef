"""Data as a YAML stack file that people like to read: block style, quotes only where they are needed, and comments.

What is written is read back as equal data by `iacengine.config.yaml_source`, and left as it is by `iac fmt` (but where
a name has over 900 bytes). Texts that only YAML 1.1 takes for something else (`no`, `2012-10-17`, `12:30`) are
quoted too, for the sake of other readers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from iacengine.config.block_reader import COMMENT
from iacengine.config.scalars import resolve
from iacengine.lang.text import number_text

_STEP = "  "
_LONGEST_KEY = 900  # bytes; libyaml looks no further than 1024 characters for the colon
_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@` \t")
_ELSEWHERE = re.compile(
    r"y|n|yes|no|on|off|true|false|null|<<|=|\d{4}-\d{1,2}-\d{1,2}.*|[-+]?[\d_]+(:[\d_]+)+.*|[-+]?0[xob][\da-f_]+"
    r"|[-+]?[\d_,]*\.?[\d_]*(e[-+]?\d+)?",
    re.IGNORECASE,
)
"""What is a text here, but something else to a reader of YAML 1.1 (or of another core schema)."""

_UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class Block(dict[str, Any]):
    """A mapping whose property `//` is a comment. `is_spaced`: an empty line stands between its entries."""

    __slots__ = ("is_spaced",)

    def __init__(self, entries: Mapping[str, Any] | None = None, *, is_spaced: bool = False) -> None:
        super().__init__(entries or {})
        self.is_spaced = is_spaced


def yaml_document(data: Block) -> str:
    """The text of a stack file, with a line break at its end."""
    lines = _comment(data.get(COMMENT), "")
    body = _mapping(data, "")
    if lines and body and data.is_spaced:
        lines.append("")
    return "\n".join([*lines, *body, ""])


# --- collections ------------------------------------------------------------------------------------------------------


def _mapping(entries: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    is_block = entries.__class__ is Block
    is_spaced = isinstance(entries, Block) and entries.is_spaced
    for key, value in entries.items():
        if is_block and key == COMMENT:
            continue
        if is_spaced and lines:
            lines.append("")
        lines += _comment_of(value, indent)
        lines += _entry(_key(key), value, indent)
    return lines


def _entry(key: str, value: Any, indent: str) -> list[str]:
    if len(key.encode("utf-8", "surrogatepass")) > _LONGEST_KEY:
        return [f"{indent}? {key}", *_valued(f"{indent}:", value, indent)]
    return _valued(f"{indent}{key}:", value, indent)


def _valued(start: str, value: Any, indent: str) -> list[str]:
    """A value after its key: beside it, or on the lines below."""
    below = _collection(value, indent + _STEP)
    return [start, *below] if below else _beside(start, value, indent)


def _collection(value: Any, indent: str) -> list[str]:
    """The lines of a collection; none when the value is no collection, or has nothing in it."""
    if isinstance(value, dict):
        return _mapping(value, indent)
    return _sequence(value, indent) if isinstance(value, list | tuple) else []


def _sequence(items: list[Any] | tuple[Any, ...], indent: str) -> list[str]:
    lines: list[str] = []
    for item in items:
        lines += _comment_of(item, indent)
        inner = _collection(item, indent + _STEP)
        if not inner:
            lines += _beside(f"{indent}-", item, indent)
            continue
        first = next(index for index, line in enumerate(inner) if not line.lstrip().startswith("#"))
        lines += [f"{indent}{line.lstrip()}" for line in inner[:first]]  # nothing stands between a dash and its item
        lines += [f"{indent}- {inner[first].removeprefix(indent + _STEP)}", *inner[first + 1 :]]
    return lines


def _beside(start: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, dict):
        return [f"{start} {{}}"]
    if isinstance(value, list | tuple):
        return [f"{start} []"]
    if value.__class__ is str and "\n" in value and _is_literal(value):
        return [f"{start} {_literal_header(value)}", *_literal_lines(value, indent + _STEP)]
    return [f"{start} {_scalar(value)}"]


# --- comments ---------------------------------------------------------------------------------------------------------


def _comment_of(value: Any, indent: str) -> list[str]:
    return _comment(value.get(COMMENT), indent) if isinstance(value, Block) else []


def _comment(comment: Any, indent: str) -> list[str]:
    """A comment's lines. What is neither a text nor a list of texts is written as JSON."""
    if comment is None:
        return []
    if isinstance(comment, list):
        return [line for part in comment for line in _comment(part, indent)]
    text = comment if isinstance(comment, str) else json.dumps(comment, ensure_ascii=False, default=str)
    lines = [_UNPRINTABLE.sub("\ufffd", line).replace("\t", " ").rstrip() for line in text.splitlines()]
    return [f"{indent}# {line}" if line else f"{indent}#" for line in lines]


# --- scalars ----------------------------------------------------------------------------------------------------------


def _key(key: str) -> str:
    return _text(key)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case float():
            return repr(value)
        case Fraction() | int():
            return number_text(value)
    raise TypeError(f"{type(value).__name__} is nothing that a stack file holds")


def _text(text: str) -> str:
    """The text on one line: plain where that means the same, in quotes where not."""
    if _is_plain(text):
        return text
    if _UNPRINTABLE.search(text) or "\n" in text or "\t" in text:
        return _escaped(text)
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return _escaped(text) if "'" in text and '"' not in text else "'" + text.replace("'", "''") + "'"


def _is_plain(text: str) -> bool:
    return not (
        not text
        or text[0] in _INDICATORS
        or text[-1] in " :"
        or ": " in text
        or " #" in text
        or "\n" in text
        or "\t" in text
        or text.startswith("...")
        or _UNPRINTABLE.search(text)
        or _ELSEWHERE.fullmatch(text)
        or _is_other(text)
    )


def _is_other(text: str) -> bool:
    """Whether the plain text would be read as something other than itself."""
    try:
        return resolve(text) != text
    except ValueError:
        return True


def _escaped(text: str) -> str:
    return f'"{"".join(map(_escape, text))}"'


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if not _UNPRINTABLE.match(character):
        return character
    code = ord(character)
    return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _is_literal(text: str) -> bool:
    """Whether a text of several lines can stand as it is. One that ends in empty lines is rather quoted."""
    return (
        not text.endswith("\n\n")
        and bool(text.strip())
        and not _UNPRINTABLE.search(text)
        and not any(line and not line.strip() for line in text.split("\n"))
    )


def _literal_header(text: str) -> str:
    is_indented = text.lstrip("\n")[0] in " \t"
    return f"|{len(_STEP) if is_indented else ''}{'' if text.endswith(chr(10)) else '-'}"


def _literal_lines(text: str, indent: str) -> list[str]:
    return [f"{indent}{line}" if line else "" for line in text.removesuffix("\n").split("\n")]
