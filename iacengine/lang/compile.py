"""Syntax trees to closures. Parsed once, an expression runs as often as wanted without looking at its tree again.

A closure that holds several parts runs them all, also when one fails, so that every mistake is reported at once and
the error knows what kind of value the whole would have been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iacengine.lang.branches import compile_conditional, compile_if_directive
from iacengine.lang.calls import compile_call
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.environment import Environment, Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, join
from iacengine.lang.loops import compile_for, compile_for_directive
from iacengine.lang.mentions import chain, reference_of
from iacengine.lang.operations import compile_binary, compile_unary
from iacengine.lang.strings import compile_template
from iacengine.lang.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    For,
    ForDirective,
    IfDirective,
    Index,
    Interpolation,
    Item,
    Key,
    Literal,
    Node,
    Object,
    Parentheses,
    Splat,
    Template,
    Tuple,
    Unary,
    Variable,
)
from iacengine.lang.traversal import attribute_of, element_of, splat
from iacengine.lang.types import STRING
from iacengine.lang.values import UNKNOWN, Marked, Unknown, Value, is_null, mark


def compile_expression(node: Node, *, plain: bool = False) -> tuple[Run, Environment]:
    """The closure of a tree, and what was found compiling it: the size of the frame, references, calls.

    With `plain` names are variables of a template, not references. Raises ExpressionError for malformed references.
    """
    environment = Environment(_compile, plain=plain)
    return environment.compile(node), environment


def _compile(node: Node, environment: Environment) -> Run:
    return _COMPILERS[node.__class__](node, environment)


# --- names and steps ------------------------------------------------------------------------------------------------


def _constant(value: Value) -> Run:
    return lambda _scope, _frame: value


def _literal(node: Literal, _environment: Environment) -> Run:
    return _constant(node.value)


def _key(node: Key, _environment: Environment) -> Run:
    return _constant(node.name)


def _inner(node: Parentheses | Interpolation, environment: Environment) -> Run:
    return environment.compile(node.inner)


def _item(_node: Item, environment: Environment) -> Run:
    slot = environment.item
    return lambda _scope, frame: frame[slot]


def _variable(node: Variable, environment: Environment) -> Run:
    slot = environment.names.get(node.name)
    if slot is not None:
        return lambda _scope, frame: frame[slot]
    return _name(node, [], environment)[0]


def _name(root: Variable, steps: list[Attribute | Index], environment: Environment) -> tuple[Run, int]:
    """The value of a name that nothing binds, and how many of the steps belong to its subject."""
    if environment.plain:
        return _lookup((root.name,), root.span), 0
    reference, used, span = reference_of(root, steps)
    environment.references.append(replace(reference, tried=True) if environment.trying else reference)
    return _lookup(reference.subject, span), used


def _lookup(subject: tuple[str, ...], span: tuple[int, int]) -> Run:
    def look_up(scope: Scope, _frame: Frame) -> Value:
        try:
            return scope.lookup(subject)
        except ExpressionError as error:
            if error.span is None:
                error.span = span
            raise

    return look_up


def _traversal(node: Attribute | Index, environment: Environment) -> Run:
    root, steps = chain(node)
    if not isinstance(root, Variable) or root.name in environment.names:
        return _follow(environment.compile(root), steps, environment)
    run, used = _name(root, steps, environment)
    return _follow(run, steps[used:], environment)


def _follow(run: Run, steps: list[Attribute | Index], environment: Environment) -> Run:
    for step in steps:
        if isinstance(step, Attribute):
            run = _attribute(run, step)
        elif isinstance(step.key, Literal):
            run = _static_index(run, step.key.value, step.span)
        else:
            run = _dynamic_index(run, environment.compile(step.key), step.span)
    return run


def _attribute(source: Run, step: Attribute) -> Run:
    name, span = step.name, step.span

    def attribute(scope: Scope, frame: Frame) -> Value:
        try:
            value = source(scope, frame)
        except ExpressionError as error:
            raise error.giving(_taken(error, lambda result: attribute_of(result, name, span))) from None
        if value.__class__ is dict and name in value:
            return value[name]
        return attribute_of(value, name, span)

    return attribute


def _taken(error: ExpressionError, step: Callable[[Value], Value]) -> Value:
    """What a step gives for the result of a failed expression."""
    try:
        return step(error.result)
    except ExpressionError:
        return UNKNOWN


def _static_index(source: Run, key: Value, span: tuple[int, int]) -> Run:
    def index(scope: Scope, frame: Frame) -> Value:
        try:
            value = source(scope, frame)
        except ExpressionError as error:
            raise error.giving(_taken(error, lambda result: element_of(result, key, span))) from None
        return element_of(value, key, span)

    return index


def _dynamic_index(source: Run, key: Run, span: tuple[int, int]) -> Run:
    def index(scope: Scope, frame: Frame) -> Value:
        failure: ExpressionError | None = None
        try:
            value = source(scope, frame)
        except ExpressionError as error:
            value, failure = error.result, error
        try:
            wanted = key(scope, frame)
        except ExpressionError as error:
            wanted, failure = error.result, join(failure, error)
        if failure is None:
            return element_of(value, wanted, span)
        failure.result = value
        raise failure.giving(_taken(failure, lambda result: element_of(result, wanted, span)))

    return index


def _splat(node: Splat, environment: Environment) -> Run:
    source = environment.compile(node.source)
    slot = environment.slot()
    each = environment.looking_at(slot).compile(node.each)
    span = node.span

    def run(scope: Scope, frame: Frame) -> Value:
        def of_item(item: Value) -> Value:
            frame[slot] = item
            return each(scope, frame)

        try:
            value = source(scope, frame)
        except ExpressionError as error:
            raise error.giving(UNKNOWN) from None
        return splat(value, of_item, span)

    return run


# --- constructors ---------------------------------------------------------------------------------------------------


def _tuple(node: Tuple, environment: Environment) -> Run:
    items = [environment.compile(item) for item in node.items]

    def construct(scope: Scope, frame: Frame) -> Value:
        values: list[Value] = []
        failure: ExpressionError | None = None
        for item in items:
            try:
                values.append(item(scope, frame))
            except ExpressionError as error:
                values.append(error.result)
                failure = join(failure, error)
        if failure is not None:
            raise failure.giving(tuple(values))
        return tuple(values)

    return construct


def _object(node: Object, environment: Environment) -> Run:
    if all(isinstance(key, Key) or (isinstance(key, Literal) and key.value.__class__ is str) for key, _ in node.items):
        return _static_object(node, environment)
    items = [(_object_key(key, environment), environment.compile(value)) for key, value in node.items]
    spans = [key.span for key, _ in node.items]

    def construct(scope: Scope, frame: Frame) -> Value:
        entries: dict[str, Value] = {}
        marks: frozenset[str] = frozenset()
        known = True
        failure: ExpressionError | None = None
        for (key, value), span in zip(items, spans, strict=True):
            try:
                name = _key_text(key(scope, frame), span)
            except ExpressionError as error:
                failure, name = join(failure, error), UNKNOWN
            try:
                result = value(scope, frame)
            except ExpressionError as error:
                failure, result = join(failure, error), error.result
            if name.__class__ is Marked:
                marks |= name.marks
                name = name.value
            if name.__class__ is Unknown:
                known = False
            else:
                entries[name] = result
        whole = mark(entries if known else UNKNOWN, marks)
        if failure is not None:
            raise failure.giving(whole)
        return whole

    return construct


def _static_object(node: Object, environment: Environment) -> Run:
    items: list[tuple[str, Run]] = []
    for key, value in node.items:
        name = key.name if isinstance(key, Key) else key.value  # type: ignore[union-attr]
        items.append((str(name), environment.compile(value)))

    def construct(scope: Scope, frame: Frame) -> Value:
        entries: dict[str, Value] = {}
        failure: ExpressionError | None = None
        for name, value in items:
            try:
                entries[name] = value(scope, frame)
            except ExpressionError as error:
                entries[name] = error.result
                failure = join(failure, error)
        if failure is not None:
            raise failure.giving(entries)
        return entries

    return construct


def _object_key(key: Node, environment: Environment) -> Run:
    if isinstance(key, Attribute | Index):
        root, steps = chain(key)
        static = all(isinstance(step, Attribute) or isinstance(step.key, Literal) for step in steps)
        if isinstance(root, Variable) and static:
            span = key.span

            def refuse(_scope: Scope, _frame: Frame) -> Value:
                raise ExpressionError(
                    "Ambiguous attribute key",
                    "If this expression is intended to be a reference, wrap it in parentheses. If it's instead "
                    "intended as a literal name containing periods, wrap it in quotes.",
                    span=span,
                )

            return refuse
    return environment.compile(key)


def _key_text(key: Value, span: tuple[int, int]) -> Value:
    """The key as a string, unknown or marked as it is."""
    if is_null(key):
        raise ExpressionError("Null value as key", "Can't use a null value as a key.", span=span)
    try:
        return convert(key, STRING)
    except ConversionError as error:
        raise ExpressionError("Incorrect key type", f"Can't use this value as a key: {error}.", span=span) from None


_COMPILERS: dict[type, Callable[[Any, Environment], Run]] = {
    Literal: _literal,
    Key: _key,
    Parentheses: _inner,
    Interpolation: _inner,
    Item: _item,
    Variable: _variable,
    Attribute: _traversal,
    Index: _traversal,
    Splat: _splat,
    Tuple: _tuple,
    Object: _object,
    Unary: compile_unary,
    Binary: compile_binary,
    Conditional: compile_conditional,
    IfDirective: compile_if_directive,
    Call: compile_call,
    For: compile_for,
    ForDirective: compile_for_directive,
    Template: compile_template,
}
