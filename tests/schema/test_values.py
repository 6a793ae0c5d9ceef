from fractions import Fraction
from unicodedata import normalize

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType, SetType, TupleType
from iacengine.lang.values import (
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    number,
    same,
    sensitive,
    type_of,
)
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting
from iacengine.schema.values import (
    SchemaError,
    check,
    conform,
    decode,
    decode_type,
    encode,
    encode_type,
    json_value,
    null_object,
)

DISK = Block({"size": Attribute(NUMBER, required=True), "id": Attribute(STRING, computed=True)})
SERVER = Block(
    {
        "id": Attribute(STRING, computed=True),
        "name": Attribute(STRING, required=True),
        "count": Attribute(NUMBER, optional=True),
        "on": Attribute(BOOL, optional=True, computed=True),
        "tags": Attribute(MapType(STRING), optional=True),
        "zones": Attribute(SetType(STRING), optional=True),
        "anything": Attribute(DYNAMIC, optional=True),
        "secret": Attribute(STRING, optional=True, write_only=True),
    },
    {
        "disk": NestedBlock(Nesting.LIST, DISK, min_items=0, max_items=2),
        "label": NestedBlock(Nesting.MAP, Block({"text": Attribute(STRING, optional=True)})),
        "rule": NestedBlock(Nesting.SET, Block({"port": Attribute(NUMBER, required=True)})),
        "options": NestedBlock(Nesting.SINGLE, Block({"fast": Attribute(BOOL, optional=True)})),
        "group": NestedBlock(Nesting.GROUP, Block({"x": Attribute(STRING, optional=True)})),
    },
)


def findings(value, block=SERVER):
    return [(finding.summary, finding.path) for finding in check(value, block)[1]]


def test_a_body_becomes_an_object_with_every_attribute_and_block():
    value = conform({"name": "a"}, SERVER)
    assert value.keys() == {*SERVER.attributes, *SERVER.blocks}
    assert value["name"] == "a"
    assert value["count"] is None
    assert same(value["disk"], ListValue(type_of(value["disk"]).element, ()))
    assert value["options"] is None
    assert value["group"] == {"x": None}
    assert {**value, "name": None} == null_object(SERVER)


def test_values_are_converted_to_their_types():
    value = conform({"name": 5, "count": "2", "zones": ("b", "a", "b"), "tags": {"n": 1}}, SERVER)
    assert value["name"] == "5"
    assert value["count"] == 2
    assert value["zones"] == SetValue(STRING, ("a", "b"))
    assert value["tags"] == MapValue(STRING, {"n": "1"})


def test_unknown_and_marked_values_stay_what_they_are():
    value = conform({"name": sensitive(1), "count": Unknown(DYNAMIC), "disk": Unknown(DYNAMIC)}, SERVER)
    assert value["name"] == Marked("1", frozenset({"sensitive"}))
    assert value["count"] == Unknown(NUMBER)
    assert value["disk"].__class__ is Unknown


def test_a_typed_null_counts_as_absent():
    value = conform({"name": "a", "count": Null(NUMBER), "disk": None}, SERVER)
    assert value["count"] is None
    assert len(value["disk"]) == 0


def test_a_null_in_a_dynamic_place_keeps_its_type():
    value = conform({"name": "a", "anything": Null(NUMBER)}, SERVER)
    assert value["anything"] == Null(NUMBER)
    assert encode(value, SERVER)["anything"] == {"value": None, "type": "number"}
    assert decode(encode(value, SERVER), SERVER) == value


def test_everything_wrong_is_found_at_once():
    body = {"nmae": "a", "count": "many", "id": "x", "disk": ({}, {"size": 1}, {"size": 2, "siz": 3})}
    assert findings(body) == [
        ("Unsupported argument", ("nmae",)),
        ("Incorrect attribute value type", ("count",)),
        ("Value for unconfigurable attribute", ("id",)),
        ("Missing required argument", ("disk", 0, "size")),
        ("Unsupported argument", ("disk", 2, "siz")),
        ("Too many disk blocks", ("disk",)),
        ("Missing required argument", ("name",)),
    ]


