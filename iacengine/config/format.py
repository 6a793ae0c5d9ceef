"""Stack files in their canonical form, for `iac fmt`. What a file means never changes: it is read before and after."""

from __future__ import annotations

import re
from typing import Any

from iacengine.config.source import parse, source_file
from iacengine.foundation.diagnostics import DiagnosticsError, error

_BOM = "\ufeff"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_INDENT = "  "


def format_yaml(text: bytes, path: str = "stack.iac.yaml") -> bytes:
    """The YAML text in canonical layout. Raises DiagnosticsError when it cannot be read; `path` names it there."""
    from iacengine.config.yaml_layout import Layout

    before = parse(source_file(path, text))
    plain = text.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    lines = Layout(plain).lines()
    result = ("\n".join(lines) + "\n").encode() if lines else b""
    return _unchanged(before, result, path)


def format_json(text: bytes, path: str = "stack.iac.json") -> bytes:
    """The JSON text with two spaces a level, every number and string as it was written. Raises DiagnosticsError."""
    before = parse(source_file(path, text))
    parts: list[str] = []
    depth = 0
    tokens = _TOKEN.findall(text.decode("utf-8-sig"))
    for index, part in enumerate(tokens):
        if part in ("}", "]"):
            depth -= 1
            if tokens[index - 1] not in ("{", "["):
                parts.append("\n" + _INDENT * depth)
        parts.append(": " if part == ":" else part)
        if part in ("{", "["):
            depth += 1
        if part == "," or (part in ("{", "[") and tokens[index + 1] not in ("}", "]")):
            parts.append("\n" + _INDENT * depth)
    return _unchanged(before, ("".join(parts) + "\n").encode(), path)


def _unchanged(before: Any, result: bytes, path: str) -> bytes:
    try:
        after = parse(source_file(path, result))
    except DiagnosticsError:
        after = _unchanged
    if not same_data(before, after):
        raise DiagnosticsError(
            error(
                "Cannot format the file",
                f"{path} would not mean the same afterwards, so it was left as it is.",
                remedy="Please report it, with the file: this is a mistake of the formatter.",
            )
        )
    return result


def same_data(a: Any, b: Any) -> bool:
    """Equal data of equal types, keys in the same order (1, 1.0 and true are different)."""
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if a.__class__ is not b.__class__:
            return False
        if a.__class__ is dict:
            if list(a) != list(b):
                return False
            todo.extend(zip(a.values(), b.values(), strict=True))
        elif a.__class__ is list:
            if len(a) != len(b):
                return False
            todo.extend(zip(a, b, strict=True))
        elif a != b:
            return False
    return True
