"""The conditional operator and the `if` directive."""

from __future__ import annotations

from iacengine.lang.convert import ConversionError, convert, null
from iacengine.lang.environment import Environment, Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, Span
from iacengine.lang.operators import NOT_NULL
from iacengine.lang.syntax import Conditional, IfDirective
from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    friendly_name,
)
from iacengine.lang.unify import unify
from iacengine.lang.values import (
    NO_REFINEMENT,
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    is_wholly_known,
    mark,
    type_of,
)

_PRIMITIVE = (str, int, bool)


def compile_conditional(node: Conditional, environment: Environment) -> Run:
    condition, yes, no = map(environment.compile, (node.condition, node.yes, node.no))
    return _conditional(condition, yes, no, (node.condition.span, node.yes.span, node.no.span, node.span))


def compile_if_directive(node: IfDirective, environment: Environment) -> Run:
    condition, yes, no = map(environment.compile, (node.condition, node.yes, node.no))
    return _conditional(condition, yes, no, (node.condition.span, node.yes.span, node.no.span, node.span))


def _conditional(condition: Run, yes: Run, no: Run, spans: tuple[Span, Span, Span, Span]) -> Run:
    """Both branches are run, for the type of the result is common to both; only the chosen one's errors count."""

    def run(scope: Scope, frame: Frame) -> Value:
        yes_error = no_error = None
        try:
            a = yes(scope, frame)
        except ExpressionError as error:
            a, yes_error = error.result, error
        try:
            b = no(scope, frame)
        except ExpressionError as error:
            b, no_error = error.result, error
        same_kind = a.__class__ is b.__class__ and a.__class__ in _PRIMITIVE
        type_ = None if same_kind else _common_type(a, b, spans)
        try:
            chosen = condition(scope, frame)
        except ExpressionError as error:
            raise error.giving(Unknown(type_of(a) if type_ is None else type_)) from None
        if chosen.__class__ is bool and same_kind:
            result = a if chosen else b
            failure = yes_error if chosen else no_error
        else:
            result, failure = _choose(chosen, (a, yes_error), (b, no_error), type_ or type_of(a), spans)
        if failure is not None:
            raise failure.giving(result)
        return result

    return run


def _common_type(a: Value, b: Value, spans: tuple[Span, Span, Span, Span]) -> Type:
    """The type of the whole. A null literal takes the other's; an unknown type leaves the whole unknown."""
    a_type, b_type = type_of(a), type_of(b)
    if a is None:
        return b_type
    if b is None or a_type is b_type:
        return a_type
    if a_type is DYNAMIC or b_type is DYNAMIC:
        return DYNAMIC
    common = unify([a_type, b_type], unsafe=True)
    if common is None:
        raise ExpressionError(
            "Inconsistent conditional result types",
            "The true and false result expressions must have consistent types. "
            f"{_describe_difference(a_type, b_type)}.",
            span=(spans[1][0], spans[2][1]),
        )
    return common


def _choose(
    condition: Value,
    yes: tuple[Value, ExpressionError | None],
    no: tuple[Value, ExpressionError | None],
    type_: Type,
    spans: tuple[Span, Span, Span, Span],
) -> tuple[Value, ExpressionError | None]:
    marks: frozenset[str] = frozenset()
    if condition.__class__ is Marked:
        condition, marks = condition.value, condition.marks
    if condition is None or condition.__class__ is Null:
        raise ExpressionError(
            "Null condition",
            "The condition value is null. Conditions must either be true or false.",
            span=spans[0],
            result=Unknown(type_),
        )
    a, b = yes[0], no[0]
    if a.__class__ is Marked:
        a, marks = a.value, marks | a.marks
    if b.__class__ is Marked:
        b, marks = b.value, marks | b.marks
    if condition.__class__ is Unknown:
        return mark(_either(a, b, type_), marks), None
    try:
        first = convert(condition, BOOL)
    except ConversionError as error:
        raise ExpressionError(
            "Incorrect condition type",
            f"The condition expression must be of type bool: {error}.",
            span=spans[0],
            result=Unknown(type_),
        ) from None
    value, failure, other = (a, yes[1], b) if first else (b, no[1], a)
    if type_ is not DYNAMIC:
        try:
            _check_beside_collection(value, other, type_)
            value = convert(value, type_)
        except ConversionError as error:
            raise ExpressionError(
                "Inconsistent conditional result types",
                f"The {'true' if first else 'false'} result value has the wrong type: {error}.",
                span=spans[1] if first else spans[2],
                result=Unknown(type_),
            ) from None
    return mark(value, marks), failure


