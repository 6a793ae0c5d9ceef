"""What is too deep or too many is an error of the stack, told before anything is done."""

from __future__ import annotations

import pytest


def nested(levels):
    locals_ = {"l0": [1]} | {f"l{level}": [f"${{local.l{level - 1}}}"] for level in range(1, levels)}
    return {
        "locals": locals_,
        "resource": {
            "terraform_data": {"x": {"input": f"${{local.l{levels - 1}}}"}},
            "mock_object": {"o": {"name": "o"}},
        },
    }


@pytest.mark.parametrize("levels", [300, 1200])
def test_values_nested_too_deeply_are_refused_before_anything_is_done(levels, stack):
    stack.write(nested(levels))
    done = stack.apply(code=1)
    assert "ested too deep" in done.err
    assert "Internal error" not in done.err
    assert stack.cloud() == {}


def test_values_nested_a_hundred_levels_are_kept(stack):
    stack.write(nested(100))
    stack.apply()
    assert stack.plan() == {}


def test_more_instances_than_can_be_meant_are_refused(stack):
    stack.write({"resource": {"terraform_data": {"x": {"count": "${1000 * 1000 * 1000 * 1000}"}}}})
    done = stack.iac("plan", code=1)
    assert "1000000000000 instances" in done.err


@pytest.mark.parametrize(
    "expression",
    ["(" * 5000 + "1" + ")" * 5000, "+".join(["1"] * 5000), "!" * 5000 + "true", "true ? 1 : " * 3000 + "2"],
)
def test_expressions_nested_too_deeply_are_refused(expression, stack):
    stack.write({"output": {"o": {"value": f"${{{expression}}}"}}})
    assert "too deep" in stack.iac("plan", code=1).err
