"""How many instances a block has."""

from __future__ import annotations

import pytest

from iacengine.addresses import ModuleInstance, parse_resource_instance
from iacengine.evaluation.expansion import UnknownExpansionError, expand
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.types import NUMBER, STRING, MapType, SetType
from iacengine.lang.values import ListValue, MapValue, Null, SetValue, Unknown, number, sensitive

A = parse_resource_instance("terraform_data.a").resource


@pytest.fixture
def expanded(working):
    """expanded("count", value): the instances of a block with that value."""

    def run(argument, value):
        values = working(
            {"variable": {"v": {}}, "resource": {"terraform_data": {"a": {argument: "${var.v}"}}}}, {"v": value}
        )
        scope = values.scope(ModuleInstance())
        block = scope.module.resources[A]
        return expand(block.repetition, scope, block.origin)

    return run


@pytest.mark.parametrize("value", [3, "3", number("3.0"), sensitive(3)])
def test_count_takes_whole_numbers_and_text_of_them(value, expanded):
    found = expanded("count", value)
    assert (found.kind, found.keys) == ("count", (0, 1, 2))


@pytest.mark.parametrize("value", [-1, number("1.5"), "x", None, Null(NUMBER), True, ()])
def test_count_refuses_anything_else(value, expanded):
    with pytest.raises(DiagnosticsError, match="Invalid count"):
        expanded("count", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SetValue(STRING, ["a", "b"]), {"a": "a", "b": "b"}),
        (MapValue(NUMBER, {"b": 1, "a": 2}), {"a": 2, "b": 1}),
        ({"x": "y", "n": None}, {"n": None, "x": "y"}),
        (MapValue(STRING, {"k": Unknown(STRING)}), {"k": Unknown(STRING)}),
        (MapValue(STRING, {}), {}),
    ],
)
def test_for_each_takes_sets_of_text_maps_and_objects_sorted_by_key(value, expected, expanded):
    found = expanded("for_each", value)
    assert found.kind == "for_each"
    assert found.values == expected
    assert list(found.keys) == sorted(expected)


@pytest.mark.parametrize(
    "value",
    [
        ListValue(STRING, ["a"]),
        ("a",),
        SetValue(NUMBER, [1]),
        "a",
        None,
        sensitive(SetValue(STRING, ["a"])),
        sensitive(MapValue(STRING, {"a": "b"})),
        SetValue(STRING, [None]),
    ],
)
def test_for_each_refuses_lists_numbers_nulls_and_secrets(value, expanded):
    with pytest.raises(DiagnosticsError, match="Invalid for_each"):
        expanded("for_each", value)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("count", Unknown(NUMBER)),
        ("for_each", Unknown(SetType(STRING))),
        ("for_each", Unknown(MapType(STRING))),
        ("for_each", SetValue(STRING, [Unknown(STRING)])),
    ],
)
def test_a_number_that_only_apply_will_tell_has_an_error_of_its_own(argument, value, expanded):
    with pytest.raises(UnknownExpansionError) as failure:
        expanded(argument, value)
    assert failure.value.diagnostics[0].remedy


def test_a_refusal_stands_where_the_argument_is(expanded):
    with pytest.raises(DiagnosticsError) as failure:
        expanded("count", -1)
    assert str(failure.value.diagnostics[0].range).startswith("main.tf.json:1:")
