"""How an apply uses its journal: before and after every side effect, few flushes, one write of the state."""

from __future__ import annotations

from itertools import pairwise

import pytest

from iacengine.state.journal_entries import Begun, Changed, Closed, Failed, Opened, Operation, Succeeded
from iacengine.state.replay import replay
from iacengine_mock.provider import MockProvider


def objects(**bodies):
    return {"resource": {"mock_object": {name: {"name": name} | body for name, body in bodies.items()}}}


def chain(size=0, kind="k", late=()):
    """c needs b needs a."""
    found = objects(
        a={"kind": kind, "attributes": {"size": size}},
        b={"kind": "k", "attributes": {"of": "${mock_object.a.id}", "size": size}},
        c={"kind": kind, "attributes": {"of": "${mock_object.b.id}"}},
    )
    for name in late:
        found["resource"]["mock_object"][name]["lifecycle"] = {"create_before_destroy": True}
    return found


LIFE = {
    "create": ({"locals": {"none": 1}}, chain()),
    "update": (chain(), chain(1)),
    "replace": (chain(), chain(1, "l")),
    "create before destroy": (chain(late="ac"), chain(1, "l", late="ac")),
    "delete": (chain(), {"locals": {"none": 1}}),
}


@pytest.fixture(params=LIFE)
def life(request, watched):
    """Each kind of change, carried out."""
    before, after = LIFE[request.param]
    watched.apply(before)
    stored = watched.backend.read()
    outcome = watched.apply(after, parallelism=2)
    assert outcome.ok, outcome.diagnostics
    return watched, stored


def test_an_operation_is_durable_in_the_journal_before_its_provider_is_called(life):
    watched, _ = life
    begun, calls = set(), 0
    for event in watched.events:
        begun |= {entry.token for entry in event.entries if isinstance(entry, Begun)}
        if event.kind == "call":
            calls += 1
            assert event.token in begun
    assert calls == len(begun) >= 2


def test_the_end_of_every_operation_is_durable_before_the_state_is_written(life):
    watched, _ = life
    steps = {entry.step for entry in watched.entries() if isinstance(entry, Begun)}
    ended = []
    for event in watched.events:
        ended += [entry.step for entry in event.entries if isinstance(entry, Succeeded)]
        if event.kind == "write":
            assert sorted(ended) == sorted(steps)
    assert len(ended) == len(steps)


def test_what_awaits_a_step_begins_after_its_end_is_in_the_journal(life):
    watched, _ = life
    entries = watched.entries()
    begun = [entry for entry in entries if isinstance(entry, Begun)]
    ends = {entry.step: place for place, entry in enumerate(entries) if isinstance(entry, Succeeded)}
    creates = {str(entry.address): entry for entry in begun if entry.operation is not Operation.DELETE}
    names = [name for name in ("mock_object.a", "mock_object.b", "mock_object.c") if name in creates]
    for first, second in pairwise(names):
        assert ends[creates[first].step] < entries.index(creates[second])


def test_the_journal_alone_gives_the_state_that_is_written(life):
    watched, stored = life
    result = replay(stored, watched.entries())
    (written,) = (event.state for event in watched.kinds("write"))
    assert result.in_flight == ()
    assert result.state.objects.keys() == written.objects.keys()
    for key, found in written.objects.items():
        assert dict(result.state.objects[key].attributes) == dict(found.attributes)
        assert result.state.objects[key].token == found.token


def test_a_run_is_opened_first_and_closed_last_and_its_state_written_once(life):
    watched, stored = life
    entries = watched.entries()
    assert isinstance(entries[0], Opened)
    assert entries[0].serial == (stored.serial if stored else 0)
    assert isinstance(entries[-1], Closed)
    assert entries[-1].outcome == "complete"
    ends = [event.kind for event in watched.events][-3:]
    assert ends == ["append", "write", "clear"]
    assert len(watched.kinds("write")) == len(watched.kinds("clear")) == 1


def test_what_was_there_before_is_in_the_journal(watched):
    watched.apply(chain())
    before = watched.backend.read()
    watched.apply(chain(1, "l", late="a"))
    for entry in watched.entries():
        if isinstance(entry, Begun):
            assert (entry.prior is None) == (entry.operation is Operation.CREATE and entry.deposed == "")
            if entry.operation is Operation.UPDATE:
                assert dict(entry.prior.attributes) == dict(before.current(entry.address).attributes)


def test_an_object_keeps_the_token_of_the_operation_that_made_it(watched):
    outcome = watched.apply(chain())
    tokens = {entry.address: entry.token for entry in watched.entries() if isinstance(entry, Begun)}
    assert {found.address: found.token for found in outcome.state.objects.values()} == tokens
    outcome = watched.apply(chain(1))
    assert {found.address: found.token for found in outcome.state.objects.values()} == tokens


def test_what_is_ready_at_once_begins_with_one_flush_and_ends_share_flushes_with_beginnings(watched):
    outcome = watched.apply(objects(o={"count": 200, "name": "o${count.index}"}), parallelism=32)
    assert outcome.counts.add == 200
    appends = [event.entries for event in watched.kinds("append")]
    first = next(entries for entries in appends if any(isinstance(entry, Begun) for entry in entries))
    assert sum(isinstance(entry, Begun) for entry in first) == 32
    assert len(appends) <= 210, "an end and the beginning it makes way for cost more than one flush"


