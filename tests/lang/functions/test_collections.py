from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.functions import registry
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    sensitive,
)

Call = Callable[..., Value]
Refusal = Callable[..., registry.FunctionError]


def strings(*items: Value) -> ListValue:
    return ListValue(STRING, items)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("alltrue", ((True, None),), False),
        ("anytrue", ((None, "true"),), True),
        ("chunklist", (("a", "b", "c"), 2), ListValue(ListType(STRING), (strings("a", "b"), strings("c")))),
        ("chunklist", (("a",), 0), ListValue(ListType(STRING), (strings("a"),))),
        ("coalesce", (None, "", 5), "5"),
        ("coalesce", (False, True), False),
        ("coalescelist", ((), (1,)), (1,)),
        ("compact", (("a", "", None),), strings("a")),
        ("concat", ((1,), strings("a")), (1, "a")),
        ("concat", (strings("a"), ListValue(NUMBER, (1,))), strings("a", "1")),
        ("contains", ((1, "1"), "1"), True),
        ("contains", (ListValue(NUMBER, (1,)), "1"), False),
        ("distinct", ((1, "1", True),), strings("1", "true")),
        ("element", (("a", "b"), 3), "b"),
        ("element", (strings("a", "b"), -1), "b"),
        ("flatten", (((1, (2, ())), strings("x"), None),), (1, 2, "x", None)),
        ("index", (((1,), (2,)), (2,)), 1),
        ("keys", ({"b": 1, "a": 2},), ("a", "b")),
        ("keys", (MapValue(NUMBER, {"b": 1}),), strings("b")),
        ("length", ("\r\n",), 1),
        ("length", ({"a": 1},), 1),
        ("lookup", (MapValue(STRING, {}), "a", 1), "1"),
        ("lookup", ({}, "a", None), None),
        ("matchkeys", (("a", "b"), ("1", "2"), (2,)), strings("b")),
        ("merge", ({"b": 1}, None, {"a": 2, "b": 3}), {"a": 2, "b": 3}),
        ("merge", (), {}),
        ("merge", (MapValue(NUMBER, {"a": 1}), MapValue(STRING, {"b": "x"})), {"a": 1, "b": "x"}),
        ("merge", (MapValue(NUMBER, {"a": 1}), MapValue(NUMBER, {"a": 2})), MapValue(NUMBER, {"a": 2})),
        ("one", ((),), None),
        ("one", (strings(),), Null(STRING)),
        ("one", (SetValue(STRING, ("x",)),), "x"),
        ("reverse", (SetValue(STRING, ("a", "b")),), strings("b", "a")),
        ("setintersection", (("a", "b"), ("b", 1), ("b",)), SetValue(STRING, ("b",))),
        ("setsubtract", ((1, 2), ("1",)), SetValue(STRING, ("2",))),
        ("setunion", ((3, 1), (2,)), SetValue(NUMBER, (1, 2, 3))),
        ("setunion", ((), ()), SetValue(DYNAMIC, ())),
        (
            "setproduct",
            ((1, "x"), (True,)),
            ListValue(TupleType([STRING, BOOL]), (("1", True), ("x", True))),
        ),
        ("setproduct", ((1,), SetValue(STRING, ("a",))), SetValue(TupleType([NUMBER, STRING]), ((1, "a"),))),
        ("slice", ((1, "a", True), 1, 3), ("a", True)),
        (
            "transpose",
            ({"b": ("x",), "a": ("x", "y")},),
            MapValue(ListType(STRING), {"x": strings("a", "b"), "y": strings("a")}),
        ),
        ("values", ({"b": 1, "a": "x"},), ("x", 1)),
        ("zipmap", (("b", "a"), (1, "x")), {"a": "x", "b": 1}),
        ("zipmap", (("a",), ListValue(NUMBER, (1,))), MapValue(NUMBER, {"a": 1})),
    ],
)
def test_collections_come_out_as_in_terraform(
    name: str, arguments: tuple[Value, ...], expected: Value, call: Call
) -> None:
    assert call(name, *arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("chunklist", ((1,), -1), "the size argument must be positive"),
        ("coalesce", (), "all arguments must have the same type"),
        ("coalesce", ("", None), "no non-null, non-empty-string arguments"),
        ("coalescelist", ("",), "coalescelist arguments must be lists or tuples"),
        ("concat", (SetValue(STRING, ()),), "all arguments must be lists or tuples; got set of string"),
        ("contains", ({}, 1), "argument must be list, tuple, or set"),
        ("element", ((), 0), "cannot use element function with an empty list"),
        ("element", ((1, 2), -1), "invalid index"),
        ("element", ({}, 0), "cannot read elements from object"),
        ("flatten", ("a",), "can only flatten lists, sets and tuples"),
        ("index", ((1,), "1"), "item not found"),
        ("keys", ((),), "must have map or object type"),
        ("length", (True,), "argument must be a string, a collection type, or a structural type"),
        ("lookup", ({"a": 1}, "b"), 'the given object has no attribute "b"'),
        ("lookup", (MapValue(NUMBER, {}), "b"), 'lookup failed to find key "b"'),
        ("lookup", (MapValue(NUMBER, {}), "b", "x"), "the default value must have the same type as the map elements"),
        ("lookup", ({}, "a", 1, 2), "lookup() takes two or three arguments, got 4"),
        ("matchkeys", ((1,), (), ()), "length of keys and values should be equal"),
        ("merge", ({}, (1,)), 'arguments must be maps or objects, got "tuple"'),
        ("one", (("a", "b"),), "must be a list, set, or tuple value with either zero or one elements"),
        ("setproduct", ((1,),), "at least two arguments are required"),
        ("setproduct", ("a", (1,)), "a set or a list is required"),
        ("slice", (SetValue(STRING, ()), 0, 0), "cannot slice a set"),
        ("slice", ((1, 2), 0, 3), "end index must not be greater than the length of the list"),
        ("slice", ((1, 2), 2, 1), "start index must not be greater than end index"),
        ("transpose", ({"a": (None,)},), "input list must not contain null string"),
        ("zipmap", (("a",), ()), "number of keys (1) does not match number of values (0)"),
        ("zipmap", ((None,), (1,)), "keys list has null value at index 0"),
    ],
)
def test_what_has_no_answer_is_refused(name: str, arguments: tuple[Value, ...], message: str, refusal: Refusal) -> None:
    assert refusal(name, *arguments).message.startswith(message)


