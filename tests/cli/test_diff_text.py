from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.cli.views.diff_text import DiffWriter
from iacengine.cli.views.segments import Segments, plain
from iacengine.cli.views.sequence_diff import diff_parts
from iacengine.lang.types import DYNAMIC, NUMBER, STRING, ObjectType
from iacengine.lang.values import ListValue, MapValue, Null, SetValue, Unknown, Value, from_python


def diff(before: Value, after: Value, **more: Any) -> list[str]:
    out: Segments = []
    DiffWriter(out, 100, **more).entries({"x": before}, {"x": after}, "")
    return plain(out).splitlines()


def strings(*items: str) -> ListValue:
    return ListValue(STRING, items)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("a", "b", '~ x = "a" -> "b"'),
        (None, "b", '+ x = "b"'),
        ("a", None, '- x = "a" -> null'),
        ("a", Null(STRING), '- x = "a" -> null'),
        (1, 2, "~ x = 1 -> 2"),
        (True, 1, "~ x = true -> 1"),
        ("1", 1, '~ x = "1" -> 1'),
        ("a", Unknown(STRING), '~ x = "a" -> (known after apply)'),
        (strings("a", "b"), Unknown(), "~ x = [ 2 elements ] -> (known after apply)"),
        ({"a": 1}, Unknown(), "~ x = { 1 attribute } -> (known after apply)"),
        (None, Unknown(STRING), "+ x = (known after apply)"),
    ],
)
def test_a_plain_change_takes_one_line(before: Value, after: Value, line: str) -> None:
    assert diff(before, after) == [line]


def test_nulls_of_every_type_are_the_same() -> None:
    assert diff(None, Null(STRING)) == []


def test_a_forcing_attribute_is_marked_where_it_changes() -> None:
    assert diff("a", "b", forcing=frozenset({("x",)})) == ['~ x = "a" -> "b" # forces replacement']
    lines = diff({"a": 1, "b": 2}, {"a": 2, "b": 3}, forcing=frozenset({("x", "b")}))
    assert lines == ["~ x = {", "    ~ a = 1 -> 2", "    ~ b = 2 -> 3 # forces replacement", "  }"]


def test_an_element_put_in_front_is_one_addition() -> None:
    assert diff(strings("a", "b", "c"), strings("new", "a", "b", "c")) == [
        "~ x = [",
        '    + "new",',
        '      "a",',
        "      # 2 unchanged elements hidden",
        "  ]",
    ]


def test_numbers_that_differ_in_a_late_digit_differ() -> None:
    lines = diff(ListValue(NUMBER, [12345678901, 1]), ListValue(NUMBER, [12345678902, 1]))
    assert "    ~ 12345678901 -> 12345678902," in lines


def test_true_and_one_are_not_the_same_element() -> None:
    assert "    ~ true -> 1," in diff((True, "a"), (1, "a"))


def test_elements_of_a_set_have_no_order() -> None:
    assert diff(SetValue(NUMBER, [1, 2, 3]), SetValue(NUMBER, [2, 3, 4])) == [
        "~ x = [",
        "    - 1,",
        "    + 4,",
        "      # 2 unchanged elements hidden",
        "  ]",
    ]


def test_similar_objects_of_a_set_are_compared() -> None:
    rule = ObjectType({"port": NUMBER, "from": STRING})
    before = SetValue(rule, [{"port": 22, "from": "a"}, {"port": 80, "from": "b"}])
    after = SetValue(rule, [{"port": 22, "from": "a"}, {"port": 80, "from": "c"}])
    assert '        ~ from = "b" -> "c"' in diff(before, after)


def test_json_in_a_string_is_compared_as_structure() -> None:
    lines = diff('{"a": [1, 2], "b": "x"}', '{"b":"x","a":[1,3]}')
    assert lines[0] == "~ x = jsonencode({"
    assert "        ~ 2 -> 3," in [line[0:] for line in lines]
    assert lines[-1] == "  })"


def test_json_that_only_looks_different_is_said_to_be_the_same() -> None:
    (line,) = diff('{"a": 1, "b": 2}', '{"b":2,"a":1}')
    assert line.endswith("# whitespace or order of keys only")


def test_long_texts_show_three_lines_around_a_change() -> None:
    before = "".join(f"{index}\n" for index in range(20))
    lines = diff(before, before.replace("10\n", "ten\n"))
    assert lines == [
        "~ x = <<-EOT",
        "      # 7 unchanged lines hidden",
        "      7",
        "      8",
        "      9",
        "    - 10",
        "    + ten",
        "      11",
        "      12",
        "      13",
        "      # 6 unchanged lines hidden",
        "  EOT",
    ]


def test_a_text_that_holds_the_end_mark_gets_another() -> None:
    assert diff("a\nEOT\n", "b\nEOT\n")[0] == "~ x = <<-EOT_"


def test_values_of_other_kinds_are_removed_and_added() -> None:
    assert diff(strings("a"), MapValue(STRING, {"k": "v"})) == [
        "- x = [",
        '      "a",',
        "  ]",
        "+ x = {",
        '      k = "v"',
        "  }",
    ]


def test_a_deleted_object_is_shown_without_nulls() -> None:
    out: Segments = []
    DiffWriter(out, 100).deleted({"a": 1, "b": None, "c": ListValue(DYNAMIC, ())}, "")
    assert plain(out) == "- a = 1\n"


@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 5), max_size=30))
def test_the_parts_of_a_difference_rebuild_both_sequences(before: list[int], after: list[int]) -> None:
    old: list[int] = []
    new: list[int] = []
    for tag, start, end, new_start, new_end in diff_parts(before, after):
        old += before[start:end]
        new += after[new_start:new_end]
        if tag == "equal":
            assert before[start:end] == after[new_start:new_end]
    assert (old, new) == (before, after)


def test_huge_sequences_are_compared_without_a_table() -> None:
    before, after = list(range(5000)), list(range(10_000, 15_000))
    assert list(diff_parts(before, after)) == [("replace", 0, 5000, 0, 5000)]


_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=3), children, max_size=4),
    max_leaves=15,
)


@given(_DATA, _DATA)
def test_every_pair_of_values_can_be_told_apart(before: object, after: object) -> None:
    old, new = from_python(before), from_python(after)
    lines = diff(old, new)
    differs = repr(before) != repr(after) and not (before is None and after is None)
    if not differs:
        assert not [line for line in lines if line[0] in "+-~"]
