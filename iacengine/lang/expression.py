"""Expressions as the rest of the engine sees them: parsed from text or data, evaluated in a scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.environment import Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, Span, join
from iacengine.lang.references import Index, Reference, Subject, subject_size
from iacengine.lang.text import nfc
from iacengine.lang.traversal import attribute_of, element_of
from iacengine.lang.types import STRING
from iacengine.lang.typetext import describe
from iacengine.lang.values import UNKNOWN, Marked, Unknown, Value, from_python, is_null, mark

if TYPE_CHECKING:
    from iacengine.lang.syntax import Node

__all__ = ["Expression", "ExpressionError", "Reference", "Scope", "parse_expression", "parse_json", "parse_template"]

_NO_FRAME: Frame = []
_SHOWN_VALUES = 8
_CACHED = 131_072  # texts; a few hundred bytes each. A stack with more is parsed several times over
_PLAIN_REFERENCE = re.compile(r"\$\{[ ]*([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)[ ]*\}", re.ASCII)
_NOT_PLAIN = re.compile(r"[$%\r]")  # what may begin a sequence, or an escape of one


class Expression:
    """Something that has a value in a scope.

    `references` names everything it refers to, in the order written. `constant` is true when it has the same value in
    every scope and calls no function.
    """

    __slots__ = ("_run", "_size", "constant", "references")

    def __init__(self, run: Run, size: int, references: tuple[Reference, ...], *, constant: bool) -> None:
        self._run = run
        self._size = size
        self.references = references
        self.constant = constant

    def evaluate(self, scope: Scope) -> Value:
        """The value in a scope. Raises ExpressionError, which may carry several errors."""
        try:
            return self._run(scope, [None] * self._size if self._size else _NO_FRAME)
        except ExpressionError as error:
            if not error.values:
                error.values = self.values(scope)
            raise
        except RecursionError:
            raise _too_deep() from None

    def values(self, scope: Scope) -> tuple[tuple[str, str], ...]:
        """What its references are in a scope, for the reader of an error; never showing a sensitive value."""
        return _values(self.references, scope)


def _too_deep() -> ExpressionError:
    return ExpressionError(
        "Expression too deep", "This expression is nested too deep.", remedy="Give parts of it names, in locals."
    )


def _values(references: tuple[Reference, ...], scope: Scope) -> tuple[tuple[str, str], ...]:
    """What the references were, for the reader of an error."""
    shown: dict[str, str] = {}
    for reference in references:
        if len(shown) == _SHOWN_VALUES:
            break
        try:
            value = scope.lookup(reference.subject)
        except (ExpressionError, DiagnosticsError):
            continue
        taken = 0  # steps that lead to something: of what does not, the last that does is shown
        for step in reference.remaining:
            try:
                if isinstance(step, Index):
                    value = element_of(value, step.key, reference.span)
                else:
                    value = attribute_of(value, step, reference.span)
            except ExpressionError:
                break
            taken += 1
        shown[reference_text(reference, taken)] = describe(value)
    return tuple(shown.items())


def reference_text(reference: Reference, steps: int) -> str:
    """The reference as one would write it, up to so many steps behind the name: `var.zones[0]`."""
    kind, *names = reference.subject
    text = ".".join(names if kind == "resource" else reference.subject)
    for step in reference.remaining[:steps]:
        if isinstance(step, Index):
            text += f"[{step.key}]" if isinstance(step.key, int) else f'["{step.key}"]'
        else:
            text += f".{step}"
    return text


# --- from text ------------------------------------------------------------------------------------------------------


def parse_template(text: str) -> Expression:
    """A string of a stack file: literal text with `${…}` and `%{…}` in it. Raises ExpressionError."""
    if "${" not in text and "%{" not in text:
        return _constant(nfc(text))
    return _parse_template(text)


@lru_cache(maxsize=_CACHED)
def _parse_template(text: str) -> Expression:
    match = _PLAIN_REFERENCE.fullmatch(text)
    if match is not None:
        plain = _plain_reference(match.group(1), match.start(1))
        if plain is not None:
            return plain
    else:
        plain = _plain_template(text)
        if plain is not None:
            return plain
    from iacengine.lang.template import parse_template as read  # lazy: plain references need no parser

    return _build(read, text)


@lru_cache(maxsize=_CACHED)
def parse_expression(text: str) -> Expression:
    """One expression, what would stand inside `${…}`. Raises ExpressionError."""
    from iacengine.lang.parser import parse_expression as read  # lazy: plain references need no parser

    return _build(read, text)


def _build(read: Callable[[str], Node], text: str) -> Expression:
    from iacengine.lang.compile import compile_expression  # lazy: as the parser

    try:
        node = read(text)
        run, found = compile_expression(node)
    except RecursionError:
        raise _too_deep() from None
    return Expression(run, found.size, tuple(found.references), constant=not found.references and not found.calls)


def _constant(value: Value) -> Expression:
    return Expression(lambda _scope, _frame: value, 0, (), constant=True)


def _plain_reference(text: str, start: int) -> Expression | None:
    """`var.a`, `aws_vpc.main.id`: the commonest expressions, read without the parser. None for what needs it."""
    names = text.split(".")
    size = subject_size(names)
    if size is None:
        return None
    subject: Subject = tuple(names[:size]) if size != -2 else ("resource", *names[:2])
    rest = tuple(names[abs(size) :])
    span = (start, start + len(text))
    subject_span = (start, start + len(".".join(names[: abs(size)])))
    run = _reference_run(subject, rest, subject_span, start)
    return Expression(run, 0, (Reference(subject, rest, span),), constant=False)


def _plain_template(text: str) -> Expression | None:
    """`${var.name}-web`: text and plain references, read without the parser. None for what needs it."""
    parts: list[str | Run] = []
    spans: list[Span] = []
    references: list[Reference] = []
    end = 0
    for match in _PLAIN_REFERENCE.finditer(text):
        plain = _plain_reference(match.group(1), match.start(1))
        if plain is None:
            return None
        start = match.start()
        if start > end:
            parts.append(text[end:start])
            spans.append((end, start))
        end = match.end()
        parts.append(plain._run)
        spans.append(match.span(1))
        references += plain.references
    if end < len(text):
        parts.append(text[end:])
        spans.append((end, len(text)))
    if not references or any(_NOT_PLAIN.search(part) for part in parts if isinstance(part, str)):
        return None
    from iacengine.lang.strings import joined  # lazy: many stacks have no such strings

    return Expression(joined(parts, spans), 0, tuple(references), constant=False)


def _reference_run(subject: Subject, rest: tuple[str, ...], span: Span, start: int) -> Run:
    def look_up(scope: Scope, _frame: Frame) -> Value:
        try:
            value = scope.lookup(subject)
        except ExpressionError as error:
            if error.span is None:
                error.span = span
            raise
        end = span[1]
        for name in rest:
            end += len(name) + 1
            value = (
                value[name] if value.__class__ is dict and name in value else attribute_of(value, name, (start, end))
            )
        return value

    return look_up


# --- from data ------------------------------------------------------------------------------------------------------


def parse_json(data: Any) -> Expression:
    """Data as a stack file has it (dict, list, str, number, bool, None), whose strings and keys are templates.

    Objects and tuples come of it. Raises ExpressionError, whose `path` leads to the string at fault.
    """
    if data.__class__ is str:
        return parse_template(data)
    if data.__class__ is dict or isinstance(data, Mapping):
        return _parse_object(data)
    if isinstance(data, list | tuple):
        return _parse_tuple(data)
    return _constant(from_python(data))


def _parse_tuple(data: list[Any] | tuple[Any, ...]) -> Expression:
    items: list[Expression] = []
    failure: ExpressionError | None = None
    for index, item in enumerate(data):
        try:
            items.append(parse_json(item))
        except ExpressionError as error:
            failure = join(failure, error.under(index))
    if failure is not None:
        raise failure
    references = _under([(index, item) for index, item in enumerate(items)])

    def run(scope: Scope, _frame: Frame) -> Value:
        values: list[Value] = []
        failure: ExpressionError | None = None
        for index, item in enumerate(items):
            try:
                values.append(item.evaluate(scope))
            except ExpressionError as error:
                values.append(error.result)
                failure = join(failure, error.under(index))
        if failure is not None:
            raise failure.giving(tuple(values))
        return tuple(values)

    return _settled(run, references, constant=all(item.constant for item in items))


def _parse_object(data: Mapping[str, Any]) -> Expression:
    items: list[tuple[str, Expression, Expression]] = []
    failure: ExpressionError | None = None
    for key, item in data.items():
        try:
            items.append((key, parse_template(str(key)), parse_json(item)))
        except ExpressionError as error:
            failure = join(failure, error.under(key))
    if failure is not None:
        raise failure
    references = _under([(key, part) for key, name, item in items for part in (name, item)])

    def run(scope: Scope, _frame: Frame) -> Value:
        entries: dict[str, Value] = {}
        marks: frozenset[str] = frozenset()
        known = True
        failure: ExpressionError | None = None
        for key, name, item in items:
            value: Value = UNKNOWN
            text: Value = UNKNOWN
            try:
                text = _key_text(name.evaluate(scope), entries)
            except ExpressionError as error:
                error.key_of = True
                failure = join(failure, error.under(key))
            try:
                value = item.evaluate(scope)
            except ExpressionError as error:
                value = error.result
                failure = join(failure, error.under(key))
            if text.__class__ is Marked:
                text, marks = text.value, marks | text.marks
            if text.__class__ is Unknown:
                known = False
            else:
                entries[text] = value
        whole = mark(entries if known else UNKNOWN, marks)
        if failure is not None:
            raise failure.giving(whole)
        return whole

    return _settled(run, references, constant=all(name.constant and item.constant for _, name, item in items))


def _key_text(key: Value, taken: Mapping[str, Value]) -> Value:
    """The key as a string, unknown or marked as it is."""
    summary = "Invalid object key expression"
    if is_null(key):
        raise ExpressionError(summary, "Cannot use null value as an object key.")
    try:
        text = convert(key, STRING)
    except ConversionError as error:
        raise ExpressionError(summary, f"Cannot use this expression as an object key: {error}.") from None
    plain = text.value if text.__class__ is Marked else text
    if plain.__class__ is str and plain in taken:
        shown = f'An attribute named "{plain}"' if plain is text else "An attribute of this name"
        raise ExpressionError("Duplicate object attribute", f"{shown} was already defined.")
    return text


def _under(parts: list[tuple[str | int, Expression]]) -> tuple[Reference, ...]:
    return tuple(
        [
            Reference(found.subject, found.remaining, found.span, (key, *found.path), found.tried)
            for key, part in parts
            for found in part.references
        ]
    )


def _settled(run: Run, references: tuple[Reference, ...], *, constant: bool) -> Expression:
    """The expression of a structure; one that holds no template is evaluated now, and but once."""
    if not constant:
        return Expression(run, 0, references, constant=False)
    try:
        return _constant(run(None, _NO_FRAME))  # type: ignore[arg-type]  # constants ask nothing of a scope
    except ExpressionError:
        return Expression(run, 0, references, constant=True)
