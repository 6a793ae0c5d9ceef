"""Values in plan files come back as they were, to the last bit and mark."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType
from iacengine.lang.values import (
    SENSITIVE,
    ListValue,
    MapValue,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    number,
    type_of,
)
from iacengine.plan.value_codec import decode_value, encode_value
from iacengine.schema.values import mark_with_paths, unmark_with_paths

types = st.recursive(
    st.sampled_from([STRING, NUMBER, BOOL, DYNAMIC]),
    lambda inner: st.one_of(
        inner.map(ListType),
        inner.map(SetType),
        inner.map(MapType),
        st.lists(inner, max_size=2).map(lambda items: TupleType(tuple(items))),
        st.dictionaries(st.text(max_size=3), inner, max_size=2).map(ObjectType),
    ),
    max_leaves=4,
)
texts = st.text(max_size=6)
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda found: number(str(found))),
    st.sampled_from(["inf", "-inf", "-0", "0.1"]).map(
        lambda text: number(float(text)) if text != "0.1" else number(text)
    ),
)
unknowns = st.one_of(
    types.map(Unknown),
    st.builds(Unknown, st.just(STRING), st.builds(Refinement, st.just(True), texts)),
    st.builds(
        Unknown,
        types.map(ListType),
        st.integers(0, 5).map(lambda least: Refinement(not_null=True, length_min=least, length_max=least + 2)),
    ),
)
leaves = st.one_of(st.none(), st.booleans(), texts, numbers, unknowns, types.map(Null))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(texts, inner, max_size=3),
        st.lists(texts, max_size=3).map(lambda items: ListValue(STRING, items)),
        st.sets(texts, max_size=3).map(lambda items: SetValue(STRING, sorted(items))),
        st.dictionaries(texts, numbers, max_size=3).map(lambda items: MapValue(NUMBER, items)),
        inner.filter(lambda value: not isinstance(value, Marked)).map(
            lambda value: Marked(value, frozenset({SENSITIVE}))
        ),
    ),
    max_leaves=8,
)


def exact(value):
    """The value as data that two values share only when they are the same."""
    kind = type(value)
    if isinstance(value, Marked):
        return ("marked", sorted(value.marks), exact(value.value))
    if isinstance(value, dict):
        return ("object", [(name, exact(child)) for name, child in value.items()])
    if kind is tuple:
        return ("tuple", [exact(child) for child in value])
    if isinstance(value, ListValue | SetValue):
        return (kind.__name__, value.element_type, [exact(child) for child in value.items])
    if isinstance(value, MapValue):
        return ("map", value.element_type, [(name, exact(child)) for name, child in value.items.items()])
    if isinstance(value, Unknown):
        return ("unknown", value.type, value.refinement)
    if isinstance(value, Null):
        return ("null", value.type)
    return (kind.__name__, str(value))


@given(values)
def test_a_value_comes_back_from_json_as_it_was(value):
    text = json.dumps(encode_value(value))
    assert exact(decode_value(json.loads(text))) == exact(value)


@given(values)
def test_the_type_of_a_value_comes_back_too(value):
    plain, _ = unmark_with_paths(value)
    assert type_of(decode_value(encode_value(plain))) == type_of(plain)


@given(values)
def test_marks_can_be_taken_off_and_put_back(value):
    plain, marks = unmark_with_paths(decode_value(encode_value(value)))
    assert exact(mark_with_paths(plain, marks)) == exact(value)


@pytest.mark.parametrize(
    "value", ["", "n", {"n": "1"}, {"o": {}}, (), {}, 0, -1, 2**53, -(2**53), 2**53 - 1, True, None, {"z": {"z": 1}}]
)
def test_values_that_look_like_codes_come_back_as_themselves(value):
    assert exact(decode_value(json.loads(json.dumps(encode_value(value))))) == exact(value)


@pytest.mark.parametrize("data", [[1], {"x": 1}, {}, {"o": {}, "t": []}])
def test_anything_else_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        decode_value(data)
