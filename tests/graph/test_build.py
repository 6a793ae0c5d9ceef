"""What needs what in a configuration."""

from __future__ import annotations

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError


def data(**blocks):
    return {"resource": {"terraform_data": blocks}}


@pytest.mark.parametrize(
    "body",
    [
        {"input": "${terraform_data.a.id}"},
        {"input": {"deep": ["x", {"deeper": "before ${terraform_data.a.id} after"}]}},
        {"input": {"${terraform_data.a.id}": 1}},
        {"input": '%{ if terraform_data.a.id == "x" }y%{ endif }'},
        {"input": "${[for x in [1] : terraform_data.a.id]}"},
        {"count": "${length(terraform_data.a.id)}"},
        {"for_each": "${toset([terraform_data.a.id])}"},
        {"depends_on": ["terraform_data.a"]},
        {"lifecycle": {"replace_triggered_by": ["${terraform_data.a.id}"]}},
        {"lifecycle": {"precondition": [{"condition": "${terraform_data.a.id != null}", "error_message": "no"}]}},
        {
            "lifecycle": {
                "postcondition": [{"condition": '${self.id != ""}', "error_message": "${terraform_data.a.id}"}]
            }
        },
    ],
)
def test_a_reference_anywhere_in_a_block_is_a_need(body, graph, needs):
    assert "terraform_data.a" in needs(graph(data(a={}, b=body)), "terraform_data.b")


def test_text_that_only_looks_like_a_reference_is_no_need(graph, needs):
    built = graph(data(a={}, b={"input": "terraform_data.a.id and $${terraform_data.a.id}"}))
    assert needs(built, "terraform_data.b") == set()


def test_names_bound_inside_an_expression_hide_those_outside(graph, needs):
    built = graph(data(a={}, b={"input": "${[for terraform_data in [{a = 1}] : terraform_data.a]}"}))
    assert needs(built, "terraform_data.b") == set()


def test_needs_go_through_locals_variables_and_outputs(graph, needs):
    root = data(a={}, b={"input": "${local.l}"}) | {
        "locals": {"l": "${module.m.o}"},
        "module": {"m": {"source": "./child", "v": "${terraform_data.a.id}"}},
    }
    child = {"variable": {"v": {}}, "output": {"o": {"value": "${var.v}"}}}
    built = graph(root, child=child)
    assert needs(built, "terraform_data.b") == {"local.l"}
    assert "module.m.output.o" in needs(built, "local.l")
    assert "module.m.var.v" in needs(built, "module.m.output.o")
    assert "terraform_data.a" in needs(built, "module.m.var.v")


def test_a_reference_to_one_output_does_not_wait_for_the_others(graph, needs):
    root = data(b={"input": "${module.m.quick}"}) | {"module": {"m": {"source": "./child"}}}
    child = data(slow={}) | {"output": {"quick": {"value": 1}, "slow": {"value": "${terraform_data.slow.id}"}}}
    built = graph(root, child=child)
    assert "module.m.output.slow" not in needs(built, "terraform_data.b")
    assert "module.m.output.quick" in needs(built, "terraform_data.b")


def test_depends_on_a_module_waits_for_everything_in_it(graph):
    root = data(b={"depends_on": ["module.m"]}) | {"module": {"m": {"source": "./child"}}}
    built = graph(root, child=data(inner={}))
    (node,) = (node for node in built if str(node) == "terraform_data.b")
    assert "module.m.terraform_data.inner" in {str(each) for each in built.closure([node], built.needs)}


def test_everything_in_a_module_waits_for_its_count(graph, needs):
    root = data(a={}) | {"module": {"m": {"source": "./child", "count": "${length(terraform_data.a.id)}"}}}
    built = graph(root, child=data(inner={}))
    assert needs(built, "module.m.terraform_data.inner") >= {"module.m"}
    assert needs(built, "module.m") >= {"terraform_data.a"}


def test_a_block_waits_for_the_configuration_of_its_provider(graph, needs):
    root = {
        "provider": {"mock": {"cloud": "${terraform_data.a.output}"}},
        "resource": {"terraform_data": {"a": {"input": "x"}}, "mock_object": {"o": {}}},
    }
    built = graph(root)
    assert needs(built, "mock_object.o") == {'provider["mock"]'}
    assert needs(built, 'provider["mock"]') == {"terraform_data.a"}


def test_the_iterator_of_a_dynamic_block_is_no_need(graph, needs):
    root = data(disk={}) | {}
    root["resource"]["mock_server"] = {
        "s": {
            "name": "s",
            "dynamic": {"disk": {"for_each": [1], "content": {"size": "${disk.value}"}}},
        }
    }
    assert needs(graph(root), "mock_server.s") == set()


@pytest.mark.parametrize(
    ("blocks", "names"),
    [
        (data(a={"input": "${terraform_data.b.id}"}, b={"input": "${terraform_data.a.id}"}), ["a", "b"]),
        (
            data(
                a={"input": "${terraform_data.b.id}"},
                b={"depends_on": ["terraform_data.c"]},
                c={"count": "${length(terraform_data.a.id)}"},
            ),
            ["a", "b", "c"],
        ),
    ],
)
def test_a_cycle_is_refused_and_names_all_in_it(blocks, names, graph):
    with pytest.raises(DiagnosticsError) as failure:
        graph(blocks)
    (found,) = failure.value.diagnostics
    for name in names:
        assert f"terraform_data.{name}" in found.detail
    first, *_, last = found.detail.partition(":")[0].split(" -> ")
    assert first == last
    assert found.remedy


def test_two_cycles_are_both_told(graph):
    def pair(one, other):
        return {one: {"input": f"${{terraform_data.{other}.id}}"}, other: {"input": f"${{terraform_data.{one}.id}}"}}

    with pytest.raises(DiagnosticsError) as failure:
        graph(data(**pair("a", "b"), **pair("c", "d")))
    assert len(failure.value.diagnostics) == 2


def test_a_cycle_through_a_module_is_found(graph):
    root = {"module": {"m": {"source": "./child", "v": "${module.m.o}"}}}
    child = {"variable": {"v": {}}, "output": {"o": {"value": "${var.v}"}}}
    with pytest.raises(DiagnosticsError, match=r"module\.m\.var\.v"):
        graph(root, child=child)
