"""Replay: which entries count, what they make of the state, and what is still in flight."""

from __future__ import annotations

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.journal_entries import Begun, Changed, Closed, Failed, Opened, Operation, Succeeded
from iacengine.state.model import CheckResult, OutputState
from iacengine.state.replay import replay


def opened(serial=1, lineage="lineage-1", run="run"):
    return Opened(run, lineage, serial, 1, "iac apply", "2026-01-01T00:00:00Z")


def begun(object_, step=0, operation=Operation.CREATE):
    return Begun(step, operation, object_.address, object_.deposed, f"token-{step}", object_.provider)


def refusal(state, entries):
    with pytest.raises(DiagnosticsError) as caught:
        replay(state, entries)
    (found,) = caught.value.diagnostics
    assert found.remedy
    return found


def test_no_entries_leave_the_state_as_it_is(new_state):
    state = new_state()
    assert replay(state, []).state is state
    assert replay(None, []).state is None


def test_what_succeeded_is_in_the_state(new_state, history):
    result = replay(new_state(), history(3))
    assert [str(address) for address, _ in result.state.objects] == ["aws_vpc.v[0]", "aws_vpc.v[1]", "aws_vpc.v[2]"]
    assert result.in_flight == ()
    assert result.problems == ()


def test_the_state_below_is_not_changed(new_state, history):
    state = new_state()
    replay(state, history(3))
    assert state.objects == {}


def test_serial_and_lineage_stay_those_of_the_state_below(new_state, history):
    state = replay(new_state(serial=5), history(1, serial=5)).state
    assert (state.lineage, state.serial) == ("lineage-1", 5)


def test_the_first_run_of_all_starts_a_state(history):
    state = replay(None, history(2, serial=0, lineage="fresh")).state
    assert (state.lineage, state.serial, len(state.objects)) == ("fresh", 0, 2)


def test_an_operation_without_an_end_is_in_flight(new_state, new_object):
    one, other = new_object("a.b"), new_object("a.c")
    result = replay(new_state(), [opened(), begun(one, 0), begun(other, 1), Succeeded(0, {one.key: one})])
    assert [operation.step for operation in result.in_flight] == [1]
    assert list(result.state.objects) == [one.key]


def test_a_failed_operation_has_ended_and_leaves_what_is_there(new_state, new_object):
    half = new_object("a.b", tainted=True)
    result = replay(new_state(), [opened(), begun(half), Failed(0, "no", {half.key: half})])
    assert result.in_flight == ()
    assert result.state.current(half.address).tainted


def test_changes_without_an_operation_move_objects_and_replace_outputs_and_checks(new_state, new_object):
    old = new_object("a.b")
    new = old.moved_to(new_object("a.c").address)
    outputs, checks = {"o": OutputState(1, "number")}, (CheckResult("check", "c", "pass", "c"),)
    entries = [opened(), Changed({old.key: None, new.key: new}, outputs, checks), Changed()]
    state = replay(new_state(old, outputs={"gone": OutputState(0, "number")}), entries).state
    assert list(state.objects) == [new.key]
    assert state.outputs == outputs
    assert state.checks == checks


def test_an_outcome_is_that_of_its_run(new_state):
    result = replay(new_state(), [opened(run="a"), opened(run="b"), Closed("interrupted"), opened(run="c")])
    assert [(run.opened.run, run.outcome) for run in result.runs] == [("a", None), ("b", "interrupted"), ("c", None)]


def test_a_run_whose_result_is_in_the_state_already_is_skipped(new_state, new_object, history):
    state = new_state(new_object("a.b"), serial=2)
    result = replay(state, [*history(3, serial=1), begun(new_object("a.c"), 9)])
    assert result.state is state
    assert result.in_flight == ()
    assert result.runs == ()
    assert result.problems == ()


def test_a_run_after_a_skipped_one_counts(new_state, new_object, history):
    one = new_object("a.b")
    result = replay(new_state(serial=2), [*history(3, serial=1), opened(2), Changed({one.key: one})])
    assert list(result.state.objects) == [one.key]


def test_a_run_over_another_lineage_is_skipped_with_a_warning(new_state, history):
    result = replay(new_state(), history(3, lineage="lineage-2"))
    assert result.state.objects == {}
    (problem,) = result.problems
    assert not problem.is_error
    assert "lineage-2" in problem.detail


def test_a_run_over_a_newer_serial_is_an_error(new_state, history):
    found = refusal(new_state(serial=3), history(1, serial=4))
    assert "serial 4" in found.detail
    assert "serial 3" in found.detail


def test_a_run_over_a_state_that_is_gone_is_an_error(history):
    assert "there is no state" in refusal(None, history(1, serial=4)).detail


def test_entries_that_belong_to_no_run_are_an_error(new_state):
    assert refusal(new_state(), [Closed("complete")]).summary == "Journal without a run"


def test_steps_of_different_runs_are_different_operations(new_state, new_object):
    one, other = new_object("a.b"), new_object("a.c")
    entries = [opened(run="a"), begun(one, 0), opened(run="b"), begun(other, 0), Succeeded(0, {other.key: other})]
    assert [operation.address for operation in replay(new_state(), entries).in_flight] == [one.address]


@pytest.mark.parametrize("adopted", [True, False])
def test_a_later_run_settles_an_operation_by_changing_its_object(adopted, new_state, new_object):
    one = new_object("a.b")
    entries = [opened(run="a"), begun(one), opened(run="b"), Changed({one.key: one if adopted else None})]
    result = replay(new_state(), entries)
    assert result.in_flight == ()
    assert (one.key in result.state.objects) is adopted


def test_a_later_run_settles_an_operation_by_beginning_another_on_its_object(new_state, new_object):
    one = new_object("a.b")
    entries = [opened(run="a"), begun(one, 3), opened(run="b"), begun(one, 7, Operation.DELETE)]
    assert [operation.step for operation in replay(new_state(), entries).in_flight] == [7]


def test_changes_in_the_same_run_settle_nothing(new_state, new_object):
    one = new_object("a.b")
    entries = [opened(), begun(one, 3), Changed({one.key: one})]
    assert [operation.step for operation in replay(new_state(), entries).in_flight] == [3]


def test_a_deposed_object_is_another_than_the_current_one(new_state, new_object):
    current, deposed = new_object("a.b"), new_object("a.b", deposed="00c0ffee")
    entries = [opened(run="a"), begun(deposed, 0), opened(run="b"), Changed({current.key: current})]
    assert len(replay(new_state(), entries).in_flight) == 1
