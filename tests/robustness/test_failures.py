"""Steps that fail: what the state and the outputs say afterwards."""

from __future__ import annotations

import pytest


def failing(operation, *, when="before", **more):
    return {"mock": {"faults": [{"operation": operation, "error": "no", "when": when} | more]}}


@pytest.mark.parametrize("create_before_destroy", [False, True])
def test_an_output_of_a_replacement_that_failed_stays_as_it_was(create_before_destroy, stack):
    def stack_file(image, provider=None):
        server = {"name": "s", "image": image, "lifecycle": {"create_before_destroy": create_before_destroy}}
        return {
            "provider": provider or {},
            "resource": {"mock_server": {"s": server}},
            "output": {"image": {"value": "${mock_server.s.image}"}},
        }

    stack.write(stack_file("a"))
    stack.apply()
    stack.write(stack_file("b", failing("create")))
    stack.apply("--on-failure", "pause", code=1)
    assert stack.outputs() == {"image": "a"}
    assert len(stack.objects()) == create_before_destroy
    stack.write(stack_file("b"))
    stack.apply()
    assert stack.outputs() == {"image": "b"}
    assert len(stack.cloud()) == len(stack.objects()) == 1


def test_an_output_of_what_was_skipped_is_not_made(stack):
    stack.write(
        {
            "provider": failing("create", type="mock_network"),
            "resource": {
                "mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}},
                "mock_object": {"o": {"name": "o", "attributes": "${mock_network.n.id}"}, "p": {"name": "p"}},
            },
            "output": {"o": {"value": "${mock_object.o.name}"}, "p": {"value": "${mock_object.p.name}"}},
        }
    )
    done = stack.apply("--on-failure", "pause", code=1)
    assert "mock_object.o: Skipped" in done.out
    assert stack.outputs() == {"p": "p"}


def test_what_a_failed_create_left_half_made_is_replaced_and_nothing_is_left_over(stack):
    image = {"lifecycle": {"create_before_destroy": True}}
    stack.write({"resource": {"mock_server": {"s": {"name": "s", "image": "a"} | image}}})
    stack.apply()
    stack.write(
        {
            "provider": failing("create", when="after"),
            "resource": {"mock_server": {"s": {"name": "s", "image": "b"} | image}},
        }
    )
    stack.apply("--on-failure", "pause", code=1)
    assert len(stack.cloud()) == len(stack.objects()) == 2
    stack.apply()
    assert len(stack.cloud()) == len(stack.objects()) == 1
    assert stack.plan() == {}
