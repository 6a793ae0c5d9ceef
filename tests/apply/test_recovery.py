"""What recovery does with each operation that a killed run left, and that it gives nothing up when it cannot tell."""

from __future__ import annotations

import pytest

from iacengine import engine
from iacengine.apply import presence
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.plan.events import Recovered, Warned
from iacengine.provider.base import ProviderBase
from iacengine.state.backends.local import LocalBackend
from iacengine_mock.provider import MockProvider


def stack_file(body=None, crash=None, **settings):
    data = {"provider": {"mock": settings | ({"faults": [crash]} if crash else {})}}
    return data | ({"resource": {"mock_object": {"o": body}}} if body else {})


@pytest.fixture
def crashed(stack):
    """crashed(before, after, operation, when): a stack whose last run was killed at that operation."""

    def make(before, after, operation, when, **settings):
        if before:
            stack.write(stack_file(before))
            stack.apply()
        stack.write(stack_file(after, {"operation": operation, "crash": when}, **settings))
        stack.apply(code=-9)
        return stack

    return make


def recover(stack):
    """Plan in this process; what recovery said."""
    events = []
    engine.plan(engine.open_stack(str(stack.folder)), engine.PlanOptions(), engine.VariableSources(), events.append)
    return [event for event in events if isinstance(event, Recovered)]


ONE = {"name": "one"}
CASES = [
    (None, ONE, "create", "before", "never made", 0),
    (None, ONE, "create", "after", "adopted", 1),
    (ONE, {"name": "two"}, "update", "before", "read again", 1),
    (ONE, {"name": "two"}, "update", "after", "read again", 1),
    (ONE, None, "delete", "before", "read again", 1),
    (ONE, None, "delete", "after", "gone", 0),
]


@pytest.mark.parametrize(("before", "after", "operation", "when", "told", "left"), CASES)
def test_each_operation_in_flight_is_settled_by_looking(before, after, operation, when, told, left, crashed):
    stack = crashed(before, after, operation, when)
    (event,) = recover(stack)
    assert (event.operation.value, str(event.address)) == (operation, "mock_object.o")
    assert told in event.outcome
    state = LocalBackend(stack.state_path).read()
    assert len(state.objects) == len(stack.cloud()) == left
    assert {found.attributes["id"] for found in state.objects.values()} == set(stack.cloud())
    if operation == "update":
        (found,) = state.objects.values()
        assert found.attributes["name"] == ("one" if when == "before" else "two")
    assert not stack.journal_path.exists()
    assert recover(stack) == []


def assert_given_up(stack, words):
    """Recovery stops, and what it knows stays for the next try."""
    journal = stack.journal_path.read_bytes()
    state = stack.state_path.read_bytes() if stack.state_path.exists() else None
    with pytest.raises(DiagnosticsError, match=words):
        recover(stack)
    assert stack.journal_path.read_bytes() == journal
    assert (stack.state_path.read_bytes() if stack.state_path.exists() else None) == state


def test_a_cloud_that_cannot_be_asked_stops_recovery(crashed, assert_journal_settles):
    stack = crashed(None, ONE, "create", "after")
    cloud = stack.folder / ".iac" / "mock-cloud.sqlite"
    aside = cloud.rename(cloud.with_suffix(".aside"))
    for other in cloud.parent.glob("mock-cloud.sqlite-*"):
        other.rename(str(other).replace(".sqlite-", ".aside-"))
    cloud.mkdir()
    assert_given_up(stack, "not reachable")
    cloud.rmdir()
    aside.rename(cloud)
    for other in cloud.parent.glob("mock-cloud.aside-*"):
        other.rename(str(other).replace(".aside-", ".sqlite-"))
    assert_journal_settles(stack)


def test_an_object_that_is_never_seen_stops_recovery(crashed, assert_journal_settles, monkeypatch):
    stack = crashed(None, ONE, "create", "after", eventual_consistency={"reads": 4})
    monkeypatch.setattr(presence, "_PAUSES", (0.0,))
    assert_given_up(stack, "not visible yet")
    monkeypatch.undo()
    assert_journal_settles(stack)


def test_a_type_that_is_gone_stops_recovery(crashed, assert_journal_settles, monkeypatch):
    stack = crashed(None, ONE, "create", "after")
    schema = MockProvider.schema

    def without_objects(provider):
        offered = schema(provider)
        resources = {name: found for name, found in offered.resources.items() if name != "mock_object"}
        return type(offered)(offered.provider, resources, offered.data_sources)

    stack.write(stack_file())
    monkeypatch.setattr(MockProvider, "schema", without_objects)
    assert_given_up(stack, "resource type")
    monkeypatch.undo()
    stack.write(stack_file(ONE))
    assert_journal_settles(stack)


def test_a_create_that_nobody_can_look_for_is_told_to_the_user(crashed, monkeypatch):
    stack = crashed(None, ONE, "create", "after")
    monkeypatch.setattr(MockProvider, "find", ProviderBase.find)
    events = []
    engine.plan(engine.open_stack(str(stack.folder)), engine.PlanOptions(), engine.VariableSources(), events.append)
    (event,) = [event for event in events if isinstance(event, Recovered)]
    assert event.outcome == "nobody can tell whether it was made"
    warned, still = [event.diagnostic for event in events if isinstance(event, Warned)]
    assert still.summary == "An earlier run is not undone"
    assert (warned.summary, warned.address) == ("Cannot tell whether it was made", "mock_object.o")
    assert "import it" in warned.remedy


@pytest.fixture
def assert_journal_settles():
    """assert_journal_settles(stack): one more run takes up everything."""

    def check(stack):
        assert len(recover(stack)) == 1
        state = LocalBackend(stack.state_path).read()
        assert {found.attributes["id"] for found in state.objects.values()} == set(stack.cloud())
        assert len(state.objects) == 1
        assert not stack.journal_path.exists()

    return check
