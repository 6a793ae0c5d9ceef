"""Chains of names that are longer than any stack is deep, and names that branch at every step."""

from __future__ import annotations

import json

DEPTH = 3000


def chain(first, depth=DEPTH):
    return {"l0": first} | {f"l{step}": f"${{local.l{step - 1}}}" for step in range(1, depth)}


def test_a_long_chain_of_locals_from_an_attribute_is_applied(stack):
    stack.write(
        {
            "locals": chain("${terraform_data.x.id}"),
            "resource": {"terraform_data": {"x": {}, "y": {"input": f"${{local.l{DEPTH - 1}}}"}}},
            "output": {"last": {"value": f"${{local.l{DEPTH - 1}}}"}},
        }
    )
    stack.apply()
    objects = stack.objects()
    assert objects["terraform_data.y"]["input"] == objects["terraform_data.x"]["id"]
    assert stack.outputs() == {"last": objects["terraform_data.x"]["id"]}
    assert stack.plan() == {}


def test_a_long_chain_of_constant_locals_is_applied(stack):
    stack.write(
        {
            "locals": chain("x"),
            "resource": {
                "terraform_data": {"x": {}, "y": {"input": f"${{local.l{DEPTH - 1}}}${{terraform_data.x.id}}"}}
            },
        }
    )
    stack.apply()
    objects = stack.objects()
    assert objects["terraform_data.y"]["input"] == "x" + objects["terraform_data.x"]["id"]


def test_names_that_double_at_every_step_are_computed_once_after_a_failure(stack):
    steps = 40  # 2 to the power of 40 evaluations would never end
    stack.write(
        {
            "provider": {"mock": {"faults": [{"operation": "create", "error": "no"}]}},
            "resource": {"mock_object": {"o": {"name": "o"}}},
            "locals": {"l0": "${mock_object.o.id}"}
            | {f"l{step}": f"${{[local.l{step - 1}, local.l{step - 1}]}}" for step in range(1, steps)},
            "output": {"o": {"value": f"${{length(local.l{steps - 1}) > 0 ? length(mock_object.o.id) : 0}}"}},
        }
    )
    stack.apply("--on-failure", "pause", code=1)
    assert stack.outputs() == {}


def test_thirty_modules_inside_each_other_are_made_and_destroyed(stack):
    depth, folder = 30, ""
    for level in range(depth):
        module = {
            "variable": {"v": {}} if level else {},
            "locals": {"l": "${var.v}" if level else "root"},
            "resource": {"terraform_data": {"x": {"input": "${local.l}"}}},
            "output": {"o": {"value": "${module.m.o}" if level < depth - 1 else "${terraform_data.x.output}"}},
        }
        if level < depth - 1:
            module["module"] = {"m": {"source": "./m", "v": "${terraform_data.x.output}"}}
        stack.write(module, f"{folder}main.tf.json")
        folder += "m/"
    stack.apply()
    assert stack.outputs() == {"o": "root"}
    assert stack.plan() == {}
    stack.iac("destroy", "--auto-approve")
    assert json.loads(stack.state_path.read_bytes())["serial"] == 2
    assert stack.objects() == {}
