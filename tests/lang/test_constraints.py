"""Type constraints of variables, and the defaults of their optional attributes."""

from __future__ import annotations

import pytest

from iacengine.lang.constraints import parse_type_constraint
from iacengine.lang.convert import ConversionError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType, Type
from iacengine.lang.values import ListValue, MapValue, Null, Refinement, Unknown, Value, sensitive


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("string", STRING),
        ("any", DYNAMIC),
        ("list", ListType(DYNAMIC)),
        ("map", MapType(DYNAMIC)),
        ("list(string)", ListType(STRING)),
        ("set(map(number))", SetType(MapType(NUMBER))),
        ("tuple([string, bool])", TupleType([STRING, BOOL])),
        ("object({a = string, b = optional(number)})", ObjectType({"a": STRING, "b": NUMBER}, ["b"])),
        ("object({\n a = string\n b : bool\n})", ObjectType({"a": STRING, "b": BOOL})),
    ],
)
def test_types_are_written_like_calls(text: str, type_: Type) -> None:
    assert parse_type_constraint(text).type == type_


@pytest.mark.parametrize(
    ("text", "words", "span"),
    [
        ("strin", 'Did you mean "string"', (0, 5)),
        ("list(strin)", 'Did you mean "string"', (5, 10)),
        ("lst(string)", 'Did you mean "list"', (0, 11)),
        ("set", "element type", (0, 3)),
        ("list()", "list(string)", (0, 6)),
        ("list(string, number)", "one argument", (0, 20)),
        ("string(1)", "does not expect arguments", (0, 9)),
        ('"string"', "without quotes", (0, 8)),
        ("object([])", "map whose keys", (7, 9)),
        ('object({"a" = string})', "attribute names", (8, 11)),
        ("object({a = string, a = bool})", "unique", (20, 21)),
        ("optional(string)", "object type attributes", (0, 16)),
        ("object({a = optional()})", "requires the attribute type", (12, 22)),
        ("object({a = optional(number, true)})", "not compatible", (29, 33)),
        ("object({a = optional(number, var.x)})", "Variables", (29, 32)),
        ("object({a = optional(string, upper(1))})", "Functions", (29, 37)),
    ],
)
def test_what_is_no_type_is_pointed_at(text: str, words: str, span: tuple[int, int]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_type_constraint(text)
    assert words in str(caught.value)
    assert caught.value.span == span


def apply(text: str, value: Value) -> Value:
    return parse_type_constraint(text).apply(value)


def test_a_default_stands_in_for_an_absent_or_null_attribute() -> None:
    constraint = 'object({a = optional(string, "d")})'
    assert apply(constraint, {}) == {"a": "d"}
    assert apply(constraint, {"a": None}) == {"a": "d"}
    assert apply(constraint, {"a": "x"}) == {"a": "x"}
    assert apply("object({a = optional(string)})", {}) == {"a": Null(STRING)}


def test_defaults_reach_into_collections_and_other_defaults() -> None:
    inner = "object({on = optional(bool, true)})"
    assert apply(f"list({inner})", ({}, {"on": "false"})).items == ({"on": True}, {"on": False})
    assert apply(f"map({inner})", {"k": {}}).items == {"k": {"on": True}}
    assert apply(f"tuple([{inner}])", ({},)) == ({"on": True},)
    assert apply(f"object({{a = optional({inner}, {{}})}})", {}) == {"a": {"on": True}}
    assert apply(f"list({inner})", ()) == ListValue(ObjectType({"on": BOOL}), ())


def test_a_map_may_be_given_for_an_object_with_defaults() -> None:
    value = MapValue(STRING, {"a": "1"})
    assert apply('object({a = number, b = optional(string, "x")})', value) == {"a": 1, "b": "x"}


def test_nulls_and_unknowns_take_no_defaults() -> None:
    constraint = 'object({a = optional(string, "d")})'
    assert apply(constraint, None) == Null(ObjectType({"a": STRING}))
    assert apply(constraint, Unknown()) == Unknown(ObjectType({"a": STRING}))


def test_an_unknown_attribute_with_a_default_is_not_null() -> None:
    assert apply('object({a = optional(string, "d")})', {"a": Unknown(STRING)}) == {
        "a": Unknown(STRING, Refinement(not_null=True))
    }


def test_marks_survive_defaults() -> None:
    assert apply('object({a = optional(string, "d")})', sensitive({})) == sensitive({"a": "d"})


def test_a_value_that_does_not_fit_is_refused_with_the_place() -> None:
    with pytest.raises(ConversionError) as caught:
        apply("list(object({id = number}))", ({"id": 1}, {"id": "x"}))
    assert caught.value.path == (1, "id")


def test_any_takes_values_as_they_are() -> None:
    assert apply("any", (1, "a")) == (1, "a")
