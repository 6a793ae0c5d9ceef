"""Functions that make lists of lists: cut, joined, flattened, turned around. Marks of elements stay on the elements."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.convert import ConversionError, convert, make_list, unify
from iacengine.lang.functions.arguments import number, whole
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.sets import identity
from iacengine.lang.types import DYNAMIC, STRING, ListType, SetType, TupleType, Type, friendly_name
from iacengine.lang.values import (
    ListValue,
    Marked,
    SetValue,
    Unknown,
    Value,
    is_wholly_known,
    mark,
    type_of,
    unmark,
)

_ANY_LIST = ListType(DYNAMIC)
_EMPTY = "cannot use element function with an empty list"


def _list_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    return type_of(arguments[0])


def _chunklist_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    return ListType(type_of(arguments[0]))


def _chunklist(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    items, marks = unmark(arguments[0])
    size_value, size_marks = unmark(arguments[1])
    size = whole(size_value, prefix="invalid size: ")
    if size < 0:
        raise FunctionError("the size argument must be positive")
    element = items.element_type
    if not items.items:
        chunks = []
    elif size == 0:
        chunks = [items]
    else:
        chunks = [ListValue(element, items.items[at : at + size]) for at in range(0, len(items), size)]
    return mark(ListValue(ListType(element), chunks), marks | size_marks)


def _compact(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    items = arguments[0]
    if not is_wholly_known(items):
        return Unknown(ListType(STRING))
    return ListValue(STRING, [item for item in items if item.__class__ is str and item])


def _concat_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    if not arguments:
        raise FunctionError("at least one argument is required")
    types = [type_of(argument) for argument in arguments]
    if all(isinstance(type_, ListType) for type_ in types):
        common = unify(types, unsafe=True)
        if common is not None:
            return common
    elements: list[Type] = []
    for index, (argument, type_) in enumerate(zip(arguments, types, strict=True)):
        if isinstance(type_, TupleType):
            elements.extend(type_.elements)
        elif isinstance(type_, ListType):
            value = unmark(argument)[0]
            if value.__class__ is Unknown:
                return DYNAMIC
            elements.extend([type_.element] * len(value))
        else:
            raise FunctionError(f"all arguments must be lists or tuples; got {friendly_name(type_)}", index)
    return TupleType(elements)


def _concat(arguments: Sequence[Value], context: FunctionContext) -> Value:
    # a tuple among tuples and lists makes a tuple: only lists alone need the types
    kinds = {unmark(argument)[0].__class__ for argument in arguments}
    makes_tuple = tuple in kinds and kinds <= {tuple, ListValue}
    result_type = DYNAMIC if makes_tuple else _concat_type(arguments, context)
    marks: frozenset[str] = frozenset()
    items: list[Value] = []
    for index, argument in enumerate(arguments):
        if isinstance(result_type, ListType):
            try:
                argument = convert(argument, result_type)
            except ConversionError as error:
                raise FunctionError(error.message, index) from None
        value, found = unmark(argument)
        marks |= found
        items.extend(value)
    if not isinstance(result_type, ListType):
        return mark(tuple(items), marks)
    if result_type.element is not DYNAMIC:
        return mark(ListValue(result_type.element, items), marks)
    try:
        return mark(make_list(items), marks)  # beside a list of no type, the elements say what they are
    except ConversionError as error:
        raise FunctionError(error.message) from None


def _distinct(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    items = arguments[0]
    if not is_wholly_known(items):
        return Unknown(type_of(items))
    first: dict[object, Value] = {}
    for item in items:
        first.setdefault(identity(item), item)
    return ListValue(items.element_type, first.values())


def _element_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    type_ = type_of(arguments[0])
    if isinstance(type_, ListType):
        return type_.element
    if not isinstance(type_, TupleType):
        raise FunctionError(f"cannot read elements from {friendly_name(type_)}")
    if arguments[1].__class__ is Unknown:
        return DYNAMIC
    index = whole(arguments[1], prefix="invalid index: ")
    if not type_.elements:
        raise FunctionError(_EMPTY)
    if index < 0 and index % len(type_.elements):  # as in Terraform: counting from the end is for lists
        raise FunctionError(f"invalid index: a negative index ({index}) is possible in a list only, not in a tuple")
    return type_.elements[index % len(type_.elements)]


def _element(arguments: Sequence[Value], context: FunctionContext) -> Value:
    items, marks = unmark(arguments[0])
    is_tuple = items.__class__ is tuple
    if not is_tuple and items.__class__ is not ListValue:
        _element_type(arguments, context)  # tells what is wrong
    index = whole(arguments[1], prefix="invalid index: ")
    sequence = items if is_tuple else items.items
    if not sequence:
        raise FunctionError(_EMPTY)
    if is_tuple and index < 0:
        _element_type(arguments, context)
    return mark(sequence[index % len(sequence)], marks)


def _flatten(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    if unmark(arguments[0])[0].__class__ not in (tuple, ListValue, SetValue):
        raise FunctionError("can only flatten lists, sets and tuples")
    items: list[Value] = []
    marks: set[str] = set()
    known = _flatten_into(arguments[0], items, marks)
    return mark(tuple(items) if known else Unknown(DYNAMIC), marks)


def _flatten_into(sequence: Value, items: list[Value], marks: set[str]) -> bool:
    """Append what is in the sequence, sequences opened. False when its length is not known yet."""
    value, found = unmark(sequence)
    marks |= found
    if value.__class__ is SetValue and len(value) > 1 and not is_wholly_known(value):
        return False
    known = True
    for item in value:
        inner = item.value if item.__class__ is Marked else item
        kind = inner.__class__
        if kind is Unknown and (inner.type is DYNAMIC or isinstance(inner.type, ListType | SetType | TupleType)):
            known = False
            marks |= unmark(item)[1]
        elif kind is tuple or kind is ListValue or kind is SetValue:
            known &= _flatten_into(item, items, marks)
        else:
            items.append(item)
    return known


def _reverse_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    type_ = type_of(arguments[0])
    if isinstance(type_, TupleType):
        return TupleType(reversed(type_.elements))
    if isinstance(type_, ListType | SetType):
        return ListType(type_.element)
    raise FunctionError(f"can only reverse list or tuple values, not {friendly_name(type_)}", 0)


def _reverse(arguments: Sequence[Value], context: FunctionContext) -> Value:
    result_type = _reverse_type(arguments, context)
    items, marks = unmark(arguments[0])
    backwards = tuple(items)[::-1]
    return mark(ListValue(result_type.element, backwards) if isinstance(result_type, ListType) else backwards, marks)


def _slice_bounds(arguments: Sequence[Value]) -> tuple[int | None, int | None]:
    items = unmark(arguments[0])[0]
    if items.__class__ is not Unknown:
        length: int | None = len(items)
    else:
        length = len(items.type.elements) if isinstance(items.type, TupleType) else None
    bounds: list[int | None] = []
    for index, name in ((1, "start"), (2, "end")):
        if arguments[index].__class__ is Unknown:
            bounds.append(None)
            continue
        bound = whole(arguments[index], index, f"invalid {name} index: ")
        if bound < 0:
            raise FunctionError(f"{name} index must not be less than zero", index)
        if length is not None and bound > length:
            raise FunctionError(f"{name} index must not be greater than the length of the list", index)
        bounds.append(bound)
    start, end = bounds
    if start is not None and end is not None and start > end:
        raise FunctionError("start index must not be greater than end index", 1)
    return start, end


def _slice_type(arguments: Sequence[Value], _context: FunctionContext) -> Type:
    type_ = type_of(arguments[0])
    if isinstance(type_, SetType):
        raise FunctionError(
            "cannot slice a set, because its elements do not have indices; explicitly convert to a list if the "
            "ordering of the result is not important",
            0,
        )
    if not isinstance(type_, ListType | TupleType):
        raise FunctionError("must be a list or tuple value", 0)
    start, end = _slice_bounds(arguments)
    if isinstance(type_, ListType):
        return type_
    return DYNAMIC if start is None or end is None else TupleType(type_.elements[start:end])


def _slice(arguments: Sequence[Value], context: FunctionContext) -> Value:
    items, marks = unmark(arguments[0])
    if items.__class__ is not tuple and items.__class__ is not ListValue:
        _slice_type(arguments, context)  # tells what is wrong
    start, end = _slice_bounds(arguments)
    if items.__class__ is tuple:
        return mark(items[start:end], marks)
    return mark(ListValue(items.element_type, items.items[start:end]), marks)


_MARKED_LIST = Parameter("list", DYNAMIC, allow_marked=True)

FUNCTIONS = (
    Function(
        "chunklist",
        (Parameter("list", _ANY_LIST, allow_marked=True), number("size", allow_marked=True)),
        None,
        _chunklist_type,
        _chunklist,
    ),
    Function("compact", (Parameter("list", ListType(STRING)),), None, ListType(STRING), _compact),
    Function("concat", (), Parameter("seqs", DYNAMIC, allow_marked=True), _concat_type, _concat),
    Function("distinct", (Parameter("list", _ANY_LIST),), None, _list_type, _distinct),
    Function("element", (_MARKED_LIST, number("index")), None, _element_type, _element, not_null=False),
    Function("flatten", (_MARKED_LIST,), None, DYNAMIC, _flatten),
    Function("reverse", (_MARKED_LIST,), None, _reverse_type, _reverse),
    Function("slice", (_MARKED_LIST, number("start_index"), number("end_index")), None, _slice_type, _slice),
)
