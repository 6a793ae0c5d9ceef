"""What a plan holds: actions with their reasons, moves, drift, outputs, and what targets leave of it."""

from __future__ import annotations

import pytest

from iacengine.addresses import parse_resource_instance
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.values import Unknown, is_unknown
from iacengine.plan.model import Action, PlanMode, Reason


def data(**blocks):
    return {"resource": {"terraform_data": blocks}}


def reason(plan, name):
    (change,) = (change for change in plan.changes if str(change.address) == f"terraform_data.{name}")
    return change.reason


def test_a_plan_changes_nothing(planner):
    plan = planner.plan(data(a={}))
    assert planner.actions(plan) == {"terraform_data.a": Action.CREATE}
    assert not (planner.folder / "iac.state.json").exists()


def test_planning_is_repeatable(planner):
    blocks = {f"n{number}": {"input": number} for number in range(20)}
    first, second = planner.plan(data(**blocks)), planner.plan(data(**blocks))
    assert [str(change.address) for change in first.changes] == [str(change.address) for change in second.changes]
    assert [step.awaits for step in first.steps] == [step.awaits for step in second.steps]


def test_what_only_apply_will_tell_is_unknown_in_the_plan(planner):
    plan = planner.plan(data(a={"input": 1}, b={"input": "${terraform_data.a.id}"}))
    (change,) = (change for change in plan.changes if change.address.resource.name == "b")
    assert is_unknown(change.after["input"])
    assert change.body_unknown
    assert change.dependencies == ("terraform_data.a",)


def test_an_update_that_changes_nothing_after_all_is_not_carried_out(planner):
    """b refers to a's output, which is unknown while a is updated, and turns out as before."""
    blocks = {"a": {"input": {"n": 1, "k": "same"}}, "b": {"input": "${terraform_data.a.output.k}"}}
    planner.apply(data(**blocks))
    blocks["a"]["input"]["n"] = 2
    plan = planner.plan(data(**blocks))
    assert planner.actions(plan) == {"terraform_data.a": Action.UPDATE, "terraform_data.b": Action.UPDATE}
    state = planner.apply(plan)
    assert state.current(parse_resource_instance("terraform_data.b")).attributes["input"]["value"] == "same"
    assert planner.actions(planner.plan()) == {}


REPLACEMENTS = {
    "a trigger": ({"triggers_replace": 1}, {"triggers_replace": 2}, Reason.REPLACE_BECAUSE_CANNOT_UPDATE, {}),
    "a request": ({}, {}, Reason.REPLACE_BY_REQUEST, {"replace": ("terraform_data.a",)}),
}


@pytest.mark.parametrize("why", REPLACEMENTS)
@pytest.mark.parametrize("late", [False, True])
def test_a_replacement_says_why(why, late, planner):
    before, after, expected, options = REPLACEMENTS[why]
    life = {"lifecycle": {"create_before_destroy": late}}
    old = planner.apply(data(a=before | life))
    plan = planner.plan(data(a=after | life), **options)
    assert planner.actions(plan) == {"terraform_data.a": Action.CREATE_THEN_DELETE if late else Action.REPLACE}
    assert reason(plan, "a") is expected
    new = planner.apply(plan)
    address = parse_resource_instance("terraform_data.a")
    assert new.current(address).attributes["id"] != old.current(address).attributes["id"]
    assert len(new.objects) == 1


@pytest.mark.parametrize(
    ("before", "after", "gone", "expected"),
    [
        ({"a": {}}, {}, "a", Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG),
        ({"a": {"count": 2}}, {"a": {"count": 1}}, "a[1]", Reason.DELETE_BECAUSE_COUNT_INDEX),
        (
            {"a": {"for_each": {"x": 1, "y": 1}}},
            {"a": {"for_each": {"x": 1}}},
            'a["y"]',
            Reason.DELETE_BECAUSE_EACH_KEY,
        ),
        ({"a": {"for_each": {"x": 1}}}, {"a": {}}, 'a["x"]', Reason.DELETE_BECAUSE_WRONG_REPETITION),
    ],
)
def test_a_deletion_says_why(before, after, gone, expected, planner):
    planner.apply(data(**before))
    plan = planner.plan(data(**after) if after else {"locals": {"none": 1}})
    assert reason(plan, gone) is expected


MOVES = {
    "to another name": ({"a": {}}, {"b": {}}, ["a", "b"], "a", "b"),
    "into a count": ({"a": {}}, {"a": {"count": 1}}, None, "a", "a[0]"),
    "out of a count": ({"a": {"count": 1}}, {"a": {}}, None, "a[0]", "a"),
    "to a key": ({"a": {}}, {"a": {"for_each": {"k": 1}}}, ["a", 'a["k"]'], "a", 'a["k"]'),
}


