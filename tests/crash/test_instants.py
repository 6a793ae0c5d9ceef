"""kill -9 before and after every single thing that a command does to the world; then one more command.

Everything is enumerated by the slow tests: each instant (see instants.py) of each change of a stack of 68 objects, on
each backend, with steps that go one by one (each instant is the same in each run then) and side by side. Every day a
few instants of a small stack are tried. `--junitxml` tells how many instants there were.
"""

from __future__ import annotations

import random
import signal
import time

import pytest

KILLED = -signal.SIGKILL
BACKENDS = ["local", "http", "s3", "postgres"]
CHANGES = ["create", "update", "replace", "create before destroy", "shrink", "everything", "delete"]
POLICIES = ["pause", "rollback"]
ORDERS = {"one by one": 1, "side by side": 6}


def crash(trial, start, *, kill_at, parallelism):
    """Apply the change, and be killed; whether it came to that."""
    trial.write(start.change.after)
    done = trial.apply(parallelism=parallelism, code=None, kill_at=kill_at)
    assert done.code in (KILLED, 0), done
    return done.code == KILLED


def completed(trial):
    """The next apply takes up what is left, and finishes it."""
    trial.apply()
    trial.assert_nothing_to_do()


def undone(trial, start):
    """`iac recover` undoes it, unless it was beyond return; then it is finished."""
    base = start.state.serial if start.state is not None else 0
    state = trial.state()
    meanwhile, beyond = trial.cloud(), trial.is_beyond_return() or (state is not None and state.serial > base)
    trial.recover()
    trial.assert_settled()
    if beyond:
        completed(trial)
        return
    trial.assert_as_before(start.cloud, meanwhile)
    trial.write(start.change.before)
    trial.assert_nothing_to_do()


def try_instant(new_trial, start, kind, on_failure, kill_at, *, parallelism=1):
    """Whether there is such an instant."""
    trial = new_trial(start, kind, on_failure=on_failure)
    try:
        killed = crash(trial, start, kill_at=kill_at, parallelism=parallelism)
        if killed and on_failure == "pause":
            completed(trial)
        elif killed:
            undone(trial, start)
    except AssertionError as found:
        found.add_note(
            f"killed at instant {kill_at} of {start.change.name!r} on {kind}, to {on_failure}: {trial.folder}"
        )
        raise
    trial.remove()
    return killed


def try_every_instant(new_trial, start, kind, on_failure, *, first=1, stride=1, parallelism=1):
    """How many instants were tried."""
    tried = 0
    while try_instant(new_trial, start, kind, on_failure, first + tried * stride, parallelism=parallelism):
        tried += 1
    return tried


@pytest.mark.parametrize("on_failure", POLICIES)
def test_instants_of_a_small_change(on_failure, beginning, new_trial):
    stride, first = 5, 1 if on_failure == "pause" else 3
    assert try_every_instant(new_trial, beginning("everything"), "local", on_failure, first=first, stride=stride) > 10


@pytest.mark.parametrize("kind", BACKENDS[1:])
def test_instants_on_other_backends(kind, beginning, new_trial):
    tried = try_every_instant(new_trial, beginning("everything"), kind, "rollback", first=10, stride=19)
    assert tried > 2


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("on_failure", POLICIES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", BACKENDS)
def test_every_instant(kind, change, on_failure, order, beginning, new_trial, record_property):
    start = beginning(change, large=True)
    tried = try_every_instant(new_trial, start, kind, on_failure, parallelism=ORDERS[order])
    record_property("instants", tried)
    assert tried > 20


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", BACKENDS)
def test_random_instants(kind, beginning, new_trial, record_property):
    """200 instants of any kind, in the middle of a write too."""
    chance, killed, start, lasts = random.Random(kind), 0, beginning("everything", large=True), 1.0
    for number in range(1000):
        on_failure = POLICIES[number % 2]
        trial = new_trial(start, kind, on_failure=on_failure, latency=0.005)
        trial.write(start.change.after)
        running, began = trial.start_apply(parallelism=6), time.monotonic()
        time.sleep(chance.uniform(0.02, lasts))
        running.kill()
        if running.wait().code == KILLED:
            killed += 1
            trial.bury()
            if on_failure == "pause":
                completed(trial)
            else:
                undone(trial, start)
        else:  # it had ended: it takes less time than was thought
            lasts = max(0.1, 0.9 * (time.monotonic() - began))
        trial.remove()
        if killed == 200:
            break
    record_property("instants", killed)
    assert killed == 200
