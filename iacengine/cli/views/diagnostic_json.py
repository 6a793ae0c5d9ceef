"""A diagnostic as Terraform's JSON, which editors and CI systems read; also the answer of `iac validate --json`.

https://developer.hashicorp.com/terraform/cli/commands/validate#json-output-format. `remedy` and `code` are ours; the
remedy is also added to the detail, so that a reader who knows Terraform's format alone sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, Position, Snippet, SourceRange


def diagnostic_json(diagnostic: Diagnostic) -> dict[str, Any]:
    detail = diagnostic.detail
    if diagnostic.remedy:
        detail = f"{detail}\n\n{diagnostic.remedy}" if detail else diagnostic.remedy
    shown: dict[str, Any] = {"severity": diagnostic.severity.value, "summary": diagnostic.summary, "detail": detail}
    if diagnostic.code:
        shown["code"] = diagnostic.code
    if diagnostic.address:
        shown["address"] = diagnostic.address
    if diagnostic.range is not None:
        shown["range"] = _range(diagnostic.range, diagnostic.snippet)
        if diagnostic.snippet is not None:
            shown["snippet"] = _snippet(diagnostic.range, diagnostic.snippet)
    if diagnostic.remedy:
        shown["remedy"] = diagnostic.remedy
    return shown


def validation_json(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """The answer of `validate --json`."""
    errors = sum(diagnostic.is_error for diagnostic in diagnostics)
    return {
        "format_version": "1.0",
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(diagnostics) - errors,
        "diagnostics": [diagnostic_json(diagnostic) for diagnostic in diagnostics],
    }


def _range(range_: SourceRange, snippet: Snippet | None) -> dict[str, Any]:
    return {
        "filename": range_.path,
        "start": _position(range_.start, snippet, range_.start.line),
        "end": _position(range_.end, snippet, range_.start.line),
    }


def _position(position: Position, snippet: Snippet | None, snippet_line: int) -> dict[str, int]:
    """`byte` counts from 0. Of the text before this line only the length in characters is known, so that characters
    beyond ASCII in earlier lines make it too small."""
    extra = 0
    if snippet is not None and position.line == snippet_line:
        before = snippet.line[: position.column - 1]
        extra = len(before.encode("utf-8", "surrogatepass")) - len(before)
    return {"line": position.line, "column": position.column, "byte": position.offset + extra}


def _snippet(range_: SourceRange, snippet: Snippet) -> dict[str, Any]:
    """Offsets are in bytes from the start of the line."""

    def offset(column: int) -> int:
        return len(snippet.line[: max(column - 1, 0)].encode("utf-8", "surrogatepass"))

    start = offset(range_.start.column)
    end = offset(range_.end.column) if range_.end.line == range_.start.line else len(snippet.line.encode())
    return {
        "context": snippet.context,
        "code": snippet.line,
        "start_line": range_.start.line,
        "highlight_start_offset": start,
        "highlight_end_offset": max(end, start),
        "values": [{"traversal": name, "statement": statement} for name, statement in snippet.values],
    }
