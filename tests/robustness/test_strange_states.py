"""States that hold what the providers of today do not know."""

from __future__ import annotations

import json

import pytest


def terraform_state(attributes, type_="mock_object", version=0):
    instance = {"schema_version": version, "attributes": attributes}
    resource = {"mode": "managed", "type": type_, "name": "a", "provider": 'provider["iacengine/mock"]'}
    return json.dumps(
        {"version": 4, "serial": 1, "lineage": "l", "outputs": {}, "resources": [resource | {"instances": [instance]}]}
    )


@pytest.fixture
def push(stack):
    def run(text):
        stack.write("{}")
        stack.write(text, "pushed.tfstate")
        stack.iac("state", "push", "pushed.tfstate")

    return run


COMMANDS = [("plan",), ("plan", "--refresh=false"), ("destroy", "--auto-approve")]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_object_that_does_not_fit_its_schema_is_named(command, stack, push):
    push(terraform_state({"id": ["x"], "name": "n"}, version=9))
    done = stack.iac(*command, code=1)
    assert "mock_object.a" in done.err
    assert "newer version" in done.err
    stack.iac("state", "rm", "mock_object.a")
    stack.iac(*command)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_object_of_a_type_that_is_gone_is_not_passed_over(command, stack, push):
    push(terraform_state({"id": "1"}, "mock_gone"))
    done = stack.iac(*command, code=1)
    assert "iac state rm mock_gone.a" in " ".join(done.err.split())


def test_attributes_that_came_or_went_do_not_matter(stack, push):
    push(terraform_state({"id": "1", "bogus": 2}))
    stack.iac("plan")
