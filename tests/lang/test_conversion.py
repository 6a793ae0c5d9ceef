"""Conversion and unification follow the rules of Terraform's type system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.convert import ConversionError, can_convert, convert
from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    SetType,
    TupleType,
    Type,
    has_dynamic,
    without_optional,
)
from iacengine.lang.unify import unify
from iacengine.lang.values import (
    SENSITIVE,
    ListValue,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    has_mark,
    same,
    sensitive,
    type_of,
    unmark,
)


def test_primitives_become_strings() -> None:
    assert [convert(value, STRING) for value in (1, True, "a", 10**30)] == ["1", "true", "a", "1" + "0" * 30]


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("1e3", 1000), (".5", 0.5), ("5.", 5), ("1p3", 8), ("+5", 5)])
def test_a_string_that_holds_a_number_becomes_one(text: str, number: float) -> None:
    assert convert(text, NUMBER) == number


@pytest.mark.parametrize("text", ["", " 1", "1_000", "0x10", "1e", "abc", "1.2.3"])
def test_other_strings_become_no_number(text: str) -> None:
    with pytest.raises(ConversionError, match="number is required"):
        convert(text, NUMBER)


def test_bools_and_numbers_never_become_each_other() -> None:
    for value, wanted in ((1, BOOL), (True, NUMBER)):
        with pytest.raises(ConversionError):
            convert(value, wanted)


def test_only_lower_case_words_and_digits_become_bools() -> None:
    assert [convert(text, BOOL) for text in ("true", "false", "1", "0")] == [True, False, True, False]
    with pytest.raises(ConversionError, match="lower case"):
        convert("True", BOOL)


def test_any_in_a_list_is_the_common_type_of_its_elements() -> None:
    assert same(convert((1, "a", True), ListType(DYNAMIC)), ListValue(STRING, ("1", "a", "true")))
    with pytest.raises(ConversionError, match="same type"):
        convert((1, (1,)), ListType(DYNAMIC))


def test_objects_with_different_attributes_unify_to_maps() -> None:
    value = convert(({"a": 1}, {"b": "x"}), ListType(DYNAMIC))
    assert value.element_type == MapType(STRING)


def test_a_set_drops_twins_and_sorts_primitives() -> None:
    assert same(convert(("b", "a", "b"), SetType(STRING)), SetValue(STRING, ("a", "b")))
    assert convert((10, 9, 10), SetType(NUMBER)).items == (9, 10)


def test_a_mark_on_an_element_marks_the_whole_set() -> None:
    plain, marks = unmark(convert((sensitive("a"), "b"), SetType(STRING)))
    assert marks == {SENSITIVE}
    assert plain.items == ("a", "b")


def test_unknown_elements_of_a_set_are_never_twins() -> None:
    assert len(convert((Unknown(STRING), Unknown(STRING), "a"), SetType(STRING))) == 3


def test_an_object_may_have_more_attributes_than_asked_for() -> None:
    assert convert({"a": 1, "b": 2}, ObjectType({"a": STRING})) == {"a": "1"}


def test_an_optional_attribute_that_is_absent_becomes_a_typed_null() -> None:
    assert convert({}, ObjectType({"a": STRING}, ["a"])) == {"a": Null(STRING)}
    with pytest.raises(ConversionError, match='attribute "a" is required'):
        convert({}, ObjectType({"a": STRING}))


def test_an_error_tells_where_in_the_value_it_is() -> None:
    with pytest.raises(ConversionError) as caught:
        convert({"a": (1, "x")}, MapType(ListType(NUMBER)))
    assert caught.value.path == ("a", 1)


def test_an_error_never_shows_the_value() -> None:
    with pytest.raises(ConversionError) as caught:
        convert(sensitive("hunter2"), NUMBER)
    assert "hunter2" not in str(caught.value)


def test_a_null_takes_the_type() -> None:
    assert convert(None, STRING) == Null(STRING)
    assert convert(None, DYNAMIC) is None
    assert convert(Null(STRING), NUMBER) == Null(NUMBER)
    with pytest.raises(ConversionError):
        convert(Null(ListType(STRING)), STRING)


def test_an_empty_collection_of_the_wrong_type_is_wrong() -> None:
    with pytest.raises(ConversionError):
        convert(ListValue(ListType(STRING), ()), ListType(STRING))


def test_an_unknown_tuple_made_a_list_has_a_known_length() -> None:
    unknown = convert(Unknown(TupleType([STRING, NUMBER]), Refinement(not_null=True)), ListType(STRING))
    assert unknown == Unknown(ListType(STRING), Refinement(not_null=True, length_min=2, length_max=2))


def test_an_unknown_collection_made_a_set_may_shrink_but_not_vanish() -> None:
    source = Unknown(ListType(STRING), Refinement(length_min=3, length_max=4))
    assert convert(source, SetType(STRING)).refinement == Refinement(length_min=1, length_max=4)


@pytest.mark.parametrize(
    ("types", "common"),
    [
        ([NUMBER, STRING], STRING),
        ([BOOL, NUMBER], None),
        ([BOOL, STRING], STRING),
        ([DYNAMIC, STRING], DYNAMIC),
        ([], None),
        ([TupleType([NUMBER]), TupleType([STRING])], TupleType([STRING])),
        ([TupleType([NUMBER]), TupleType([])], ListType(NUMBER)),
        ([TupleType([NUMBER]), ListType(STRING)], ListType(STRING)),
        ([ObjectType({"a": NUMBER}), ObjectType({"b": STRING})], MapType(STRING)),
        ([ObjectType({"a": NUMBER}), MapType(STRING)], MapType(STRING)),
        ([ObjectType({"a": NUMBER}), TupleType([])], None),
        ([ListType(NUMBER), SetType(NUMBER)], ListType(NUMBER)),
        ([ListType(NUMBER), DYNAMIC], DYNAMIC),
    ],
)
def test_the_most_general_type(types: list[Type], common: Type | None) -> None:
    assert unify(types) == common


# --- properties -----------------------------------------------------------------------------------------------------

primitives = st.sampled_from([STRING, NUMBER, BOOL, DYNAMIC])
types = st.recursive(
    primitives,
    lambda inner: st.one_of(
        inner.map(ListType),
        inner.map(SetType),
        inner.map(MapType),
        st.lists(inner, max_size=3).map(TupleType),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(ObjectType),
    ),
    max_leaves=5,
)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.sampled_from(["", "a", "1", "true", "é"]),
        st.sampled_from([Unknown(STRING), Unknown(NUMBER), Unknown(), Null(STRING), sensitive("s")]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)


def converted(value: Value, type_: Type) -> Value | ConversionError:
    try:
        return convert(value, type_)
    except ConversionError as error:
        return error


@given(values, types)
def test_conversion_is_idempotent(value: Value, type_: Type) -> None:
    once = converted(value, type_)
    if not isinstance(once, ConversionError):
        assert same(convert(once, type_of(once)), once)
        assert same(convert(once, type_), once)


@given(values, types)
def test_conversion_gives_the_type_asked_for(value: Value, type_: Type) -> None:
    result = converted(value, type_)
    if not isinstance(result, ConversionError) and not has_dynamic(type_):
        assert type_of(result) == without_optional(type_)


@given(values, types)
def test_conversion_never_loses_a_mark(value: Value, type_: Type) -> None:
    marked = converted(sensitive(value), type_)
    if not isinstance(marked, ConversionError):
        assert has_mark(marked, SENSITIVE)


@given(values, types)
def test_what_converts_has_a_type_that_may_convert(value: Value, type_: Type) -> None:
    if not isinstance(converted(value, type_), ConversionError):
        assert type_of(value) == type_ or can_convert(type_of(value), type_)


@given(values, types)
def test_an_unknown_converts_wherever_the_value_itself_does(value: Value, type_: Type) -> None:
    if not isinstance(converted(value, type_), ConversionError):
        assert not isinstance(converted(Unknown(type_of(value)), type_), ConversionError)


@given(st.lists(types, min_size=1, max_size=3))
def test_every_type_converts_to_the_common_one(some: list[Type]) -> None:
    common = unify(some)
    if common is not None:
        assert all(type_ == common or can_convert(type_, common) for type_ in some)
