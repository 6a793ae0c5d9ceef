"""Templates as closures: parts joined to a string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.environment import Environment, Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, Span, join
from iacengine.lang.text import graphemes, nfc
from iacengine.lang.types import STRING
from iacengine.lang.values import Marked, Null, Refinement, Unknown, Value, mark

if TYPE_CHECKING:
    from iacengine.lang.syntax import Template

_NOT_NULL = Refinement(not_null=True)
_PREFIX_LIMIT = 128  # characters of a known prefix worth remembering
_DELIMITERS = frozenset("-_:;/\\,.(){}[]|?!~ \t@#$%^&*+\"'")


def compile_template(node: Template, environment: Environment) -> Run:
    parts: list[str | Run] = []
    spans: list[Span] = []
    for part in node.parts:
        parts.append(part if isinstance(part, str) else environment.compile(part))
        spans.append(node.span if isinstance(part, str) else part.span)
    if all(isinstance(part, str) for part in parts):
        text = nfc("".join(part for part in parts if isinstance(part, str)))
        return lambda _scope, _frame: text
    return joined(parts, spans)


def joined(parts: Sequence[str | Run], spans: Sequence[Span]) -> Run:
    """The parts as one string; `spans` says where each of them stands in the template."""

    def run(scope: Scope, frame: Frame) -> Value:
        pieces: list[str] = []
        marks: frozenset[str] = frozenset()
        known = True
        failure: ExpressionError | None = None
        for index, part in enumerate(parts):
            if part.__class__ is str:
                if known:
                    pieces.append(part)
                continue
            try:
                value = part(scope, frame)  # type: ignore[operator]
                if value.__class__ is not str:
                    value, found = _text_of(value, spans[index])
                    marks |= found
            except ExpressionError as error:
                failure = join(failure, error)
                continue
            if value is None:
                known = False
            elif known:
                pieces.append(value)
        text = nfc("".join(pieces))
        result: Value = mark(text if known else _unknown_text(text), marks)
        if failure is not None:
            raise failure.giving(result)
        return result

    return run


def _text_of(value: Value, span: Span) -> tuple[str | None, frozenset[str]]:
    """The text of a part, None while it is unknown, and its marks."""
    marks: frozenset[str] = frozenset()
    if value.__class__ is Marked:
        value, marks = value.value, value.marks
    if value is None or value.__class__ is Null:
        raise ExpressionError(
            "Invalid template interpolation value",
            "The expression result is null. Cannot include a null value in a string template.",
            remedy="Give a null another value with coalesce, or choose with a conditional.",
            span=span,
        )
    if value.__class__ is Unknown:
        return None, marks
    try:
        return convert(value, STRING), marks
    except ConversionError as error:
        raise ExpressionError(
            "Invalid template interpolation value",
            f"Cannot include the given value in a string template: {error}.",
            remedy="Use join for a list of strings, or jsonencode for any value.",
            span=span,
        ) from None


def _unknown_text(prefix: str) -> Unknown:
    """An unknown string that starts with the text, as far as what follows cannot change it any more.

    The last character might melt with a mark that follows, unless it is a delimiter.
    """
    prefix = prefix[:_PREFIX_LIMIT]
    if prefix and prefix[-1] not in _DELIMITERS:
        prefix = "".join(graphemes(prefix)[:-1])
    return Unknown(STRING, Refinement(not_null=True, prefix=prefix) if prefix else _NOT_NULL)
