"""Where a failed apply is undone, what is wanted no more is deleted last of all."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iacengine.plan.model import Action
from iacengine.state.journal_entries import Operation


def commits(ordered):
    return {str(ordered.changes[step.change].address).partition(".")[2] for step in ordered.steps if step.commits}


def test_what_is_wanted_no_more_goes_after_everything_else(order):
    ordered = order(
        {"new": []},
        {"new": Action.CREATE, "old": Action.DELETE, "older": Action.DELETE},
        stored={"old": ["older"], "older": []},
        commit_last=True,
    )
    assert commits(ordered) == {"old", "older"}
    create, old, older = (
        ordered.number("create", "new"),
        ordered.number("delete", "old"),
        ordered.number("delete", "older"),
    )
    assert ordered.before(create, old)
    assert ordered.before(create, older)
    assert ordered.before(old, older)


def test_without_rolling_back_the_order_is_terraforms(order):
    ordered = order({"new": []}, {"new": Action.CREATE, "old": Action.DELETE}, stored={"old": []})
    assert commits(ordered) == set()
    assert not ordered.before(ordered.number("create", "new"), ordered.number("delete", "old"))


def test_an_update_does_not_wait_for_the_deletion_of_what_needed_it(order):
    ordered = order(
        {"base": []},
        {"base": Action.UPDATE, "user": Action.DELETE},
        stored={"user": ["base"], "base": []},
        commit_last=True,
    )
    assert ordered.before(ordered.number("update", "base"), ordered.number("delete", "user"))


def test_a_deletion_that_a_replacement_waits_for_stays_before_it(order):
    ordered = order(
        {"base": []},
        {"base": Action.REPLACE, "user": Action.DELETE, "other": Action.DELETE},
        stored={"user": ["base"], "base": [], "other": []},
        commit_last=True,
    )
    assert commits(ordered) == {"other"}
    assert ordered.before(ordered.number("delete", "user"), ordered.number("delete", "base"))
    assert ordered.before(ordered.number("delete", "base"), ordered.number("create", "base"))
    assert ordered.before(ordered.number("create", "base"), ordered.number("delete", "other"))


def test_the_old_half_of_create_before_destroy_goes_last(order):
    ordered = order(
        {"a": [], "b": []}, {"a": Action.CREATE_THEN_DELETE, "b": Action.CREATE}, late=["a"], commit_last=True
    )
    assert commits(ordered) == {"a"}
    assert ordered.before(ordered.number("create", "b"), ordered.number("delete", "a"))


def test_what_is_only_forgotten_is_forgotten_last(order):
    ordered = order({"new": []}, {"new": Action.CREATE, "old": Action.FORGET}, stored={"old": []}, commit_last=True)
    assert ordered.before(ordered.number("create", "new"), ordered.number("forget", "old"))


names = [f"r{number}" for number in range(6)]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_changes_the_phases_have_no_cycle_and_nothing_waits_for_what_is_final(order, data):
    actions = {name: data.draw(st.sampled_from(list(Action))) for name in names if data.draw(st.booleans())}
    earlier = {name: names[:number] for number, name in enumerate(names)}
    gone = (Action.DELETE, Action.FORGET)
    wanted = {
        name: [needed for needed in earlier[name] if actions.get(needed) not in gone and data.draw(st.booleans())]
        for name in names
        if actions.get(name) not in gone
    }
    stored = {name: [needed for needed in earlier[name] if data.draw(st.booleans())] for name in names}
    late = [name for name, action in actions.items() if action is Action.CREATE_THEN_DELETE]
    ordered = order(wanted, actions, stored=stored, late=late, commit_last=True)
    bits = ordered.awaited()  # fails on a cycle
    final = sum(1 << number for number, step in enumerate(ordered.steps) if step.commits)
    for number, step in enumerate(ordered.steps):
        if step.operation in (Operation.CREATE, Operation.UPDATE, Operation.READ):
            assert not step.commits
            assert not bits[number] & final
