"""`iac recover` after an apply that could not be undone: what it says, and what it refuses."""

from __future__ import annotations

import pytest

FAULTS = [
    {"type": "mock_object", "name": "c", "operation": "create", "nth": 0, "error": "no room"},
    {"type": "mock_object", "name": "b", "operation": "delete", "nth": 0, "error": "in use"},
]
OBJECTS = {
    "a": {"name": "a"},
    "b": {"name": "b", "depends_on": ["mock_object.a"]},
    "c": {"name": "c", "depends_on": ["mock_object.b"]},
}


@pytest.fixture
def stuck(stack):
    """A stack of which `a` and `b` are made and not undone, since `b` cannot be deleted."""
    stack.write({"provider": {"mock": {"faults": FAULTS}}, "resource": {"mock_object": OBJECTS}})
    stack.apply(code=5)
    return stack


def text_of(done):
    return " ".join(done.err.split())  # messages are wrapped


def test_what_is_not_undone_is_named(stuck):
    told = text_of(stuck.iac("recover", code=5))
    assert "could not be undone: mock_object.a, mock_object.b." in told
    assert "could not be undone: mock_object.a, mock_object.b." in text_of(stuck.iac("plan"))


def test_who_asks_for_another_try_is_not_told_to_ask_for_it(stuck):
    done = stuck.iac("recover", "--retry", code=5)
    assert "in use" in done.err
    assert "An earlier run is not undone" not in done.err
    assert "in 2 steps" in done.out


def test_an_object_that_is_left_out_stays_with_what_it_needs(stuck):
    done = stuck.iac("recover", "--skip", "mock_object.b")
    assert "What is to be left as it is needs mock_object.a." in text_of(done)
    assert sorted(found["name"] for found in stuck.cloud().values()) == ["a", "b"]
    assert stuck.iac("state", "list").out == "mock_object.a\nmock_object.b\n"
    assert "nothing to recover" in stuck.iac("recover").out


def test_what_needs_an_object_that_is_left_out_is_undone(stack):
    objects = {**OBJECTS, "d": {"name": "d"}, "b": {"name": "b", "depends_on": ["mock_object.a", "mock_object.d"]}}
    faults = [FAULTS[0], {"type": "mock_object", "name": "d", "operation": "delete", "nth": 0, "error": "in use"}]
    stack.write({"provider": {"mock": {"faults": faults}}, "resource": {"mock_object": objects}})
    stack.apply(code=5)
    assert "left as it is needs" not in stack.iac("recover", "--skip", "mock_object.d").err
    assert [found["name"] for found in stack.cloud().values()] == ["d"]
    assert stack.iac("state", "list").out == "mock_object.d\n"


@pytest.mark.parametrize(
    ("address", "told"), [("mock_object.bb", "Did you mean mock_object.b?"), ("else.where", "iac state list")]
)
def test_what_is_not_there_cannot_be_left_out(address, told, stuck):
    before = stuck.state_path.read_bytes()
    done = stuck.iac("recover", "--skip", address, code=1)
    assert "Nothing to leave out" in done.err
    assert told in text_of(done)
    assert stuck.state_path.read_bytes() == before


def test_what_is_kept_needs_no_recovery(stuck):
    assert "is kept" in stuck.iac("recover", "--keep").out
    assert len(stuck.cloud()) == 2
    assert "nothing to recover" in stuck.iac("recover").out
    assert stuck.plan() == {"mock_object.c": ["create"]}