def test_a_misspelt_name_gets_the_near_match():
    (finding, _) = check({"nmae": "a"}, SERVER)[1]
    assert finding.remedy == 'Did you mean "name"?'


def test_the_findings_never_hold_the_value():
    with pytest.raises(SchemaError) as caught:
        conform({"name": "a", "count": sensitive("hunter2")}, SERVER)
    assert "hunter2" not in str(caught.value)


def test_paths_of_findings_begin_where_the_caller_says():
    with pytest.raises(SchemaError) as caught:
        conform({}, SERVER, ("x", 3))
    assert caught.value.path == ("x", 3, "name")


def test_too_few_blocks_are_found_whether_absent_or_empty():
    block = Block(blocks={"disk": NestedBlock(Nesting.LIST, DISK, min_items=1)})
    assert findings({}, block) == findings({"disk": ()}, block) == [("Insufficient disk blocks", ("disk",))]


def test_a_single_block_may_be_written_as_a_list_of_one():
    assert conform({"name": "a", "options": ({"fast": True},)}, SERVER)["options"] == {"fast": True}
    assert findings({"name": "a", "options": ({}, {})}) == [("Too many options blocks", ("options",))]


def test_one_block_of_a_list_may_be_written_without_the_list():
    assert conform({"name": "a", "disk": {"size": 1}}, SERVER)["disk"].items == ({"size": 1, "id": None},)


def test_members_of_a_nested_attribute_that_need_not_be_set_may_be_left_out():
    members = {"a": Attribute(STRING, required=True), "b": Attribute(STRING, computed=True)}
    type_ = ListType(ObjectType({"a": STRING, "b": STRING}))
    block = Block({"n": Attribute(type_, optional=True, nested=NestedObject(Nesting.LIST, members))})
    assert conform({"n": ({"a": "x"},)}, block)["n"] == ListValue(type_.element, ({"a": "x", "b": Null(STRING)},))
    assert findings({"n": ({"a": None},)}, block) == [("Missing required argument", ("n", 0, "a"))]
    assert findings({"n": ({"a": "x", "b": "y"},)}, block) == [("Value for unconfigurable attribute", ("n", 0, "b"))]


def test_blocks_that_hold_dynamic_values_form_a_tuple():
    block = Block(blocks={"b": NestedBlock(Nesting.LIST, Block({"v": Attribute(DYNAMIC, optional=True)}))})
    value = conform({"b": ({"v": 1}, {"v": "x"})}, block)
    assert value == {"b": ({"v": 1}, {"v": "x"})}
    assert same(decode(orjson.loads(orjson.dumps(encode(value, block))), block), value)


# --- the stored form


def test_the_stored_form_is_that_of_terraforms_state():
    value = conform(
        {
            "name": "a",
            "count": Fraction(1, 2),
            "zones": ("b", "a"),
            "anything": (1, {"k": "v"}),
            "secret": "never",
            "disk": ({"size": 1},),
            "label": {"l": {}},
        },
        SERVER,
    )
    assert encode(value, SERVER) == {
        "anything": {"value": [1, {"k": "v"}], "type": ["tuple", ["number", ["object", {"k": "string"}]]]},
        "count": 0.5,
        "disk": [{"id": None, "size": 1}],
        "group": {"x": None},
        "id": None,
        "label": {"l": {"text": None}},
        "name": "a",
        "on": None,
        "options": None,
        "rule": [],
        "secret": None,
        "tags": None,
        "zones": ["a", "b"],
    }


def test_a_write_only_member_of_a_nested_attribute_is_not_stored():
    members = {"a": Attribute(STRING, optional=True), "b": Attribute(STRING, optional=True, write_only=True)}
    type_ = ObjectType({"a": STRING, "b": STRING})
    block = Block({"n": Attribute(type_, optional=True, nested=NestedObject(Nesting.SINGLE, members))})
    assert encode(conform({"n": {"a": "x", "b": "y"}}, block), block) == {"n": {"a": "x", "b": None}}


