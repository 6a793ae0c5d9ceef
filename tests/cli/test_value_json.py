import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.cli.views.value_json import ABSENT, change_json, dumps, json_of, sensitive_of, unknown_of
from iacengine.lang.types import BOOL, NUMBER, STRING, ListType, MapType, ObjectType, TupleType
from iacengine.lang.values import ListValue, MapValue, Null, SetValue, Unknown, Value, from_python, number, sensitive


def text(value: Value) -> str:
    return dumps(json_of(value)).decode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12345678901234567890123, "12345678901234567890123"),
        (-(2**63), "-9223372036854775808"),
        (2**64, "18446744073709551616"),
        (number("0.1"), "0.1"),
        (number("-1.5"), "-1.5"),
        (Fraction(1, 2), "0.5"),
        (-0.0, "-0"),
        (float("inf"), "null"),
    ],
)
def test_numbers_are_written_exactly(value: Value, expected: str) -> None:
    assert text(value) == expected


def test_unknown_parts_are_absent_from_objects_and_null_in_lists() -> None:
    value = {"a": Unknown(STRING), "b": (1, Unknown(), {"c": Unknown()}), "m": MapValue(STRING, {"k": Unknown(STRING)})}
    assert json_of(value) == {"b": [1, None, {}], "m": {}}
    assert json_of(Unknown(STRING)) is ABSENT


def test_unknown_structure_leaves_false_out_of_objects_only() -> None:
    value = {"a": Unknown(STRING), "b": (1, Unknown(), {}), "c": "known", "d": None, "e": {"f": 1}}
    assert unknown_of(value) == {"a": True, "b": [False, True, {}], "e": {}}


def test_sensitive_structure_follows_terraform() -> None:
    value = {
        "plain": 1,
        "secret": sensitive("x"),
        "list": ListValue(STRING, ["a", sensitive("b")]),
        "set": sensitive(SetValue(STRING, ["a"])),
        "unknown_object": Unknown(ObjectType({"a": STRING})),
        "unknown_map": Unknown(MapType(STRING)),
        "unknown_list": Unknown(ListType(STRING)),
        "unknown_tuple": Unknown(TupleType([BOOL])),
        "unknown_number": Unknown(NUMBER),
        "null": Null(STRING),
        "secret_null": sensitive(Null(STRING)),
    }
    assert sensitive_of(value) == {
        "secret": True,
        "list": [False, True],
        "set": True,
        "unknown_object": {},
        "unknown_map": {},
        "unknown_list": [],
        "unknown_tuple": [],
        "secret_null": True,
    }


def test_a_wholly_known_change_has_an_empty_after_unknown() -> None:
    assert change_json(None, {"a": (1, 2)}) == {
        "before": None,
        "after": {"a": [1, 2]},
        "after_unknown": {},
        "before_sensitive": False,
        "after_sensitive": {"a": [False, False]},
    }
    assert change_json({"a": 1}, None)["after_unknown"] == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children),
    max_leaves=20,
)


@given(_JSON)
def test_json_data_comes_out_as_it_went_in(data: object) -> None:
    value = from_python(data)
    assert from_python(json.loads(text(value))) == value
