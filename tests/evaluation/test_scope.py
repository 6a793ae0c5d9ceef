"""What names mean in a module instance, and that changed objects are seen by what was composed from them."""

from __future__ import annotations

import pytest

from iacengine.addresses import ModuleInstance, parse_resource_instance
from iacengine.evaluation.scope import SINGLE, Expansion
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown, is_unknown

ROOT = ModuleInstance()
A = parse_resource_instance("terraform_data.a")
RESOURCE = ("resource", "terraform_data", "a")


def test_variables_and_locals_have_their_values(working):
    values = working({"variable": {"v": {}}, "locals": {"one": "${var.v}!", "two": "${local.one}?"}}, {"v": "x"})
    assert values.scope(ROOT).lookup(("local", "two")) == "x!?"


def test_an_undeclared_name_says_what_was_probably_meant(working):
    scope = working({"locals": {"region": 1}}).scope(ROOT)
    with pytest.raises((DiagnosticsError, ExpressionError)) as failure:
        scope.lookup(("local", "regoin"))
    assert "regoin" in str(failure.value)


def with_a(working, **options):
    values = working({"resource": {"terraform_data": {"a": {}}}, "locals": {"id": "${terraform_data.a.id}"}}, **options)
    values.expand_resource(ROOT, A.resource, SINGLE)
    return values


def test_an_object_is_unknown_until_it_is_put_in(working):
    values = with_a(working)
    assert is_unknown(values.scope(ROOT).lookup(RESOURCE))


def test_while_applying_a_local_follows_the_object_it_is_made_of(working):
    values = with_a(working, remembers_unknown=False)
    values.set_object(A, {"id": Unknown(STRING)})
    scope = values.scope(ROOT)
    assert is_unknown(scope.lookup(("local", "id")))
    values.set_object(A, {"id": "real"})
    assert scope.lookup(RESOURCE) == {"id": "real"}
    assert scope.lookup(("local", "id")) == "real"


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        ("count", [0, 1], ({"id": "0"}, {"id": "1"})),
        ("for_each", ["x", "y"], {"x": {"id": "x"}, "y": {"id": "y"}}),
        ("count", [], ()),
        ("for_each", [], {}),
    ],
)
def test_many_instances_are_a_tuple_or_an_object(kind, keys, expected, working):
    values = with_a(working)
    values.expand_resource(ROOT, A.resource, Expansion(kind, dict.fromkeys(keys)))
    for key in keys:
        address = type(A)(ROOT, A.resource, key)
        values.set_object(address, {"id": str(key)})
    assert values.scope(ROOT).lookup(RESOURCE) == expected


def test_a_module_sees_its_arguments_and_the_caller_its_outputs(working):
    values = working(
        {
            "variable": {"v": {}},
            "module": {
                "m": {"source": "./child", "for_each": {"k": "K"}, "name": "${var.v}-${each.key}-${each.value}"}
            },
            "locals": {"all": "${[for m in module.m : m.o]}"},
        },
        {"v": "x"},
        modules={"child": {"variable": {"name": {}}, "output": {"o": {"value": "<${var.name}>"}}}},
    )
    values.expand_call(ROOT, "m", Expansion("for_each", {"k": "K"}))
    assert values.scope(ROOT).lookup(("local", "all")) == ("<x-k-K>",)
    assert [str(each) for each in values.module_instances(("m",))] == ['module.m["k"]']


def test_instances_of_modules_in_modules_multiply(working):
    inner = {"module": {"n": {"source": "./deep", "count": 2}}}
    values = working(
        {"module": {"m": {"source": "./child", "count": 2}}},
        modules={"child": inner, "child/deep": {"locals": {"x": 1}}},
    )
    values.expand_call(ROOT, "m", Expansion("count", {0: None, 1: None}))
    for instance in values.module_instances(("m",)):
        values.expand_call(instance, "n", Expansion("count", {0: None, 1: None}))
    assert [str(each) for each in values.module_instances(("m", "n"))] == [
        f"module.m[{outer}].module.n[{inner}]" for outer in (0, 1) for inner in (0, 1)
    ]


def test_names_in_front_hide_nothing_else(working):
    scope = working({"variable": {"v": {}}}, {"v": 1}).scope(ROOT)
    inner = scope.for_instance(Expansion("for_each", {"k": "value"}), "k")
    assert inner.lookup(("each", "key")) == "k"
    assert inner.lookup(("each", "value")) == "value"
    assert inner.lookup(("var", "v")) == 1
    assert inner.with_names({("self",): "me"}).lookup(("each", "key")) == "k"


def test_a_chain_of_thousands_of_locals_is_followed(working):
    chain = {"l0": 0} | {f"l{n}": f"${{local.l{n - 1} + 1}}" for n in range(1, 3000)}
    assert working({"locals": chain}).scope(ROOT).lookup(("local", "l2999")) == 2999
