"""An apply that fails is undone: afterwards the cloud holds what it held, and the state says just that."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from iacengine import engine
from iacengine.plan.events import RollbackFinished, RollbackStarted
from iacengine.plan.model import PlanMode
from iacengine_mock.provider import MockProvider


def cloud(watched):
    """Type and attributes of everything there is, by name."""
    with closing(sqlite3.connect(watched.folder / ".iac" / "mock-cloud.sqlite")) as connection:
        rows = connection.execute("SELECT type, attributes FROM objects").fetchall()
    found = [(type_, json.loads(attributes)) for type_, attributes in rows]
    assert len({attributes["name"] for _, attributes in found}) == len(found)
    return {attributes["name"]: (type_, attributes) for type_, attributes in found}


def mock(resources, *faults):
    return {"provider": {"mock": {"faults": list(faults)}}, "resource": resources}


def failing(operation, name, nth=0):
    return {"operation": operation, "name": name, "error": "no", "nth": nth}


def network(**more):
    return {"mock_network": {"n": {"name": "net", "cidr_block": "10.0.0.0/16", **more}}}


def server(name="s", **more):
    return {"name": name, "network_id": "${mock_network.n.id}", **more}


def settle(watched, resources):
    outcome = watched.apply(mock(resources))
    assert outcome.ok, outcome.diagnostics
    return cloud(watched)


def fail(watched, resources, *faults):
    outcome = watched.apply(mock(resources, *faults), on_failure="rollback")
    assert not outcome.ok
    return outcome


def assert_as_stored(watched):
    state = watched.backend.read()
    there = {attributes["id"]: name for name, (_, attributes) in cloud(watched).items()}
    assert {found.attributes["id"] for found in state.objects.values()} == set(there)
    assert not watched.backend.read_journal()


def assert_nothing_to_do(watched, resources):
    (watched.folder / "main.tf.json").write_text(json.dumps(mock(resources)))
    plan = engine.plan(engine.open_stack(str(watched.folder)), engine.PlanOptions(), engine.VariableSources())
    assert not plan.applyable, [str(change.address) for change in plan.changes if change.is_effect]


BEFORE = network() | {"mock_server": {"a": server("a"), "b": server("b"), "c": server("c", size="big")}}


@pytest.mark.parametrize("name", ["a", "b", "late"])
def test_creates_and_updates_are_undone_to_the_same_objects(name, watched):
    before = settle(watched, BEFORE)
    after = network(tags={"x": "y"}) | {
        "mock_server": {
            "a": server("a", size="huge"),
            "b": server("b", tags={"of": "${mock_server.a.id}"}),
            "late": server("late", tags={"of": "${mock_server.b.id}"}),
        }
    }
    outcome = fail(watched, after, failing("create" if name == "late" else "update", name, nth=1))
    assert outcome.is_rolled_back, outcome.rollback.diagnostics
    assert outcome.rollback.renamed == ()
    assert cloud(watched) == before
    assert watched.backend.read().pending_rollback is None
    assert_as_stored(watched)
    assert_nothing_to_do(watched, BEFORE)


def test_what_had_to_be_deleted_first_is_made_again_with_new_names_wherever_they_are_used(watched):
    old = network() | {"mock_server": {"s": server("s", image="old")}}
    before = settle(watched, old)
    after = network(cidr_block="10.9.0.0/16") | {"mock_server": {"s": server("s", image="new")}}
    outcome = fail(watched, after, failing("create", "s", nth=1))
    assert outcome.is_rolled_back, outcome.rollback.diagnostics
    assert sorted(map(str, outcome.rollback.renamed)) == ["mock_network.n", "mock_server.s"]
    now = cloud(watched)
    assert now["net"][1]["cidr_block"] == "10.0.0.0/16"
    assert now["net"][1]["id"] != before["net"][1]["id"]
    assert now["s"][1]["network_id"] == now["net"][1]["id"]
    assert now["s"][1]["image"] == "old"
    assert_as_stored(watched)
    assert_nothing_to_do(watched, old)


def test_create_before_destroy_is_undone_to_the_very_same_objects(watched):
    lifecycle = {"create_before_destroy": True}
    old = network(lifecycle=lifecycle) | {"mock_server": {"s": server("s", image="old", lifecycle=lifecycle)}}
    before = settle(watched, old)
    after = network(cidr_block="10.9.0.0/16", lifecycle=lifecycle) | {
        "mock_server": {"s": server("s2", image="new", lifecycle=lifecycle)},
        "mock_object": {"late": {"name": "late", "depends_on": ["mock_server.s"]}},
    }
    outcome = fail(watched, after, failing("create", "late"))
    assert outcome.is_rolled_back, outcome.rollback.diagnostics
    assert cloud(watched) == before
    assert_as_stored(watched)
    assert_nothing_to_do(watched, old)


def test_a_failure_in_the_commit_phase_undoes_nothing(watched):
    settle(watched, BEFORE)
    after = network() | {"mock_server": {"a": server("a", size="huge")}}
    outcome = fail(watched, after, failing("delete", "b"))
    assert outcome.rollback is None
    assert cloud(watched)["a"][1]["size"] == "huge"
    assert set(cloud(watched)) == {"net", "a", "b"}
    assert watched.backend.read().pending_rollback is None
    assert_as_stored(watched)


def test_a_half_made_object_goes_too(watched):
    outcome = fail(
        watched,
        {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}},
        failing("create", "b") | {"when": "after"},
    )
    assert outcome.is_rolled_back
    assert cloud(watched) == {}
    assert watched.backend.read().objects == {}


def test_moves_are_taken_back(watched):
    before = settle(watched, {"mock_object": {"a": {"name": "a"}}})
    moved = mock({"mock_object": {"b": {"name": "a"}, "c": {"name": "c"}}}, failing("create", "c"))
    moved["moved"] = [{"from": "mock_object.a", "to": "mock_object.b"}]
    outcome = watched.apply(moved, on_failure="rollback")
    assert outcome.is_rolled_back, outcome.rollback.diagnostics
    assert cloud(watched) == before
    assert [str(address) for address, _ in watched.backend.read().objects] == ["mock_object.a"]


def test_what_was_to_be_forgotten_is_remembered(watched):
    before = settle(watched, {"mock_object": {"a": {"name": "a"}}})
    forgetting = mock({"mock_object": {"c": {"name": "c"}}}, failing("create", "c"))
    forgetting["removed"] = [{"from": "mock_object.a", "lifecycle": {"destroy": False}}]
    outcome = watched.apply(forgetting, on_failure="rollback")
    assert outcome.is_rolled_back
    assert cloud(watched) == before
    assert_as_stored(watched)


def test_outputs_are_what_they_were(watched):
    stack = mock({"mock_object": {"a": {"name": "a"}}})
    assert watched.apply(stack | {"output": {"v": {"value": 1}}}).ok
    later = mock({"mock_object": {"a": {"name": "a"}, "c": {"name": "c"}}}, failing("create", "c"))
    assert watched.apply(
        later | {"output": {"v": {"value": 2}, "w": {"value": 3}}}, on_failure="rollback"
    ).is_rolled_back
    assert {name: output.value for name, output in watched.backend.read().outputs.items()} == {"v": 1}


def test_a_rollback_that_fails_is_paused_and_can_be_tried_again(watched):
    before = settle(watched, {"mock_object": {"a": {"name": "a"}}})
    after = {
        "mock_object": {"a": {"name": "a", "attributes": {"x": 1}}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}
    }
    outcome = fail(watched, after, failing("create", "b"), failing("update", "a", nth=2))
    assert not outcome.is_rolled_back
    assert outcome.needs_recovery
    assert watched.backend.read().pending_rollback.paused
    stack = engine.open_stack(str(watched.folder))
    (watched.folder / "main.tf.json").write_text(json.dumps(mock(after)))
    with engine.session(stack, "iac recover") as held:
        state = engine.recover(stack, engine.VariableSources(), held)
        assert state.pending_rollback is not None, "what has failed is not tried again unasked"
        state = engine.recover(stack, engine.VariableSources(), held, action="retry")
    assert state.pending_rollback is None
    assert cloud(watched) == before
    assert_as_stored(watched)


def test_one_object_can_be_left_out_of_a_rollback(watched):
    settle(watched, {"mock_object": {"a": {"name": "a"}, "b": {"name": "b"}}})
    after = {
        "mock_object": {
            "a": {"name": "a", "attributes": {"x": 1}},
            "b": {"name": "b", "attributes": {"x": 1}},
            "c": {"name": "c", "depends_on": ["mock_object.a", "mock_object.b"]},
        }
    }
    fail(watched, after, failing("create", "c"), failing("update", "a", nth=2))
    stack = engine.open_stack(str(watched.folder))
    with engine.session(stack, "iac recover") as held:
        state = engine.recover(stack, engine.VariableSources(), held, action="retry", skip=["mock_object.a"])
    assert state.pending_rollback is None
    assert cloud(watched)["a"][1]["attributes"] is not None
    assert cloud(watched)["b"][1]["attributes"] is None
    assert_as_stored(watched)


def test_what_is_there_can_be_kept(watched):
    after = {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}
    fail(watched, after, failing("create", "b"), failing("delete", "a"))
    stack = engine.open_stack(str(watched.folder))
    with engine.session(stack, "iac recover") as held:
        state = engine.recover(stack, engine.VariableSources(), held, action="keep")
    assert state.pending_rollback is None
    assert set(cloud(watched)) == {"a"}
    assert_as_stored(watched)


def test_an_apply_that_succeeds_settles_a_paused_rollback(watched):
    after = {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}
    fail(watched, after, failing("create", "b"), failing("delete", "a"))
    assert watched.apply(mock(after)).ok
    assert watched.backend.read().pending_rollback is None
    assert set(cloud(watched)) == {"a", "b"}


def test_events_tell_of_it(watched):
    events = []
    (watched.folder / "main.tf.json").write_text(
        json.dumps(
            mock(
                {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}},
                failing("create", "b"),
            )
        )
    )
    stack = engine.open_stack(str(watched.folder))
    plan = engine.plan(stack, engine.PlanOptions(), engine.VariableSources())
    assert plan.on_failure == "rollback"
    engine.apply(stack, plan, listener=events.append)
    (started,) = [event for event in events if isinstance(event, RollbackStarted)]
    (finished,) = [event for event in events if isinstance(event, RollbackFinished)]
    assert started.total == 1
    assert (finished.run, finished.left) == (started.run, ())


def test_the_way_back_to_an_earlier_version_is_a_plan_like_any_other(watched):
    first = settle(watched, BEFORE)
    serial = watched.backend.read().serial
    settle(watched, network() | {"mock_server": {"a": server("a", size="huge"), "new": server("new")}})
    stack = engine.open_stack(str(watched.folder))
    with engine.session(stack, "iac rollback") as held:
        plan = engine.plan_rollback(stack, serial, engine.PlanOptions(), engine.VariableSources(), held)
        assert plan.mode is PlanMode.ROLLBACK
        assert {str(change.address): change.action.value for change in plan.changes} == {
            "mock_server.a": "update",
            "mock_server.b": "create",
            "mock_server.c": "create",
            "mock_server.new": "delete",
        }
        assert engine.apply(stack, plan, held=held).ok
    now = cloud(watched)
    assert set(now) == set(first)
    assert now["a"] == first["a"]
    assert now["c"][1]["size"] == "big"
    assert_as_stored(watched)
    assert_nothing_to_do(watched, BEFORE)


def test_an_apply_takes_over_what_is_to_be_undone_and_leads_back_to_before_that_when_it_fails(watched):
    before = settle(watched, {"mock_object": {"a": {"name": "a"}}})
    changed = {"name": "a", "attributes": {"x": 1}}
    first = {"mock_object": {"a": changed, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}
    outcome = fail(watched, first, failing("create", "b"), failing("update", "a", nth=2))
    assert outcome.needs_recovery
    second = {"mock_object": {"a": {"name": "a"}, "c": {"name": "c", "depends_on": ["mock_object.a"]}}}
    outcome = fail(watched, second, failing("create", "c"))
    assert outcome.is_rolled_back, outcome.rollback.diagnostics
    assert cloud(watched) == before
    assert_as_stored(watched)


def test_an_apply_with_nothing_to_do_settles_what_was_to_be_undone(watched):
    after = {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}
    fail(watched, after, failing("create", "b"), failing("delete", "a"))
    assert watched.apply(mock({"mock_object": {"a": {"name": "a"}}})).ok
    assert watched.backend.read().pending_rollback is None


@pytest.mark.parametrize("options", [{"mode": PlanMode.REFRESH_ONLY}, {"targets": ["mock_object.a"]}])
def test_a_part_of_an_apply_settles_nothing(options, watched):
    after = {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}
    fail(watched, after, failing("create", "b"), failing("delete", "a"))
    (watched.folder / "main.tf.json").write_text(json.dumps(mock(after)))
    stack = engine.open_stack(str(watched.folder))
    plan = engine.plan(stack, engine.PlanOptions(**options), engine.VariableSources())
    assert engine.apply(stack, plan).ok
    assert watched.backend.read().pending_rollback is not None


# --- where reads lag behind, and answers get lost -------------------------------------------------------------------


def lagging(resources, *faults, reads=3, **settings):
    """A stack on a cloud whose reads do not see a change at first, and which does not wait until they do."""
    data = mock(resources, *faults)
    data["provider"]["mock"]["eventual_consistency"] = {"reads": reads, "wait": False}
    return data | ({"stack": settings} if settings else {})


TWO = {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}
ONE_TRY = {"retries": {"mock": {"attempts": 1}}}


def test_what_cannot_be_seen_yet_is_not_taken_for_deleted(watched):
    outcome = watched.apply(lagging(TWO, failing("create", "b"), failing("delete", "a")), on_failure="rollback")
    assert outcome.needs_recovery
    assert set(cloud(watched)) == {"a"}
    assert_as_stored(watched)


def test_what_can_still_be_seen_is_taken_for_deleted_when_it_is(watched):
    settle(watched, {"mock_object": {"a": {"name": "a"}, "b": {"name": "b"}}})
    fault = failing("delete", "a", nth=1) | {"when": "after"}
    assert watched.apply(lagging({"mock_object": {"b": {"name": "b"}}}, fault)).ok
    assert set(cloud(watched)) == {"b"}
    assert_as_stored(watched)


@pytest.mark.parametrize("reads", [0, 3])
@pytest.mark.parametrize("operation", ["update", "delete"])
def test_what_was_done_although_its_answer_was_lost_is_undone_too(operation, reads, watched):
    before = settle(watched, {"mock_object": {"a": {"name": "a", "kind": "k", "attributes": {"x": 1}}}})
    change = {"attributes": {"x": 2}} if operation == "update" else {"kind": "l"}
    after = {"mock_object": {"a": {"name": "a", "kind": "k", "attributes": {"x": 1}} | change}}
    lost = failing(operation, "a", nth=1) | {"when": "after", "retryable": True}
    outcome = watched.apply(
        lagging(after, lost, failing("create", "a", nth=1), reads=reads, **ONE_TRY), on_failure="rollback"
    )
    assert outcome.is_rolled_back, outcome.diagnostics
    (found,), (was,) = cloud(watched).values(), before.values()
    assert {**found[1], "id": ""} == {**was[1], "id": ""}
    assert_as_stored(watched)


@pytest.mark.parametrize("on_failure", ["rollback", "pause"])
def test_what_nobody_can_look_up_is_left_to_the_next_run(on_failure, watched):
    """The connection is lost with the answer to a create, and comes back later."""
    lost = failing("create", "b", nth=1) | {"when": "after", "retryable": True}
    gone = {"operation": "find", "error": "no connection", "nth": 0}
    outcome = watched.apply(mock(TWO, lost, gone) | {"stack": ONE_TRY}, on_failure=on_failure)
    assert [str(address) for address in outcome.unsettled] == ["mock_object.b"]
    assert outcome.needs_recovery
    assert watched.backend.runs()[0].outcome == "paused"
    (watched.folder / "main.tf.json").write_text(json.dumps(mock(TWO)))
    stack = engine.open_stack(str(watched.folder))
    with engine.session(stack, "iac recover") as held:
        engine.recover(stack, engine.VariableSources(), held)
    assert set(cloud(watched)) == (set() if on_failure == "rollback" else {"a", "b"})
    assert_as_stored(watched)


def test_what_a_provider_made_before_it_broke_down_is_left_to_the_next_run(watched, monkeypatch):
    apply = MockProvider.apply

    def breaking(provider, request):
        apply(provider, request)
        raise RuntimeError("out of order")

    monkeypatch.setattr(MockProvider, "apply", breaking)
    outcome = watched.apply(mock({"mock_object": {"a": {"name": "a"}}}, {"operation": "find", "error": "no", "nth": 0}))
    assert [str(address) for address in outcome.unsettled] == ["mock_object.a"]
    monkeypatch.setattr(MockProvider, "apply", apply)
    assert watched.apply(mock({"mock_object": {"a": {"name": "a"}}})).ok
    assert set(cloud(watched)) == {"a"}
    assert_as_stored(watched)


@pytest.mark.parametrize("operation", ["create", "update"])
def test_what_was_done_with_an_error_is_seen_by_the_next_plan(operation, watched):
    before, after = {"name": "a"}, {"name": "a", "attributes": {"x": 1}}
    if operation == "update":
        settle(watched, {"mock_object": {"a": before}})
    outcome = watched.apply(lagging({"mock_object": {"a": after}}, failing(operation, "a", nth=1) | {"when": "after"}))
    assert not outcome.ok
    plan = engine.plan(engine.open_stack(str(watched.folder)), engine.PlanOptions(), engine.VariableSources())
    assert [change.action.value for change in plan.changes] == ["replace" if operation == "create" else "no-op"]


def test_a_search_that_fails_once_is_made_again_for_what_was_deleted_with_an_error(watched):
    settle(watched, {"mock_object": {"a": {"name": "a"}}})
    fault = failing("delete", "a", nth=1) | {"when": "after"}
    assert watched.apply(lagging({}, fault, {"operation": "find", "error": "no", "nth": 1})).ok
    assert_as_stored(watched)


def test_a_read_that_fails_ends_no_waiting_for_what_was_made(watched):
    lost = failing("create", "a", nth=1) | {"when": "after", "retryable": True}
    outcome = watched.apply(lagging({"mock_object": {"a": {"name": "a"}}}, lost, failing("read", "a", nth=1)))
    assert outcome.ok, outcome.diagnostics
    plan = engine.plan(engine.open_stack(str(watched.folder)), engine.PlanOptions(), engine.VariableSources())
    assert not plan.applyable


@pytest.mark.timeout(30)
def test_looking_into_a_deletion_that_failed_waits_for_no_room(watched):
    settle(watched, {"mock_object": {"a": {"name": "a"}}})
    outcome = watched.apply(mock({}, failing("delete", "a")), parallelism=1)
    assert [str(address) for address in outcome.failed] == ["mock_object.a"]
