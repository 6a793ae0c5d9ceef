"""Stack files as text: read, parsed, and asked for line and column once an error needs them.

Nothing about positions is kept while loading. `locate` reads the text of the file again, with marks, and follows the
path of an `Origin`; what it learnt of the last few files stays at hand.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iacengine.config.model import KeyPath, Origin, SourceFile
from iacengine.config.places import TextPlaces
from iacengine.config.syntax_error import SourceSyntaxError
from iacengine.foundation.diagnostics import (
    Diagnostic,
    DiagnosticsError,
    Position,
    Severity,
    Snippet,
    SourceRange,
    error,
)

if TYPE_CHECKING:
    from iacengine.config.json_places import JsonPlaces
    from iacengine.config.yaml_places import YamlPlaces
    from iacengine.lang.errors import ExpressionError

_BOM = b"\xef\xbb\xbf"
_BLOCK_LABELS = {
    "resource": 2,
    "data": 2,
    "ephemeral": 2,
    "locals": 1,
    "variable": 1,
    "output": 1,
    "module": 1,
    "provider": 1,
    "check": 1,
}


def source_file(path: str, text: bytes) -> SourceFile:
    """The file, its syntax told by its name."""
    syntax = "json" if path.endswith(".json") else "yaml"
    return SourceFile(path, text, syntax, hashlib.sha256(text).hexdigest())


def parse(file: SourceFile) -> Any:
    """The data of a stack file; None when it is empty. Raises DiagnosticsError with the place of the mistake."""
    try:
        if file.syntax == "json":
            from iacengine.config.json_source import parse_json_text

            return parse_json_text(file.text.removeprefix(_BOM))
        from iacengine.config.yaml_source import parse_yaml

        return parse_yaml(_decoded(file))
    except SourceSyntaxError as mistake:
        raise DiagnosticsError(_syntax_diagnostic(file, mistake)) from None


def locate(
    origin: Origin, path: KeyPath = (), span: tuple[int, int] | None = None, *, key: bool = False
) -> tuple[SourceRange, Snippet]:
    """Where a value stands: the file's range, and the line to show.

    `path` leads on from the origin; what is not in the file (an index into an expression, say) ends at the nearest
    parent. `span` is a range of characters inside the text at the path. `key`: the key is meant, not its value. For a
    mapping or list its key is shown, as it says more than a brace.
    """
    file = origin.file
    whole = origin.path + path
    place = _places(file).find(whole)
    complete = place.steps == len(whole)
    start, end = place.value
    if place.key is not None and (key or not complete or (not place.is_text and _is_collection(file, place.value))):
        start, end = place.key
    elif span is not None and complete and place.offsets is not None:
        offsets = place.offsets()
        if offsets is not None:
            last = len(offsets) - 1
            start = offsets[min(span[0], last)]
            end = max(offsets[min(span[1], last)], start + 1) if span[1] > span[0] else start + 1
    return _located(file, start, end, _context(whole))


def explain(
    expression_error: ExpressionError, origin: Origin, values: Iterable[tuple[str, str]] = (), *, path: KeyPath = ()
) -> Diagnostic:
    """An error of an expression as a diagnostic; the expression stands at `path` below the origin."""
    from iacengine.lang.remedies import remedy_of  # lazy: wanted for mistakes alone

    inside = (*path, *expression_error.path)
    range_, snippet = locate(origin, inside, expression_error.span, key=expression_error.key_of)
    known = tuple(values) or expression_error.values
    if known:
        snippet = Snippet(snippet.line, snippet.context, known)
    return Diagnostic(
        Severity.ERROR,
        expression_error.summary,
        expression_error.detail,
        remedy_of(expression_error),
        range_,
        snippet,
    )


def mistake(
    origin: Origin,
    summary: str,
    detail: str = "",
    *,
    path: KeyPath = (),
    key: bool = False,
    remedy: str | None = None,
    span: tuple[int, int] | None = None,
) -> Diagnostic:
    """An error at a place below an origin."""
    return error(summary, detail, remedy=remedy).at(*locate(origin, path, span, key=key))


def place_text(origin: Origin, path: KeyPath = ()) -> str:
    """`file:line:column` of a key, for messages that name a second place."""
    return str(locate(origin, path, key=True)[0])


# --- text -----------------------------------------------------------------------------------------------------------


def _decoded(file: SourceFile) -> str:
    try:
        return file.text.removeprefix(_BOM).decode()
    except UnicodeDecodeError as failure:
        encoding = "UTF-16" if file.text[:2] in (b"\xff\xfe", b"\xfe\xff") else None
        line = file.text[: failure.start].count(b"\n") + 1
        raise DiagnosticsError(
            error(
                "Not UTF-8",
                f"{file.path} is {encoding} text." if encoding else f"Line {line} of {file.path} is no UTF-8 text.",
                remedy="Save the file as UTF-8.",
            )
        ) from None


@lru_cache(maxsize=8)
def _text(file: SourceFile) -> str:
    return file.text.removeprefix(_BOM).decode(errors="replace")


@lru_cache(maxsize=8)
def _places(file: SourceFile) -> JsonPlaces | YamlPlaces | TextPlaces:
    if file.syntax == "text":
        return TextPlaces(_text(file))
    if file.syntax == "json":
        from iacengine.config.json_places import JsonPlaces

        return JsonPlaces(_text(file))
    from iacengine.config.yaml_places import YamlPlaces

    return YamlPlaces(_text(file))


def _is_collection(file: SourceFile, span: tuple[int, int]) -> bool:
    """True for what goes over lines or begins with a bracket."""
    text = _text(file)
    return text[span[0] : span[0] + 1] in ("{", "[") or text.find("\n", span[0], span[1]) >= 0


@lru_cache(maxsize=8)
def _line_starts(file: SourceFile) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", _text(file)))]


def _located(file: SourceFile, start: int, end: int, context: str | None) -> tuple[SourceRange, Snippet]:
    text = _text(file)
    first = _position(file, start)
    line_start = start - first.column + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)].removesuffix("\r")
    return SourceRange(file.path, first, _position(file, max(end, start))), Snippet(line, context)


def _position(file: SourceFile, offset: int) -> Position:
    starts = _line_starts(file)
    line = bisect_right(starts, offset)
    return Position(line, offset - starts[line - 1] + 1, offset)


def _context(path: KeyPath) -> str | None:
    """The block a path stands in, as users name it: `resource.aws_vpc.main`."""
    names = [step for step in path if step.__class__ is str]
    if not names or (len(names) == 1 and len(path) == 1):
        return None  # the key itself is shown
    return ".".join(str(name) for name in names[: _BLOCK_LABELS.get(str(names[0]), 0) + 1])


def _syntax_diagnostic(file: SourceFile, mistake_: SourceSyntaxError) -> Diagnostic:
    detail = mistake_.detail
    if mistake_.duplicate:
        first = mistake_.first
        if first is None:
            first = _first_of_duplicates(file, mistake_.start)
        where = "the place above" if first is None else str(_located(file, first, first, None)[0])
        detail = detail.replace("{first}", where)
    range_, snippet = _located(file, mistake_.start, mistake_.end, None)
    return error(mistake_.summary, detail, remedy=mistake_.remedy).at(range_, snippet)


def _first_of_duplicates(file: SourceFile, second: int) -> int | None:
    from iacengine.config.yaml_places import YamlPlaces

    # What follows the repeated key may be no YAML at all, so only the text up to it is read again.
    end = _text(file).find("\n", second)
    text = _text(file)[: end if end >= 0 else len(_text(file))]
    try:
        return YamlPlaces(text).first_of_duplicates(second)
    except Exception:
        return YamlPlaces(_text(file)).first_of_duplicates(second)