def _check_beside_collection(value: Value, other: Value, type_: Type) -> None:
    """Beside a collection of no type, which takes elements as they are, those of a tuple or object must be alike.

    Raises ConversionError.
    """
    if not isinstance(type_, ListType | MapType) or type_.element is not DYNAMIC:
        return
    if value.__class__ is tuple and isinstance(type_of(other), ListType):
        types, noun = {type_of(item) for item in value}, "list"
    elif value.__class__ is dict and isinstance(type_of(other), MapType):
        types, noun = {type_of(item) for item in value.values()}, "map"
    else:
        return
    if len(types - {DYNAMIC}) > 1:
        raise ConversionError(f"element types must all match for conversion to {noun}")


def _either(a: Value, b: Value, type_: Type) -> Value:
    """What is known of the result while the condition is not."""
    if _is_null(a) and _is_null(b):
        return null(type_)
    refinement = NOT_NULL if _never_null(a) and _never_null(b) else NO_REFINEMENT
    if isinstance(type_, ListType | SetType | MapType) and type_of(a) == type_of(b):
        (a_low, a_high), (b_low, b_high) = _length_range(a), _length_range(b)
        high = None if a_high is None or b_high is None else max(a_high, b_high)
        refinement = Refinement(refinement.not_null, "", min(a_low, b_low), high)
    return Unknown(type_, refinement)


def _is_null(value: Value) -> bool:
    return value is None or value.__class__ is Null


def _never_null(value: Value) -> bool:
    return bool(value.refinement.not_null) if value.__class__ is Unknown else not _is_null(value)


def _length_range(value: Value) -> tuple[int, int | None]:
    if value.__class__ is Unknown:
        return value.refinement.length_min, value.refinement.length_max
    if value.__class__ in (ListValue, MapValue) or (value.__class__ is SetValue and is_wholly_known(value)):
        return len(value), len(value)
    if value.__class__ is SetValue:
        return 1, len(value)
    return 0, None


def _describe_difference(a: Type, b: Type) -> str:
    """Where the types of the two branches part."""
    if isinstance(a, ObjectType) and isinstance(b, ObjectType):
        for first, second, names in ((a, b, ("true", "false")), (b, a, ("false", "true"))):
            for name, child in first.attributes.items():
                if name not in second.attributes:
                    return (
                        f"The '{names[0]}' value includes object attribute \"{name}\", "
                        f"which is absent in the '{names[1]}' value"
                    )
                if child != second.attributes[name]:
                    inner = _describe_difference(a.attributes[name], b.attributes[name])
                    return f'Type mismatch for object attribute "{name}": {inner}'
    if isinstance(a, TupleType) and isinstance(b, TupleType):
        if len(a.elements) != len(b.elements):
            return f"The 'true' tuple has length {len(a.elements)}, but the 'false' tuple has length {len(b.elements)}"
        for index, (first_type, second_type) in enumerate(zip(a.elements, b.elements, strict=True)):
            if first_type != second_type:
                return f"Type mismatch for tuple element {index}: {_describe_difference(first_type, second_type)}"
    a_name, b_name = friendly_name(a), friendly_name(b)
    if a_name == b_name:
        return (
            "At least one deeply-nested attribute or element is not compatible across both the 'true' and the "
            "'false' value"
        )
    return f"The 'true' value is {a_name}, but the 'false' value is {b_name}"