# --- unknowns ---

_TEXT = Unknown(STRING, Refinement(not_null=True))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("contains", (("a", _TEXT), "a"), True),
        ("contains", ((1,), _TEXT), Unknown(BOOL, Refinement(not_null=True))),
        ("alltrue", ((False, Unknown(BOOL)),), False),
        ("anytrue", ((Unknown(BOOL), True),), True),
        ("coalesce", ("a", _TEXT), "a"),
        ("length", ((_TEXT, 1),), 2),
        ("length", (Unknown(TupleType([STRING, STRING])),), 2),
        ("length", (Unknown(ListType(STRING), Refinement(length_min=3, length_max=3)),), 3),
        ("length", (SetValue(STRING, (_TEXT,)),), 1),
        ("length", (SetValue(STRING, ("a", _TEXT)),), Unknown(NUMBER, Refinement(not_null=True))),
        ("keys", ({"a": _TEXT},), ("a",)),
        ("keys", (Unknown(ObjectType({"a": STRING})),), ("a",)),
        ("merge", ({"a": _TEXT}, {"b": 1}), {"a": _TEXT, "b": 1}),
        ("element", (("a", _TEXT), 0), "a"),
        ("index", (("a", _TEXT), "a"), 0),
        ("flatten", ((("a",), Unknown(ListType(STRING))),), Unknown(DYNAMIC)),
        ("flatten", ((("a",), _TEXT),), ("a", _TEXT)),
        ("setunion", (("a",), (_TEXT,)), SetValue(STRING, ("a", _TEXT))),
        ("setsubtract", (("a",), (_TEXT,)), Unknown(SetType(STRING), Refinement(not_null=True))),
        (
            "setproduct",
            ((), Unknown(ListType(STRING), Refinement(length_max=9))),
            ListValue(TupleType([DYNAMIC, STRING]), ()),
        ),
        (
            "setproduct",
            (("a", "b"), Unknown(ListType(STRING), Refinement(length_max=3))),
            Unknown(ListType(TupleType([STRING, STRING])), Refinement(not_null=True, length_min=1, length_max=6)),
        ),
        ("one", (SetValue(STRING, ("a", _TEXT)),), Unknown(STRING)),
        ("zipmap", (Unknown(ListType(STRING)), (1,)), Unknown(DYNAMIC)),
        ("zipmap", (("a",), (_TEXT,)), {"a": _TEXT}),
        ("lookup", ({"a": _TEXT, "b": 1}, "b", 0), 1),
        ("lookup", (MapValue(STRING, {}), _TEXT, "z"), Unknown(STRING)),
    ],
)
def test_as_much_is_known_as_can_be(name: str, arguments: tuple[Value, ...], expected: Value, call: Call) -> None:
    assert call(name, *arguments) == expected


