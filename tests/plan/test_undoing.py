"""What a run leaves to be undone, and where that leads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iacengine.addresses import parse_resource_instance
from iacengine.plan.difference import taken_up_by
from iacengine.plan.undoing import Ending, left_out, left_to_undo, way_back
from iacengine.state.model import PendingChange, PendingRollback, ResourceObject, State


def made(place: str, id_: str, token: str | None = None, **more: Any) -> ResourceObject:
    address = parse_resource_instance(f"t.{place}")
    return ResourceObject(address, 'provider["h/n/p"]', {"id": id_}, token=token or f"token of {id_}", **more)


def imported(place: str, id_: str) -> ResourceObject:
    return replace(made(place, id_), token=None)


def state(*objects: ResourceObject, pending: PendingRollback | None = None) -> State:
    return State("lineage", 1, {each.key: each for each in objects}, pending_rollback=pending)


def with_something_to_undo() -> State:
    superfluous = made("a", "1")
    return state(superfluous, pending=PendingRollback("before", 0, (PendingChange(superfluous.identity, None),)))


def pending_after(stored: State, prepared: State, now: State, **more: Any) -> PendingRollback:
    usual = {"moves": (), "failed": True, "committed": False, "settles": False, "undoes": True}
    found = left_to_undo(Ending("run", stored, prepared, **{**usual, **more}), now)
    assert found is not None
    return found


def test_a_run_that_is_done_leaves_nothing_and_one_over_a_part_leaves_what_there_was() -> None:
    stored = with_something_to_undo()
    usual = {"moves": (), "committed": False, "undoes": True}
    assert left_to_undo(Ending("run", stored, stored, failed=False, settles=True, **usual), stored) is None
    left = left_to_undo(Ending("run", stored, stored, failed=False, settles=False, **usual), stored)
    assert left is not None
    assert [change.wanted for change in left.changes] == [None]


def test_a_run_over_a_part_that_fails_in_its_commit_phase_leaves_what_there_was() -> None:
    stored = with_something_to_undo()
    left = pending_after(stored, stored, stored, committed=True)
    assert left.run == "before"
    assert [change.wanted for change in left.changes] == [None]


def test_what_is_made_again_under_the_id_of_what_was_imported_is_not_forgotten() -> None:
    role = imported("e", "role")
    stored, prepared = state(), state(role)
    pending = pending_after(stored, prepared, state(role))
    assert taken_up_by(state(role, pending=pending)) == (role.key,)
    assert taken_up_by(state(made("e", "role"), pending=pending)) == ()


def test_what_came_into_a_place_that_is_awaited_stays_and_so_does_what_was_to_go_there() -> None:
    at_b, at_c = made("b", "1"), made("c", "2")
    changes = (PendingChange(at_c.identity, replace(at_c, address=at_b.address)),)
    found = way_back(state(at_b, at_c, pending=PendingRollback("run", 0, changes)))
    assert found.target.objects == {at_b.key: at_b, at_c.key: at_c}
    assert [str(each.address) for each in found.difference.blocked] == ["t.b"]
    assert found.difference.superfluous == ()


def test_who_cannot_go_to_its_place_stays_in_that_of_another() -> None:
    one, two, three = made("b", "1"), made("c", "2"), made("d", "3")
    changes = (
        PendingChange(two.identity, replace(two, address=one.address)),
        PendingChange(three.identity, replace(three, address=two.address)),
    )
    found = way_back(state(one, two, three, pending=PendingRollback("run", 0, changes)))
    assert set(found.target.objects) == {one.key, two.key, three.key}
    assert len(found.difference.blocked) == 2


def test_what_was_made_in_a_place_is_known_when_another_is_there_by_then() -> None:
    ours, other = made("a", "1"), made("a", "2")
    pending = PendingRollback("run", 0, (PendingChange(ours.identity, None),))
    found = way_back(state(other, pending=pending))
    assert found.target.objects == {other.key: other}
    assert found.difference.superfluous == ()


def test_what_is_left_out_is_left_out_with_all_that_it_needs() -> None:
    one, two = made("a", "1"), made("b", "2", dependencies=("t.a",))
    three = made("c", "3", dependencies=("t.b",))
    changes = tuple(PendingChange(each.identity, None) for each in (one, two, three))
    pending, others = left_out(state(one, two, three, pending=PendingRollback("run", 0, changes)), [two.address])
    assert list(map(str, others)) == ["t.a"]
    assert pending is not None
    assert [str(change.address) for change in pending.changes] == ["t.c"]


def test_the_way_back_leads_to_what_was_there() -> None:
    kept, moved, replaced = made("a", "1"), made("b", "2"), made("c", "3")
    stored = state(kept, moved, replaced)
    there = replace(moved, address=parse_resource_instance("t.x"))
    new, more = made("c", "4"), made("d", "5")
    moves = ((moved.address, there.address),)
    now = state(kept, there, new, more)
    pending = pending_after(stored, state(kept, there, replaced), now, moves=moves, destroyed=[replaced.identity])
    found = way_back(replace(now, pending_rollback=pending))
    assert found.target.objects == stored.objects
    assert found.difference.destroyed == (replaced,)
    assert found.difference.superfluous == (new, more)
    assert [(wanted, each) for wanted, each in found.difference.kept if wanted is not each] == [(moved, there)]
