"""Objects that a run made after it had lost its lock: when they come into the state, and where in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iacengine.state.journal_entries import Changed, Closed, Failed, Opened, Succeeded
from iacengine.state.late_results import late_entries, late_objects, taken_in, tokens_since
from iacengine.state.lock import lock_claim
from iacengine.state.replay import replay

OPENED = Opened("late", "lineage-1", 1, 1, "iac apply", "2026-01-01T00:00:00Z", on_failure="rollback")


@pytest.fixture
def late(new_object):
    return new_object("aws_vpc.late", token="abcdef0123456789", protected=True)


def told(*made):
    return [OPENED, *(Succeeded(step, {object_.key: object_}) for step, object_ in enumerate(made))]


def test_an_object_whose_place_is_free_takes_it(late, new_state, plain):
    assert plain(late_objects(new_state(), told(late), frozenset())) == plain({late.key: late})


def test_an_object_whose_place_is_taken_waits_for_its_deletion(late, new_object, new_state):
    other = new_object("aws_vpc.late", token="another")
    ((key, found),) = late_objects(new_state(other), told(late), frozenset()).items()
    assert key == found.key == (late.address, "abcdef01")
    assert not found.protected


def test_of_two_objects_of_one_place_one_takes_it(late, new_object, new_state):
    other = new_object("aws_vpc.late", token="fedcba9876543210")
    found = late_objects(new_state(), told(late, other), frozenset())
    assert [deposed for _, deposed in found] == ["", "fedcba98"]


def test_an_object_that_somebody_has_heard_of_is_left_alone(late, new_object, new_state):
    moved = new_object("aws_vpc.moved", token=late.token)
    assert late_objects(new_state(moved), told(late), frozenset()) == {}
    assert late_objects(new_state(), told(late), {late.token}) == {}
    assert late_objects(new_state(), told(replace(late, token=None)), frozenset()) == {}
    assert late_objects(new_state(), [OPENED, Changed({late.key: late}), Closed("complete")], frozenset()) == {}


def test_a_half_made_object_counts_and_a_deletion_does_not(late, new_state, plain):
    tainted = replace(late, tainted=True)
    found = late_objects(new_state(), [OPENED, Failed(0, "no", {late.key: tainted})], frozenset())
    assert plain(found) == plain({late.key: tainted})
    assert late_objects(new_state(), [OPENED, Succeeded(0, {late.key: None})], frozenset()) == {}


def test_they_come_in_as_a_run_of_their_own(late, new_state):
    now = replay(new_state(serial=7), [])
    entries = late_entries(OPENED, now, {late.key: late}, 9)
    assert (entries[0].run, entries[0].serial, entries[0].fencing_token) == ("late", 7, 9)
    assert entries[0].on_failure == "pause"  # there is nothing to be undone
    after = replay(new_state(serial=7), entries)
    assert after.state.objects == {late.key: late}
    assert after.in_flight == ()


def test_they_come_in_with_a_run_that_was_interrupted_and_share_its_end(late, new_state, history):
    interrupted = history(2, run="cut off", serial=7, on_failure="rollback")
    now = replay(new_state(serial=7), interrupted)
    entries = late_entries(OPENED, now, {late.key: late}, 9)
    (run,) = replay(new_state(serial=7), [*interrupted, *entries]).runs
    assert (run.opened.run, run.opened.on_failure) == ("cut off", "rollback")


def test_versions_since_tell_what_was_heard_of(local_place, late, new_state):
    backend = local_place()
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(serial=1), None, lock)
    backend.write(new_state(late, serial=2), 1, lock)
    backend.write(new_state(serial=3), 2, lock)
    lock.release()
    assert tokens_since(backend, 1) == {late.token}
    assert tokens_since(backend, 2) == set()


def test_they_are_named_and_long_lists_are_cut(late, new_object):
    made = [new_object(f"aws_vpc.v[{number}]", token=f"t{number}") for number in range(12)]
    found = taken_in(OPENED, {object_.key: object_ for object_ in made})
    assert "aws_vpc.v[0] (id id of aws_vpc.v[0])" in found.detail
    assert "and 2 more" in found.detail
    assert "iac apply" in found.remedy