# --- marks ---


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("concat", ((sensitive(1),), (2,)), (sensitive(1), 2)),
        ("concat", (sensitive((1,)), (2,)), sensitive((1, 2))),
        ("element", ((sensitive(1), 2), 1), 2),
        ("flatten", (((sensitive(1),), 2),), (sensitive(1), 2)),
        ("flatten", ((sensitive((1,)), 2),), sensitive((1, 2))),
        ("keys", ({"a": sensitive(1)},), ("a",)),
        ("length", ((sensitive(1),),), 1),
        ("lookup", ({"a": 1, "b": sensitive(2)}, "a", 0), 1),
        ("merge", ({"a": sensitive(1)}, {"b": 2}), {"a": sensitive(1), "b": 2}),
        ("merge", (sensitive({"a": 1}), {"b": 2}), sensitive({"a": 1, "b": 2})),
        ("setproduct", ((sensitive(1),), ("a",)), ListValue(TupleType([NUMBER, STRING]), ((sensitive(1), "a"),))),
        ("slice", ((1, sensitive(2)), 0, 1), (1,)),
        ("values", ({"a": sensitive(1)},), (sensitive(1),)),
        ("zipmap", ((sensitive("a"),), (1,)), sensitive({"a": 1})),
        ("distinct", ((sensitive(1), 1),), sensitive(ListValue(NUMBER, (1,)))),
        ("contains", ((sensitive(1), 2), 2), sensitive(True)),
    ],
)
def test_marks_stay_on_elements_that_are_only_moved(
    name: str, arguments: tuple[Value, ...], expected: Value, call: Call
) -> None:
    assert call(name, *arguments) == expected


# --- properties ---


def _call(name: str, *arguments: Value) -> Value:
    function = registry.lookup(name)
    assert function is not None
    return registry.call(function, arguments, FunctionContext(files=None))  # type: ignore[arg-type]


_NUMBERS = st.lists(st.integers(-50, 50))


@given(_NUMBERS, _NUMBERS)
def test_set_operations_agree_with_those_of_python(a: list[int], b: list[int]) -> None:
    left, right = tuple(a), tuple(b)
    for name, expected in (("setunion", {*a} | {*b}), ("setintersection", {*a} & {*b}), ("setsubtract", {*a} - {*b})):
        assert list(_call(name, left, right)) == sorted(expected)


@given(_NUMBERS)
def test_distinct_keeps_the_first_of_each(items: list[int]) -> None:
    assert list(_call("distinct", tuple(items))) == list(dict.fromkeys(items))


@given(_NUMBERS, st.integers(1, 9))
def test_chunks_laid_end_to_end_are_the_list(items: list[int], size: int) -> None:
    chunks = list(_call("chunklist", tuple(items), size))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(len(chunk) == size for chunk in chunks[:-1])


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()))
def test_zipping_keys_with_values_gives_the_map_back(entries: dict[str, int]) -> None:
    assert _call("zipmap", _call("keys", entries), _call("values", entries)) == entries


@given(st.dictionaries(st.text("abc", max_size=2), st.lists(st.text("xyz", max_size=1), unique=True, min_size=1)))
def test_transposing_twice_gives_the_map_back_in_order(entries: dict[str, list[str]]) -> None:
    given_ = MapValue(ListType(STRING), {key: strings(*sorted(items)) for key, items in entries.items()})
    twice = _call("transpose", _call("transpose", given_))
    assert twice == given_
    assert MapType(ListType(STRING)) == MapType(twice.element_type)
