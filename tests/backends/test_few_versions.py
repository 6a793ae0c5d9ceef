"""Undoing needs no earlier versions of the state: it works where few are kept, and where none are."""

from __future__ import annotations

import pytest

from iacengine.testing.services.state_server import StateServer

FAULTS = [
    {"type": "mock_object", "name": "c", "operation": "create", "nth": 0, "error": "no room"},
    {"type": "mock_object", "name": "b", "operation": "delete", "nth": 0, "error": "in use"},
]


def resources(size, *more):
    """An object of a size, and others that are made after it, one after the other."""
    made = {"a": {"name": "a", "attributes": {"size": size}}}
    for before, name in zip(("a", *more), more, strict=False):
        made[name] = {"name": name, "depends_on": [f"mock_object.{before}"]}
    return {"mock_object": made}


@pytest.fixture
def plain_server(tmp_path):
    """A server that speaks Terraform's protocol alone."""
    pytest.importorskip("httpx2", reason="the extra http is not installed")
    server = StateServer(tmp_path / "server")
    server.plain = True
    yield server
    server.stop()


@pytest.fixture(params=["none", "one", "on a plain server"])
def stack_of_few_versions(request, shared_stack):
    if request.param != "on a plain server":
        return shared_stack("local", operators=1, versions=int(request.param == "one"))
    server = request.getfixturevalue("plain_server")
    return shared_stack("http", operators=1, address=f"{server.url}/stack")


def test_a_failed_apply_is_undone_however_few_versions_are_kept(stack_of_few_versions):
    shared = stack_of_few_versions
    (stack,) = shared.folders
    shared.write(resources("small"))
    stack.apply()
    before = shared.cloud()
    shared.write(resources("large", "b", "c"), faults=FAULTS[:1])
    stack.apply(code=4)
    assert shared.cloud() == before
    shared.assert_settled()


def test_what_could_not_be_undone_is_undone_later_after_any_number_of_tries(stack_of_few_versions):
    shared = stack_of_few_versions
    (stack,) = shared.folders
    shared.write(resources("small"))
    stack.apply()
    before = shared.cloud()
    shared.write(resources("large", "b", "c"), faults=FAULTS)
    stack.apply(code=5)
    for _ in range(3):
        assert "in use" in stack.iac("recover", "--retry", code=5).err
    shared.write(resources("large", "b", "c"))
    assert "is undone" in stack.iac("recover", "--retry").out
    assert shared.cloud() == before
    shared.assert_settled()


def test_an_apply_that_takes_over_and_fails_leads_back_to_where_the_first_run_began(stack_of_few_versions):
    shared = stack_of_few_versions
    (stack,) = shared.folders
    shared.write(resources("small", "kept"))
    stack.apply()
    before = shared.cloud()
    shared.write(resources("large", "kept", "b", "c"), faults=FAULTS)
    stack.apply(code=5)
    assert len(shared.cloud()) == 3
    shared.write(resources("huge", "kept", "b", "d", "c"), faults=FAULTS[:1])
    stack.apply(code=4)
    assert shared.cloud() == before
    shared.assert_settled()
