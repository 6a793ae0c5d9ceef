"""A provider whose configuration comes from a resource of the same stack."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest


def stack_file(*faults):
    return {
        "provider": {"mock": {"cloud": "${terraform_data.place.output}", "faults": list(faults)}},
        "resource": {
            "terraform_data": {"place": {"input": "elsewhere.sqlite"}},
            "mock_object": {"o": {"count": 2, "name": "o${count.index}"}},
        },
    }


@pytest.fixture
def names(stack):
    """names(): of what exists in the cloud that the configuration names."""

    def read():
        with closing(sqlite3.connect(stack.folder / "elsewhere.sqlite")) as connection:
            return sorted(name for (name,) in connection.execute("SELECT attributes ->> '$.name' FROM objects"))

    return read


@pytest.mark.parametrize("saved", [False, True])
def test_is_configured_by_what_is_about_to_be_destroyed(saved, stack, names):
    stack.write(stack_file())
    stack.apply()
    assert names() == ["o0", "o1"]
    if saved:
        stack.iac("plan", "--destroy", "--out", "the.plan")
        stack.iac("apply", "the.plan")
    else:
        stack.iac("destroy", "--auto-approve")
    assert names() == []
    assert stack.objects() == {}


def test_makes_nothing_in_a_destroy_of_nothing(stack):
    stack.write(stack_file())
    assert stack.plan("--destroy") == {}
    stack.iac("destroy", "--auto-approve")
    assert not stack.state_path.exists()


@pytest.mark.parametrize("operation", ["create", "delete"])
def test_is_configured_as_it_was_when_an_interrupted_run_is_settled(operation, stack, names):
    if operation == "delete":
        stack.write(stack_file())
        stack.apply()
    stack.write(stack_file({"operation": operation, "crash": "after"}))
    verb = ("destroy",) if operation == "delete" else ("apply",)
    done = stack.iac(*verb, "--auto-approve", "--parallelism", "1", code=None)
    assert done.code == -signal.SIGKILL
    stack.apply()
    assert names() == ["o0", "o1"]
    assert stack.plan() == {}
