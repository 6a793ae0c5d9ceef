"""What a move, or a dependency that only the configuration tells of, means for the order of deletions."""

from __future__ import annotations

import json

import pytest


def stack_file(network, **more):
    return {
        "resource": {
            "mock_network": {network: {"name": "n", "cidr_block": "10.0.0.0/16"}},
            "mock_server": {"s": {"name": "s", "network_id": f"${{mock_network.{network}.id}}"}},
        }
    } | more


MOVED = {"moved": [{"from": "mock_network.n", "to": "mock_network.m"}]}


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("parallelism", ["1", "8"])
def test_what_depends_on_a_moved_object_is_deleted_before_it(applied, parallelism, stack):
    stack.write(stack_file("n"))
    stack.apply()
    stack.write(stack_file("m", **MOVED))
    if applied:
        stack.apply()
        objects = {stored["address"]: stored for stored in json.loads(stack.state_path.read_bytes())["objects"]}
        assert objects["mock_server.s"]["dependencies"] == ["mock_network.m"]
        stack.write({"output": {"o": {"value": 1}}})
        stack.apply("--parallelism", parallelism)
    else:
        stack.iac("destroy", "--auto-approve", "--parallelism", parallelism)
    assert stack.cloud() == {}


def test_a_dependency_that_was_declared_later_orders_the_destroy(stack):
    blocks = {"a": {"input": 1}, "b": {"input": 2}}
    stack.write({"resource": {"terraform_data": blocks}})
    stack.apply()
    blocks["a"]["depends_on"] = ["terraform_data.b"]
    stack.write({"resource": {"terraform_data": blocks}})
    out = stack.iac("destroy", "--auto-approve").out
    assert out.index("terraform_data.a: Destruction complete") < out.index("terraform_data.b: Destroying")
    blocks["a"]["depends_on"], blocks["b"]["depends_on"] = [], ["terraform_data.a"]
    stack.write({"resource": {"terraform_data": blocks}})
    stack.apply()
    out = stack.iac("destroy", "--auto-approve").out
    assert out.index("terraform_data.b: Destruction complete") < out.index("terraform_data.a: Destroying")


def test_a_moved_object_that_is_gone_leaves_the_state(stack):
    stack.write({"resource": {"mock_object": {"a": {"name": "x"}}}})
    stack.apply()
    stack.change_cloud("DELETE FROM objects")
    stack.write(
        {
            "resource": {"mock_object": {"b": {"name": "x"}}},
            "moved": [{"from": "mock_object.a", "to": "mock_object.b"}],
        }
    )
    stack.apply("--refresh-only")
    assert stack.objects() == {}


def test_many_moves_in_chains_are_carried_out_in_order(stack):
    count = 800
    stack.write({"resource": {"terraform_data": {f"a{number}": {"input": number} for number in range(count)}}})
    stack.apply()
    steps = [("b", "c"), ("a", "b")]
    stack.write(
        {
            "resource": {"terraform_data": {f"c{number}": {"input": number} for number in range(count)}},
            "moved": [
                {"from": f"terraform_data.{old}{number}", "to": f"terraform_data.{new}{number}"}
                for old, new in steps
                for number in range(count)
            ],
        }
    )
    assert stack.plan() == {}
    stack.apply()
    assert {address: values["input"] for address, values in stack.objects().items()} == {
        f"terraform_data.c{number}": number for number in range(count)
    }