@pytest.mark.parametrize("move", MOVES)
def test_an_object_moves_without_being_touched(move, planner):
    before, after, statement, source, destination = MOVES[move]
    old = planner.apply(data(**before)).current(parse_resource_instance(f"terraform_data.{source}"))
    moved = (
        [dict(zip(("from", "to"), (f"terraform_data.{name}" for name in statement), strict=True))] if statement else []
    )
    plan = planner.plan(data(**after) | ({"moved": moved} if moved else {}))
    assert planner.actions(plan) == {}
    assert plan.applyable
    (change,) = plan.changes
    assert str(change.previous_address) == f"terraform_data.{source}"
    new = planner.apply(plan).current(parse_resource_instance(f"terraform_data.{destination}"))
    assert new.attributes["id"] == old.attributes["id"]
    assert planner.plan().applyable is False


def test_chains_of_moves_are_followed_to_the_end(planner):
    planner.apply(data(a={}))
    moved = [{"from": f"terraform_data.{one}", "to": f"terraform_data.{two}"} for one, two in ("bc", "ab", "cd")]
    plan = planner.plan(data(d={}) | {"moved": moved})
    assert planner.actions(plan) == {}
    assert str(plan.changes[0].previous_address) == "terraform_data.a"


def test_moves_in_a_circle_are_refused(planner):
    moved = [{"from": f"terraform_data.{one}", "to": f"terraform_data.{two}"} for one, two in ("ab", "ba")]
    with pytest.raises(DiagnosticsError, match=r"[Mm]ove"):
        planner.plan({"moved": moved, "locals": {"x": 1}})


OUTPUT = {"output": {"o": {"value": "${terraform_data.a.output}"}}}


def test_outputs_appear_change_and_go(planner):
    plan = planner.plan(data(a={"input": 1}) | OUTPUT)
    assert plan.outputs["o"].action is Action.CREATE
    assert planner.apply(plan).outputs["o"].value == 1
    plan = planner.plan(data(a={"input": 2}) | OUTPUT)
    assert plan.outputs["o"].action is Action.UPDATE
    assert (plan.outputs["o"].before, plan.outputs["o"].after.__class__) == (1, Unknown)
    assert planner.apply(plan).outputs["o"].value == 2
    plan = planner.plan(data(a={"input": 2}))
    assert plan.outputs["o"].action is Action.DELETE
    assert plan.applyable
    assert planner.apply(plan).outputs == {}


def test_an_output_alone_is_worth_an_apply(planner):
    plan = planner.plan({"output": {"o": {"value": 1}}})
    assert plan.applyable
    assert planner.apply(plan).outputs["o"].value == 1
    assert not planner.plan().applyable


CHAIN = data(
    a={"input": "x"}, b={"input": "${terraform_data.a.id}"}, c={"input": "${terraform_data.b.id}"}, lone={"input": 1}
)


@pytest.mark.parametrize(
    ("options", "planned"),
    [
        ({"targets": ["terraform_data.b"]}, "ab"),
        ({"targets": ["terraform_data.a"]}, "a"),
        ({"targets": ["terraform_data.lone", "terraform_data.a"]}, ["a", "lone"]),
        ({"excludes": ["terraform_data.b"]}, ["a", "lone"]),
        ({"excludes": ["terraform_data.lone"]}, "abc"),
        ({"targets": ["terraform_data.c"], "excludes": ["terraform_data.lone"]}, "abc"),
    ],
)
def test_targets_take_what_they_need_and_exclusions_what_needs_them(options, planned, planner):
    assert set(planner.actions(planner.plan(CHAIN, **options))) == {f"terraform_data.{name}" for name in planned}


@pytest.mark.parametrize(("target", "planned"), [("b", "bc"), ("a", "abc"), ("c", "c"), ("lone", ["lone"])])
def test_a_targeted_destroy_takes_what_depends_on_it(target, planned, planner):
    planner.apply(CHAIN)
    plan = planner.plan(mode=PlanMode.DESTROY, targets=[f"terraform_data.{target}"])
    assert planner.actions(plan) == {f"terraform_data.{name}": Action.DELETE for name in planned}


def test_targets_name_single_instances(planner):
    counted = data(a={"count": 3})
    plan = planner.plan(counted, targets=["terraform_data.a[1]"])
    assert set(planner.actions(plan)) == {"terraform_data.a[1]"}
    plan = planner.plan(counted, excludes=["terraform_data.a[1]"])
    assert set(planner.actions(plan)) == {"terraform_data.a[0]", "terraform_data.a[2]"}


def test_a_plan_of_thousands_has_steps_and_edges_in_proportion(planner):
    blocks = {"hub": {"input": 1}, "n": {"count": 2000, "input": "${terraform_data.hub.id}"}}
    blocks["after"] = {"count": 2000, "input": "${terraform_data.n[count.index].id}"}
    plan = planner.plan(data(**blocks))
    assert sum(step.operation is not None for step in plan.steps) == 4001
    assert sum(len(step.awaits) for step in plan.steps) < 3 * 4001
