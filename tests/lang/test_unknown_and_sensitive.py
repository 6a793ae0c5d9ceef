"""Unknown values and marks go through every expression, as in Terraform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType, Type
from iacengine.lang.values import (
    SENSITIVE,
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    children,
    is_null,
    map_children,
    same,
    sensitive,
    type_of,
    unmark,
    unmark_deep,
)

Evaluate = Callable[..., Any]

NOT_NULL = Refinement(not_null=True)


# --- unknowns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("var.u + 1", Unknown(NUMBER, NOT_NULL)),
        ("var.u && false", Unknown(BOOL, NOT_NULL)),
        ("var.u == 1", Unknown(BOOL, NOT_NULL)),
        ("-var.u", Unknown(NUMBER, NOT_NULL)),
        ("var.u.a", Unknown()),
        ("var.u[0]", Unknown()),
        ("var.u[*].a", Unknown()),
        ("[for x in var.u : x]", Unknown()),
        ("{(var.u) = 1}", Unknown()),
        ("upper(var.u)", Unknown(STRING, NOT_NULL)),
        ("max(var.u...)", Unknown()),
        ("try(var.u, 1)", Unknown()),
        ("can(var.u.a)", Unknown(BOOL)),
        ("var.u ? 1 : 2", Unknown(NUMBER, NOT_NULL)),
        ("var.u ? null : 2", Unknown(NUMBER)),
        ("var.u ? [1] : []", Unknown(ListType(NUMBER), NOT_NULL)),
        ("[var.u, 1]", (Unknown(), 1)),
        ('"pre-${var.u}"', Unknown(STRING, Refinement(True, "pre-"))),
        ('"pre${var.u}"', Unknown(STRING, Refinement(True, "pr"))),
        ('"${var.u}-x"', Unknown(STRING, NOT_NULL)),
        ('"pre-${var.u}" == "other"', False),
        ('startswith("pre-${var.u}", "pre-")', True),
    ],
)
def test_an_unknown_makes_unknown(evaluate: Evaluate, text: str, result: Value) -> None:
    assert evaluate(text, {"var.u": Unknown()}) == result


def test_a_typed_unknown_is_checked_already(evaluate: Evaluate, failure: Callable[..., ExpressionError]) -> None:
    names = {
        "var.o": Unknown(ObjectType({"a": STRING})),
        "var.t": Unknown(TupleType([STRING])),
        "var.s": Unknown(STRING),
    }
    assert evaluate("var.o.a", names) == Unknown(STRING)
    assert evaluate("var.t[0]", names) == Unknown(STRING)
    for text in ("var.o.b", "var.t[1]", "var.s.a", "[for x in var.s : x]", "var.o + 1"):
        failure(text, names)


def test_a_refined_unknown_is_not_equal_to_null(evaluate: Evaluate) -> None:
    names = {"var.id": Unknown(STRING, NOT_NULL), "var.maybe": Unknown(STRING)}
    assert evaluate("var.id == null", names) is False
    assert evaluate("var.maybe == null", names) == Unknown(BOOL, NOT_NULL)


def test_a_splat_over_one_unknown_object_waits_unless_it_cannot_be_null(evaluate: Evaluate) -> None:
    type_ = ObjectType({"a": STRING})
    assert evaluate("var.o[*].a", {"var.o": Unknown(type_)}) == Unknown()
    assert evaluate("var.o[*].a", {"var.o": Unknown(type_, NOT_NULL)}) == (Unknown(STRING),)
    of_list = evaluate("var.l[*].a", {"var.l": Unknown(ListType(type_), Refinement(length_min=2))})
    assert of_list == Unknown(ListType(STRING), Refinement(not_null=True, length_min=2))


# --- marks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "var.s + 1",
        "!(var.s == 1)",
        '"a${var.s}"',
        "var.s == 1",
        "var.s == 1 ? 5 : 6",
        "[for x in [1] : x if var.s == 1]",
        "[for x in var.l : 1]",
        "{for x in [1] : var.s => x}",
        "{(var.s) = 1}",
        "var.l[0]",
        "[1, 2][var.s]",
        '{"1" = "a"}[var.s]',
        "var.l[*]",
        "max(var.l...)",
        "toset([var.s])",
        '"%{ for x in var.l }a%{ endfor }"',
        '"%{ if var.s == 1 }a%{ endif }"',
    ],
)
def test_a_mark_comes_out_where_it_went_in(evaluate: Evaluate, text: str) -> None:
    names = {"var.s": sensitive(1), "var.l": sensitive((1, 2))}
    assert SENSITIVE in unmark(evaluate(text, names))[1]


def test_a_mark_inside_a_structure_stays_inside(evaluate: Evaluate) -> None:
    value = evaluate("[var.s, 2]", {"var.s": sensitive(1)})
    assert value == (sensitive(1), 2)


def test_errors_never_show_what_is_sensitive(failure: Callable[..., ExpressionError]) -> None:
    names = {
        "var.s": sensitive("hunter2"),
        "var.o": sensitive({"hunter2": 1}),
        "var.m": {"a": sensitive("hunter2")},
        "var.public": {"hunter1": 1},
    }
    for text in (
        "var.s + 1",
        "tonumber(var.s)",
        "var.o.hunter",
        'var.o["hunter"]',
        "var.public[var.s]",
        "var.m.a.b",
        "[1][var.s]",
        "{for x in [1, 2] : var.s => x}",
        "file(var.s)",
        "var.s ? 1 : 2",
        "try(tonumber(var.s))",
        'regex("(", var.s)',
    ):
        error = failure(text, names)
        told = " ".join(str(found) for found in error.all) + str(error.values)
        assert "hunter2" not in told, text


def test_an_error_tells_what_the_references_were(failure: Callable[..., ExpressionError]) -> None:
    error = failure("var.a[var.i] + var.s", {"var.a": [1, 2], "var.i": 5, "var.s": sensitive(1)})
    assert error.values == (
        ("var.a", "is tuple with 2 elements"),
        ("var.i", "is 5"),
        ("var.s", "has a sensitive value"),
    )


# --- properties -----------------------------------------------------------------------------------------------------


def _compose(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "==", "!=", "<", "&&", "||"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{a = {}, b = {}}}".format, inner, inner),
        st.builds("{{({}) = {}}}".format, inner, inner),
        st.builds("({}){}".format, inner, st.sampled_from([".a", "[0]", '["b"]', "[*]", "[*].a", ".*.a"])),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("[for k, x in {} : [k, x, {}]]".format, inner, inner),
        st.builds("[for x in {} : x if {}]".format, inner, inner),
        st.builds("{{for k, x in {} : k => {}}}".format, inner, inner),
        st.builds("{{for x in {} : {} => x...}}".format, inner, inner),
        st.builds('"p-${{{}}}${{{}}}"'.format, inner, inner),
        st.builds('"%{{ if {} }}${{{}}}%{{ endif }}"'.format, inner, inner),
        st.builds('"%{{ for x in {} }}${{x}}%{{ endfor }}"'.format, inner),
        st.builds("{}({})".format, st.sampled_from(["tolist", "toset", "tomap", "length", "tostring"]), inner),
    )


expressions = st.recursive(
    st.sampled_from(["var.a", "var.b", "var.a", "var.b", "1", '"x"', '"1"', "true", "null", "[]"]),
    _compose,
    max_leaves=6,
)
plain_values = st.recursive(
    st.sampled_from([0, 1, 2, "a", "1", "", True, False, None]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        st.lists(st.sampled_from("abc"), max_size=2).map(lambda items: ListValue(STRING, items)),
        st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2).map(
            lambda items: MapValue(NUMBER, items)
        ),
        st.sets(st.sampled_from("abc"), max_size=2).map(lambda items: SetValue(STRING, sorted(items))),
    ),
    max_leaves=4,
)


class _Names:
    functions: Any = None

    def __init__(self, a: Value, b: Value) -> None:
        self.values = {("var", "a"): a, ("var", "b"): b}

    def lookup(self, subject: tuple[str, ...]) -> Value:
        return self.values[subject]


def _run(text: str, a: Value, b: Value) -> Value | ExpressionError:
    try:
        return parse_expression(text).evaluate(_Names(a, b))
    except ExpressionError as error:
        return error


def _admits(type_: Type, value: Value) -> bool:
    """True when a value of the type may turn out to be this one."""
    if type_ is DYNAMIC or value is None:
        return True
    if isinstance(value, Null) and value.type is DYNAMIC:
        return True
    found = type_of(value)
    if isinstance(type_, TupleType) and isinstance(found, TupleType):
        return is_null(value) or (len(type_.elements) == len(value) and all(map(_admits, type_.elements, value)))
    if isinstance(type_, ObjectType) and isinstance(found, ObjectType):
        return is_null(value) or (
            type_.attributes.keys() == value.keys() and all(_admits(type_.attributes[key], value[key]) for key in value)
        )
    if isinstance(type_, ListType | SetType | MapType) and found.__class__ is type_.__class__:
        return is_null(value) or all(_admits(type_.element, item) for item in children(value))
    return type_ == found


def _foresees(unknown: Value, known: Value) -> bool:
    """True when nothing that is said of the one is untrue of the other."""
    if isinstance(unknown, Unknown):
        if not _admits(unknown.type, known):
            return False
        told = unknown.refinement
        if is_null(known):
            return not told.not_null
        if isinstance(known, str) and not known.startswith(told.prefix):
            return False
        if isinstance(known, ListValue | SetValue | MapValue):
            return told.length_min <= len(known) and (told.length_max is None or len(known) <= told.length_max)
        return True
    if isinstance(unknown, SetValue) and isinstance(known, SetValue):
        return len(known) <= len(unknown)
    if unknown.__class__ is known.__class__ and isinstance(unknown, tuple | dict | ListValue | MapValue):
        a, b = list(children(unknown)), list(children(known))
        if isinstance(unknown, dict):
            a, b = [unknown[key] for key in sorted(unknown)], [known[key] for key in sorted(known)]
        return len(a) == len(b) and all(map(_foresees, a, b))
    return (is_null(unknown) and is_null(known)) or same(unknown, known)


@given(expressions, plain_values, plain_values, st.booleans())
@example("(var.a ? [] : [1])", True, None, False)
def test_what_is_foreseen_of_an_unknown_comes_true(text: str, a: Value, b: Value, typed: bool) -> None:
    known = _run(text, a, b)
    if isinstance(known, ExpressionError):
        return
    foreseen = _run(text, Unknown(type_of(a), NOT_NULL if a is not None else Refinement()) if typed else Unknown(), b)
    assert not isinstance(foreseen, ExpressionError), f"{foreseen} while the known value gives {known!r}"
    assert _foresees(foreseen, known), f"{foreseen!r} became {known!r}"


def _redacted(value: Value) -> Value:
    """The value as anyone may see it."""
    return "(sensitive)" if isinstance(value, Marked) else map_children(value, _redacted)


@given(expressions, plain_values, plain_values, plain_values)
def test_what_may_be_seen_of_a_result_does_not_tell_a_sensitive_value(text: str, a: Value, c: Value, b: Value) -> None:
    first, second = _run(text, sensitive(a), b), _run(text, sensitive(c), b)
    if isinstance(first, ExpressionError) or isinstance(second, ExpressionError):
        return
    if type_of(a) == type_of(c) and type_of(first) == type_of(second):
        assert same(_redacted(first), _redacted(second))


@given(expressions, plain_values, plain_values)
def test_marks_change_nothing_but_marks(text: str, a: Value, b: Value) -> None:
    plain, marked = _run(text, a, b), _run(text, sensitive(a), b)
    assert isinstance(plain, ExpressionError) == isinstance(marked, ExpressionError)
    if not isinstance(plain, ExpressionError) and not isinstance(marked, ExpressionError):
        assert same(unmark_deep(marked)[0], plain)
