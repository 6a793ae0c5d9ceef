"""The `for` expression and the `for` directive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from iacengine.lang.convert import ConversionError, convert, null
from iacengine.lang.environment import Environment, Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, Span, join
from iacengine.lang.syntax import For, ForDirective
from iacengine.lang.text import nfc
from iacengine.lang.types import BOOL, DYNAMIC, STRING, ListType, MapType, ObjectType, SetType, TupleType, friendly_name
from iacengine.lang.values import (
    UNKNOWN,
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
    is_null,
    mark,
    type_of,
)

_UNKNOWN_TEXT = Unknown(STRING)
_NO_MARKS: frozenset[str] = frozenset()


class _Loop:
    """The compiled parts of a `for`: collection, the slots of its variables, result and condition."""

    __slots__ = ("collection", "condition", "group", "key_slot", "result", "result_key", "spans", "value_slot")

    def __init__(self, node: For, environment: Environment) -> None:
        self.collection = environment.compile(node.collection)
        self.value_slot = environment.slot()
        self.key_slot = environment.slot() if node.key is not None else -1
        names = {} if node.key is None else {node.key: self.key_slot}
        inner = environment.binding({**names, node.value: self.value_slot})
        self.result_key = None if node.result_key is None else inner.compile(node.result_key)
        self.result = inner.compile(node.result)
        self.condition = None if node.condition is None else inner.compile(node.condition)
        self.group = node.group
        self.spans: dict[str, Span] = {
            "collection": node.collection.span,
            "condition": node.condition.span if node.condition is not None else node.span,
            "key": node.result_key.span if node.result_key is not None else node.span,
        }


_Gather: TypeAlias = Callable[
    [_Loop, list[tuple[Value, Value]], frozenset[str], Scope, Frame], tuple[Value, frozenset[str]]
]


def compile_for(node: For, environment: Environment) -> Run:
    loop = _Loop(node, environment)
    gather = _gather_tuple if loop.result_key is None else _gather_object

    def run(scope: Scope, frame: Frame) -> Value:
        return _run(loop, gather, scope, frame)

    return run


def _run(loop: _Loop, gather: _Gather, scope: Scope, frame: Frame) -> Value:
    try:
        collection = loop.collection(scope, frame)
    except ExpressionError as error:
        raise error.giving(UNKNOWN) from None
    marks = _NO_MARKS
    if collection.__class__ is Marked:
        collection, marks = collection.value, collection.marks
    items = _items(collection, loop.spans["collection"])
    if items is None:
        if type_of(collection) is not DYNAMIC:
            marks |= _check_condition(loop, scope, frame)
        return mark(UNKNOWN, marks)
    pairs = list(items)
    if not pairs:
        _check_condition(loop, scope, frame)
    return mark(*gather(loop, pairs, marks, scope, frame))


def _items(collection: Value, span: Span) -> Iterator[tuple[Value, Value]] | None:
    """Pairs of key and element, in order; None while they are unknown."""
    kind = collection.__class__
    if kind is tuple:
        return enumerate(collection)
    if kind is dict:
        return iter([(key, collection[key]) for key in sorted(collection)])
    if kind is ListValue or kind is SetValue or kind is MapValue:
        return _collection_items(collection)
    if collection is None or kind is Null:
        raise ExpressionError(
            "Iteration over null value",
            "A null value cannot be used as the collection in a 'for' expression.",
            remedy="Use coalesce to give a null another value.",
            span=span,
        )
    iterable = ListType | SetType | MapType | TupleType | ObjectType
    if kind is Unknown and (collection.type is DYNAMIC or isinstance(collection.type, iterable)):
        return None
    raise ExpressionError(
        "Iteration over non-iterable value",
        f"A value of type {friendly_name(type_of(collection))} cannot be used as the collection in a 'for' expression.",
        span=span,
    )


def _collection_items(collection: ListValue | SetValue | MapValue) -> Iterator[tuple[Value, Value]]:
    typed_null = null(collection.element_type)
    if isinstance(collection, MapValue):
        for key, item in collection.items.items():
            yield key, typed_null if item is None else item
    elif isinstance(collection, ListValue):
        for index, item in enumerate(collection.items):
            yield index, typed_null if item is None else item
    else:
        for item in collection.items:
            element = typed_null if item is None else item
            yield element, element


def _check_condition(loop: _Loop, scope: Scope, frame: Frame) -> frozenset[str]:
    """Run the condition where it meets no element, so that a mistake in it shows all the same. Answers its marks."""
    if loop.condition is None:
        return _NO_MARKS
    frame[loop.value_slot] = UNKNOWN
    if loop.key_slot >= 0:
        frame[loop.key_slot] = UNKNOWN
    return _included(loop, scope, frame)[1]


def _included(loop: _Loop, scope: Scope, frame: Frame) -> tuple[bool | None, frozenset[str]]:
    """Whether the element at hand is wanted, None while that is unknown, and the marks of the condition."""
    assert loop.condition is not None
    value = loop.condition(scope, frame)
    if value.__class__ is bool:
        return value, _NO_MARKS
    marks = _NO_MARKS
    if value.__class__ is Marked:
        value, marks = value.value, value.marks
    span = loop.spans["condition"]
    if value is None or value.__class__ is Null:
        raise ExpressionError("Invalid 'for' condition", "The value of the 'if' clause must not be null.", span=span)
    try:
        value = convert(value, BOOL)
    except ConversionError as error:
        raise ExpressionError(
            "Invalid 'for' condition", f"The 'if' clause value is invalid: {error}.", span=span
        ) from None
    return (None if value.__class__ is Unknown else value), marks


def _gather_tuple(
    loop: _Loop, pairs: list[tuple[Value, Value]], marks: frozenset[str], scope: Scope, frame: Frame
) -> tuple[Value, frozenset[str]]:
    results: list[Value] = []
    known = True
    failure: ExpressionError | None = None
    key_slot, value_slot, result, condition = loop.key_slot, loop.value_slot, loop.result, loop.condition
    for key, item in pairs:
        if key_slot >= 0:
            frame[key_slot] = key
        frame[value_slot] = item
        if condition is not None:
            try:
                wanted, found = _included(loop, scope, frame)
            except ExpressionError as error:
                failure, known = join(failure, error), False
                continue
            marks |= found
            if not wanted:
                known = known and wanted is not None
                continue
        try:
            results.append(result(scope, frame))
        except ExpressionError as error:
            results.append(error.result)
            failure = join(failure, error)
    whole = tuple(results) if known else UNKNOWN
    if failure is not None:
        raise failure.giving(mark(whole, marks))
    return whole, marks


def _gather_object(
    loop: _Loop, pairs: list[tuple[Value, Value]], marks: frozenset[str], scope: Scope, frame: Frame
) -> tuple[Value, frozenset[str]]:
    entries: dict[str, Value] = {}
    known = True
    failure: ExpressionError | None = None
    for key, item in pairs:
        if loop.key_slot >= 0:
            frame[loop.key_slot] = key
        frame[loop.value_slot] = item
        try:
            name, found = _wanted_key(loop, scope, frame)
        except ExpressionError as error:
            failure, known = join(failure, error), False
            continue
        marks |= found
        if name is None:
            known = False
        elif name is not _LEFT_OUT:
            try:
                value = loop.result(scope, frame)
            except ExpressionError as error:
                value, failure = error.result, join(failure, error)
            if loop.group:
                entries.setdefault(name, []).append(value)
            elif name in entries:
                failure = join(failure, _duplicate(name, marks, loop.spans["key"]))
            else:
                entries[name] = value
    if loop.group:
        entries = {name: tuple(values) for name, values in entries.items()}
    whole = entries if known else UNKNOWN
    if failure is not None:
        raise failure.giving(mark(whole, marks))
    return whole, marks


_LEFT_OUT: Value = object()


def _wanted_key(loop: _Loop, scope: Scope, frame: Frame) -> tuple[Value, frozenset[str]]:
    """The key of the element at hand, None while it is unknown, `_LEFT_OUT` when the condition says no; and marks."""
    marks = _NO_MARKS
    if loop.condition is not None:
        wanted, marks = _included(loop, scope, frame)
        if not wanted:
            return (None if wanted is None else _LEFT_OUT), marks
    name, found = _result_key(loop, scope, frame)
    return name, marks | found


def _result_key(loop: _Loop, scope: Scope, frame: Frame) -> tuple[str | None, frozenset[str]]:
    """The key of the element at hand, None while unknown, and its marks."""
    assert loop.result_key is not None
    value = loop.result_key(scope, frame)
    if value.__class__ is str:
        return value, _NO_MARKS
    marks = _NO_MARKS
    if value.__class__ is Marked:
        value, marks = value.value, value.marks
    if is_null(value):
        raise ExpressionError(
            "Invalid object key",
            "Key expression in 'for' expression must not produce a null value.",
            span=loop.spans["key"],
        )
    if value.__class__ is Unknown:
        return None, marks
    try:
        return convert(value, STRING), marks
    except ConversionError as error:
        raise ExpressionError(
            "Invalid object key", f"The key expression produced an invalid result: {error}.", span=loop.spans["key"]
        ) from None


def _duplicate(name: str, marks: frozenset[str], span: Span) -> ExpressionError:
    shown = "the same key" if marks else f'the key "{name}"'
    return ExpressionError(
        "Duplicate object key",
        f"Two different items produced {shown} in this 'for' expression.",
        remedy="If duplicates are expected, use the ellipsis (...) after the value expression to group by key.",
        span=span,
    )


# --- the directive --------------------------------------------------------------------------------------------------


def compile_for_directive(node: ForDirective, environment: Environment) -> Run:
    tuple_of = compile_for(For(node.key, node.value, node.collection, None, node.body, span=node.span), environment)

    def run(scope: Scope, frame: Frame) -> Value:
        try:
            results = tuple_of(scope, frame)
        except ExpressionError as error:
            raise error.giving(_UNKNOWN_TEXT) from None
        marks = _NO_MARKS
        if results.__class__ is Marked:
            results, marks = results.value, results.marks
        if results.__class__ is Unknown:
            return mark(_UNKNOWN_TEXT, marks)
        pieces: list[str] = []
        for result in results:
            if result.__class__ is Marked:
                result, marks = result.value, marks | result.marks
            if result.__class__ is Unknown:
                return mark(_UNKNOWN_TEXT, marks)
            pieces.append(result)
        return mark(nfc("".join(pieces)), marks)

    return run
