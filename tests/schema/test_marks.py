from iacengine.lang.types import NUMBER, STRING
from iacengine.lang.values import ListValue, MapValue, Marked, Unknown, has_mark, mark, same, sensitive
from iacengine.schema import Attribute, Block, NestedBlock, Nesting
from iacengine.schema.values import (
    change_path,
    conform,
    get_path,
    mark_paths,
    mark_with_paths,
    marked_paths,
    path_text,
    schema_marks,
    set_path,
    unmark_with_paths,
)

S = frozenset({"sensitive"})
KEY = Block({"key": Attribute(STRING, optional=True, sensitive=True), "n": Attribute(NUMBER, optional=True)})


def nested(nesting):
    return Block({"p": Attribute(STRING, optional=True, sensitive=True)}, {"b": NestedBlock(nesting, KEY)})


def test_the_schema_names_sensitive_places_of_every_nesting():
    body = {"p": "x", "b": ({"key": "a"}, {"key": "b"})}
    block = nested(Nesting.LIST)
    assert schema_marks(conform(body, block), block) == (("b", 0, "key"), ("b", 1, "key"), ("p",))
    block = nested(Nesting.MAP)
    assert schema_marks(conform({"b": {"x": {}}}, block), block) == (("b", "x", "key"), ("p",))
    block = nested(Nesting.SINGLE)
    assert schema_marks(conform({"b": {}}, block), block) == (("b", "key"), ("p",))
    assert schema_marks(conform({}, block), block) == (("p",),)


def test_a_sensitive_place_inside_a_set_makes_the_set_sensitive():
    block = nested(Nesting.SET)
    assert schema_marks(conform({"b": ({"key": "a"},)}, block), block) == (("b",), ("p",))


def test_a_block_without_sensitive_attributes_has_no_marks():
    assert schema_marks({"a": 1}, Block({"a": Attribute(NUMBER)})) == ()


def test_marks_come_off_and_go_back_on():
    value = {
        "a": sensitive("x"),
        "b": ({"c": mark(Unknown(STRING), ("sensitive", "ephemeral"))}, 1),
        "d": ListValue(STRING, (sensitive("y"), "z")),
        "e": MapValue(STRING, {"k": sensitive("v")}),
        "f": sensitive({"g": sensitive("h")}),
    }
    plain, paths = unmark_with_paths(value)
    assert not has_mark(plain, "sensitive")
    assert dict(paths)[("b", 0, "c")] == {"sensitive", "ephemeral"}
    assert [path for path, _ in paths] == [("a",), ("b", 0, "c"), ("d", 0), ("e", "k"), ("f",), ("f", "g")]
    assert same(mark_with_paths(plain, paths), value)
    assert marked_paths(value) == paths


def test_a_value_without_marks_is_answered_itself():
    value = {"a": (1, {"b": ListValue(STRING, ("x",))})}
    plain, paths = unmark_with_paths(value)
    assert plain is value
    assert paths == ()
    assert mark_paths(value, (), "sensitive") is value


def test_marking_a_path_shares_what_is_beside_it():
    value = {"a": {"x": 1}, "b": ({"y": 2},)}
    marked = mark_paths(value, [("b", 0, "y")], "sensitive")
    assert marked["b"][0]["y"] == Marked(2, S)
    assert marked["a"] is value["a"]
    assert value == {"a": {"x": 1}, "b": ({"y": 2},)}


def test_paths_that_the_value_lacks_are_passed_over():
    value = {"a": (1,), "n": "text"}
    assert mark_paths(value, [("x",), ("a", 5), ("a", "k"), ("n", "deeper")], "sensitive") == value


def test_a_path_below_a_null_or_unknown_marks_that():
    value = {"a": None, "b": Unknown(STRING)}
    assert mark_paths(value, [("a", 0), ("b", "c")], "sensitive") == {
        "a": Marked(None, S),
        "b": Marked(Unknown(STRING), S),
    }


def test_a_shorter_path_covers_a_longer_one():
    assert mark_paths({"a": {"b": 1}}, [("a", "b"), ("a",)], "sensitive") == {"a": Marked({"b": 1}, S)}


def test_values_are_read_and_changed_by_path():
    value = {"a": ListValue(NUMBER, (1, 2)), "m": sensitive(MapValue(STRING, {"k": "v"})), "t": ({"x": 1},)}
    assert get_path(value, ("a", 1)) == 2
    assert get_path(value, ("m", "k")) == "v"
    changed = set_path(value, ("t", 0, "x"), 9)
    assert changed["t"] == ({"x": 9},)
    assert changed["a"] is value["a"]
    assert change_path(value, ("a", 0), lambda old: old + 10)["a"] == ListValue(NUMBER, (11, 2))
    assert get_path(set_path(value, ("m", "new"), "w"), ("m", "new")) == "w"


def test_paths_are_written_as_users_write_them():
    assert path_text(("disk", 0, "size")) == "disk[0].size"
    assert path_text(("tags", "a b")) == 'tags["a b"]'
