"""Steps that fail, each in turn: the cloud is as before. And rollbacks that fail, or are killed, themselves."""

from __future__ import annotations

import signal

import pytest

KILLED = -signal.SIGKILL
ROLLED_BACK, RECOVERY_NEEDED = 4, 5
OPERATIONS = ("create", "update", "delete")


def fault(operation, nth, **what):
    return {"operation": operation, "nth": nth, **what}


def failing_run(trial, start, *faults, **how):
    trial.faults = list(faults)
    trial.write(start.change.after)
    return trial.apply(code=None, **{"parallelism": 1, **how})


def try_every_failure(new_trial, start, operation, when):
    """How many runs failed and were undone."""
    undone = 0
    for nth in range(1, 1000):
        trial = new_trial(start)
        done = failing_run(trial, start, fault(operation, nth, error="no", when=when))
        trial.assert_settled()
        if done.code == 0 and "Deleted all the same" in done.err:  # that is no failure
            trial.assert_nothing_to_do()
            undone += 1
        elif done.code == 0:
            return undone
        elif done.code == ROLLED_BACK:
            undone += 1
            trial.assert_as_before(start.cloud, {})
            trial.faults = []
            trial.write(start.change.before)
            trial.assert_nothing_to_do()
        else:  # the commit phase: what is left to delete is deleted by the next run
            assert done.code == 1, done
            assert operation == "delete"
            trial.apply()
            trial.assert_nothing_to_do()
        trial.remove()
    raise AssertionError("it failed without end")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_whichever_step_fails_all_is_undone(operation, when, beginning, new_trial):
    assert try_every_failure(new_trial, beginning("everything"), operation, when) >= 2


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("change", ["create", "everything"])
def test_whichever_of_many_steps_fails_all_is_undone(change, operation, when, beginning, new_trial):
    undone = try_every_failure(new_trial, beginning(change, large=True), operation, when)
    assert undone > 2 or (change == "create" and operation != "create")


def test_what_nobody_can_look_up_is_told_and_found_out_later(beginning, new_trial):
    start = beginning("create")
    trial = new_trial(start)
    lost = fault("create", 3, error="no connection", when="after", retryable=True)
    done = failing_run(trial, start, lost, fault("find", 0, error="no connection"))
    assert done.code == RECOVERY_NEEDED, done
    assert "could not be found out" in done.err
    assert trial.cloud()
    trial.faults = []
    trial.write(start.change.after)
    trial.recover()
    trial.assert_settled()
    assert trial.cloud() == {}


@pytest.fixture
def stuck(beginning, new_trial):
    """A run that failed at its last step, and whose rollback failed at one of the objects it had made."""
    start = beginning("create")
    trial = new_trial(start)
    last = fault("create", 1, name="last", error="no")
    done = failing_run(trial, start, last, fault("delete", 1, name="app 1", error="not now"))
    assert done.code == RECOVERY_NEEDED, done
    assert "mock_server.app[1]" in done.err
    trial.faults = []
    trial.write(start.change.after)
    # The network is needed by what could not be deleted.
    assert {attributes["name"] for attributes in trial.cloud().values()} == {"app 1", "net"}
    return trial


def test_a_rollback_that_failed_is_tried_again_when_asked(stuck):
    done = stuck.recover(code=RECOVERY_NEEDED)
    assert "--retry" in done.err
    stuck.recover("--retry")
    stuck.assert_settled()
    assert stuck.cloud() == {}


def test_a_rollback_that_failed_leaves_out_what_it_is_told(stuck):
    stuck.recover("--skip", "mock_server.app[1]", "--skip", "mock_network.n")
    stuck.assert_settled()
    assert len(stuck.cloud()) == 2


def test_a_rollback_that_failed_ends_where_all_is_kept(stuck):
    stuck.recover("--keep")
    stuck.assert_settled()
    assert len(stuck.cloud()) == 2
    stuck.apply()
    stuck.assert_settled()
    assert len(stuck.cloud()) == 9


def test_an_apply_takes_over_from_a_rollback_that_failed(stuck):
    stuck.apply()
    stuck.assert_settled()
    stuck.assert_nothing_to_do()
    assert len(stuck.cloud()) == 9


def test_an_apply_that_took_over_and_moved_what_was_left_is_undone_with_it(stuck):
    network = stuck.resources["mock_network"]["n"]
    stuck.faults = [fault("create", 0, error="no")]
    stuck.stack.write({"moved": [{"from": "mock_network.n", "to": "mock_network.moved"}]}, "moved.tf.json")
    stuck.write({"mock_network": {"moved": network}, "mock_object": {"more": {"name": "more"}}})
    done = stuck.apply(code=ROLLED_BACK)
    assert "mock_object.more" in done.err
    stuck.assert_settled()
    assert stuck.cloud() == {}


def try_killing_the_rollback(new_trial, start, kind, *faults, stride=1, first=1, parallelism=3):
    """Kill it at every instant of a run that fails and is undone; then recover. How often."""
    for killed, number in enumerate(range(first, 10_000, stride)):
        trial = new_trial(start, kind)
        done = failing_run(trial, start, *faults, kill_at=number, parallelism=parallelism)
        if done.code != KILLED:
            assert done.code == ROLLED_BACK, done
            return killed
        meanwhile = trial.cloud()
        trial.recover()
        trial.assert_settled()
        try:
            trial.assert_as_before(start.cloud, meanwhile)
        except AssertionError as found:
            found.add_note(f"killed at instant {number}: {trial.folder}")
            raise
        trial.faults = []
        trial.write(start.change.before)
        trial.assert_nothing_to_do()
        trial.remove()
    raise AssertionError("it was killed without end")


LAST = fault("update", 1, name="last", error="no")


def test_a_rollback_that_is_killed_is_finished(beginning, new_trial):
    start = beginning("everything")
    assert try_killing_the_rollback(new_trial, start, "local", LAST, first=30, stride=7, parallelism=1) > 5


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["local", "http", "s3", "postgres"])
def test_a_rollback_that_is_killed_at_any_instant_is_finished(kind, beginning, new_trial):
    assert try_killing_the_rollback(new_trial, beginning("everything"), kind, LAST) > 60


def try_killing_the_recovery(new_trial, start, kind, first_kill, *, stride=1):
    """Kill an apply, then each recovery at an instant more; what is left in the end is recovered. How often."""
    for number in range(1, 10_000, stride):
        trial = new_trial(start, kind)
        trial.write(start.change.after)
        assert trial.apply(code=None, parallelism=1, kill_at=first_kill).code == KILLED
        assert not trial.is_beyond_return()
        once = trial.recover(code=None, kill_at=number)
        if once.code != KILLED:
            assert once.code == 0, once
            return number // stride
        twice = trial.recover(code=None, kill_at=max(1, number // 2))
        assert twice.code in (KILLED, 0), twice
        trial.recover()
        trial.assert_settled()
        trial.assert_as_before(start.cloud, {})
        trial.write(start.change.before)
        trial.assert_nothing_to_do()
        trial.remove()
    raise AssertionError("it was killed without end")


def test_recoveries_that_are_killed_come_to_an_end(beginning, new_trial):
    assert try_killing_the_recovery(new_trial, beginning("everything"), "local", 40, stride=6) > 3


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first_kill", [17, 25, 33, 40])
@pytest.mark.parametrize("kind", ["local", "http", "s3", "postgres"])
def test_recoveries_that_are_killed_at_any_instant_come_to_an_end(kind, first_kill, beginning, new_trial):
    assert try_killing_the_recovery(new_trial, beginning("everything"), kind, first_kill) > 8