def test_missing_stored_attributes_are_null_and_extra_ones_ignored():
    assert decode({"name": "a", "gone": 1}, SERVER) == {**null_object(SERVER), "name": "a"}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1, 1),
        (2**63, 2**63),
        (2**64 + 1, "18446744073709551617"),
        (10**30, 1e30),
        (number("0.1"), 0.1),
        (number("0.1234567890123456789"), "0.1234567890123456789"),
        (-0.0, -0.0),
    ],
)
def test_a_number_is_stored_as_json_number_when_that_reads_back_the_same(value, stored):
    assert encode_type(value, NUMBER) == stored
    assert same(decode_type(orjson.loads(orjson.dumps(stored)), NUMBER), value)


def test_unknown_and_infinite_values_cannot_be_stored():
    for value, where in (
        ({"name": Unknown(STRING)}, ("name",)),
        ({"name": "a", "count": float("inf")}, ("count",)),
        ({"name": "a", "anything": ("x", Unknown(STRING))}, ("anything", 1)),
        ({"name": "a", "disk": ({"size": Unknown(NUMBER)},)}, ("disk", 0, "size")),
        ({"name": "a", "tags": {"t": Unknown(STRING)}}, ("tags", "t")),
    ):
        with pytest.raises(SchemaError) as caught:
            encode(conform(value, SERVER), SERVER)
        assert caught.value.path == where


def test_a_stored_value_of_a_wrong_type_is_refused_with_its_place():
    for raw, where in (
        ({"count": "x"}, ("count",)),
        ({"tags": []}, ("tags",)),
        ({"zones": [1, {}]}, ("zones", 1)),
        ({"anything": 5}, ("anything",)),
        ({"anything": {"value": 1, "type": "nonsense"}}, ("anything",)),
        ({"anything": {"value": [1], "type": ["tuple", ["string", "bool"]]}}, ("anything",)),
        ({"disk": [{"size": {}}]}, ("disk", 0, "size")),
        ({"options": 1}, ("options",)),
    ):
        with pytest.raises(SchemaError) as caught:
            decode(raw, SERVER)
        assert caught.value.path == where


def test_exact_types_of_dynamic_values_survive_storage():
    for value in (
        ListValue(STRING, ("a",)),
        SetValue(NUMBER, (1, 2)),
        MapValue(BOOL, {"a": True}),
        ListValue(DYNAMIC, ()),
        (Null(STRING), None, ListValue(STRING, (Null(STRING),))),
        {"a": {"b": (Null(ListType(STRING)),)}},
        ListValue(ObjectType({"a": NUMBER}), ({"a": 1}, Null(ObjectType({"a": NUMBER})))),
        Null(TupleType([STRING])),
    ):
        stored = orjson.loads(orjson.dumps(encode_type(value, DYNAMIC)))
        assert same(decode_type(stored, DYNAMIC), value)


def storable(text):
    return normalize("NFC", text.encode("utf-8", "ignore").decode())


leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=4).map(storable))


values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
        st.lists(st.integers(0, 9), max_size=3).map(lambda items: ListValue(NUMBER, items)),
    ),
    max_leaves=8,
)


@given(values)
def test_any_dynamic_value_survives_storage(value):
    stored = orjson.loads(orjson.dumps(encode_type(value, DYNAMIC)))
    assert same(decode_type(stored, DYNAMIC), value)


@given(values)
def test_conforming_twice_changes_nothing(value):
    once = conform({"name": "n", "anything": value}, SERVER)
    assert same(once, conform({k: v for k, v in once.items() if k not in ("id", "on")}, SERVER))


# --- plain JSON


def test_plain_json_leaves_unknowns_out_of_objects_and_nulls_them_in_lists():
    value = {"a": Unknown(STRING), "b": (1, Unknown(STRING)), "c": sensitive(MapValue(STRING, {"k": "v"}))}
    assert json_value(value) == {"b": [1, None], "c": {"k": "v"}}
    assert json_value((number("0.1"), Fraction(1, 3), 2**64 + 1)) == [0.1, 1 / 3, "18446744073709551617"]