def test_operations_without_io_need_next_to_no_flushes(watched):
    watched.apply({"resource": {"terraform_data": {"d": {"count": 1000, "input": "${count.index}"}}}})
    assert sum(isinstance(entry, Succeeded) for entry in watched.entries()) == 1000
    assert len(watched.kinds("append")) <= 10


# --- failures -----------------------------------------------------------------------------------------------------


def failing(**fault):
    return {"provider": {"mock": {"faults": [{"operation": "create", "name": "b"} | fault]}}}


def test_a_failed_step_keeps_what_is_done_and_skips_what_needs_it(watched):
    outcome = watched.apply(chain() | objects_beside() | failing(error="quota exceeded"))
    assert not outcome.ok
    assert any("quota exceeded" in found.detail for found in outcome.diagnostics)
    assert [str(address) for address in outcome.failed] == ["mock_object.b"]
    assert [str(address) for address in outcome.skipped] == ["mock_object.c"]
    assert {str(address) for address, _ in outcome.state.objects} == {"mock_object.a", "mock_server.beside"}
    stored = watched.backend.read()
    assert stored.objects.keys() == outcome.state.objects.keys()
    assert not watched.backend.read_journal()
    (failed,) = (entry for entry in watched.entries() if isinstance(entry, Failed))
    assert failed.changes == {}


def objects_beside():
    chained = chain()["resource"]
    return {"resource": chained | {"mock_server": {"beside": {"name": "beside"}}}}


def test_a_half_made_object_is_kept_tainted_and_replaced_next_time(watched):
    outcome = watched.apply(chain() | failing(error="lost", when="after"))
    assert not outcome.ok
    tainted = {str(found.address): found.tainted for found in outcome.state.objects.values()}
    assert tainted == {"mock_object.a": False, "mock_object.b": True}
    (failed,) = (entry for entry in watched.entries() if isinstance(entry, Failed))
    assert [found.tainted for found in failed.changes.values()] == [True]
    outcome = watched.apply(chain())
    assert outcome.ok
    assert (outcome.counts.add, outcome.counts.remove) == (2, 1)
    assert not any(found.tainted for found in outcome.state.objects.values())


def test_a_failed_delete_keeps_the_object(watched):
    watched.apply(chain())
    fault = {"provider": {"mock": {"faults": [{"operation": "delete", "name": "b", "error": "still busy"}]}}}
    outcome = watched.apply(fault)
    assert not outcome.ok
    assert {str(address) for address, _ in outcome.state.objects} == {"mock_object.a", "mock_object.b"}
    assert watched.apply({"locals": {"none": 1}}).ok


def test_a_failed_update_keeps_what_was_there(watched):
    watched.apply(chain())
    before = watched.backend.read()
    fault = {"provider": {"mock": {"faults": [{"operation": "update", "name": "a", "error": "no"}]}}}
    outcome = watched.apply(chain(1) | fault)
    assert not outcome.ok
    for key, found in outcome.state.objects.items():
        assert dict(found.attributes) == dict(before.objects[key].attributes)
        assert not found.tainted


def test_a_replacement_whose_second_half_fails_leaves_the_old_one_deposed_until_the_next_run(watched):
    watched.apply(chain(late="a"))
    fault = {"provider": {"mock": {"faults": [{"operation": "delete", "name": "a", "error": "no"}]}}}
    outcome = watched.apply(chain(0, "l", late="a") | fault)
    assert not outcome.ok
    assert sorted(bool(deposed) for address, deposed in outcome.state.objects if address.resource.name == "a") == [
        False,
        True,
    ]
    outcome = watched.apply(chain(0, "l", late="a"))
    assert outcome.ok
    assert not any(deposed for _, deposed in outcome.state.objects)
    assert outcome.counts.remove >= 1


def test_a_defect_of_a_provider_is_told_as_one_and_loses_nothing(watched, monkeypatch):
    apply = MockProvider.apply

    def broken(provider, request):
        if request.planned["name"] == "b":
            raise RuntimeError("boom")
        return apply(provider, request)

    monkeypatch.setattr(MockProvider, "apply", broken)
    outcome = watched.apply(chain())
    assert [found.summary for found in outcome.diagnostics] == ["Provider failed"]
    assert {str(address) for address, _ in watched.backend.read().objects} == {"mock_object.a"}
    assert not watched.backend.read_journal()


def test_moves_and_drift_go_through_the_journal_too(watched):
    watched.apply(objects(a={}))
    moved = objects(b={"name": "a"}) | {"moved": [{"from": "${mock_object.a}", "to": "${mock_object.b}"}]}
    stored = watched.backend.read()
    outcome = watched.apply(moved)
    assert outcome.ok
    assert not watched.kinds("call")
    assert any(isinstance(entry, Changed) and entry.changes for entry in watched.entries())
    assert replay(stored, watched.entries()).state.objects.keys() == outcome.state.objects.keys()


def test_an_apply_that_has_nothing_to_do_touches_neither_journal_nor_state(watched):
    watched.apply(chain())
    watched.apply(chain())
    assert watched.events == []
