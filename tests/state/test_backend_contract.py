"""What every backend promises. Each test runs against every backend that `new_backend` knows."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.encryption.backend import SealedBackend
from iacengine.state.journal_entries import Changed, Closed
from iacengine.state.lock import LockHeldError, LockLostError, lock_claim
from iacengine.state.replay import replay
from iacengine.state.run_record import RunRecord, StepRecord


@pytest.fixture
def backend(new_backend):
    return new_backend()


@pytest.fixture
def lock(backend):
    taken = backend.lock(lock_claim("iac apply"), 0)
    yield taken
    taken.release()


def refused(call, *arguments, error=DiagnosticsError):
    with pytest.raises(error) as caught:
        call(*arguments)
    (found,) = caught.value.diagnostics
    assert found.summary
    assert found.detail
    assert found.remedy
    return found


def who(holder):
    """Who holds a lock, without the end of the lease, which moves on."""
    return replace(holder, expires="")


def bound(entries, lock):
    """The entries of a run, opened under this lock."""
    return [replace(entries[0], fencing_token=lock.info.fencing_token), *entries[1:]]


# --- state ----------------------------------------------------------------------------------------------------------


def test_at_first_there_is_nothing(backend):
    assert backend.read() is None
    assert list(backend.read_journal()) == []
    assert backend.lock_holder() is None
    assert backend.describe()


def test_what_one_writes_another_reads(backend, new_backend, lock, full_state, plain):
    backend.write(full_state, None, lock)
    assert plain(new_backend().read()) == plain(full_state)


def test_a_later_write_replaces_all(backend, lock, full_state, new_state, plain):
    backend.write(full_state, None, lock)
    backend.write(new_state(serial=2), 1, lock)
    assert plain(backend.read()) == plain(new_state(serial=2))


@pytest.mark.parametrize("expected", [None, 0, 4, 6])
def test_a_write_that_expects_another_serial_is_refused_and_changes_nothing(
    expected, backend, lock, new_state, full_state
):
    backend.write(replace(full_state, serial=5), None, lock)
    found = refused(backend.write, new_state(serial=9), expected, lock)
    assert "serial 5" in found.detail
    assert backend.read().serial == 5
    assert len(backend.read().objects) == len(full_state.objects)


def test_a_write_that_expects_a_state_where_none_is_is_refused(backend, lock, new_state):
    refused(backend.write, new_state(serial=2), 1, lock)
    assert backend.read() is None


def test_the_lineage_never_changes(backend, lock, new_state):
    backend.write(new_state(), None, lock)
    found = refused(backend.write, new_state(lineage="lineage-2", serial=2), 1, lock)
    assert "lineage-1" in found.detail
    assert "lineage-2" in found.detail
    assert backend.read().lineage == "lineage-1"


@pytest.mark.parametrize("serial", [3, 5])
def test_the_serial_only_grows(serial, backend, lock, new_state):
    backend.write(new_state(serial=5), None, lock)
    refused(backend.write, new_state(serial=serial), 5, lock)
    assert backend.read().serial == 5


def test_of_writers_at_once_every_one_counts(new_backend, new_state):
    writers, rounds = 4, 5
    first = new_backend()
    lock = first.lock(lock_claim("init"), 0)
    first.write(new_state(serial=0), None, lock)
    lock.release()

    def write_often(backend):
        for _ in range(rounds):
            held = backend.lock(lock_claim("iac apply"), 60)
            state = backend.read()
            backend.write(replace(state, serial=state.serial + 1), state.serial, held)
            held.release()

    threads = [threading.Thread(target=write_often, args=(new_backend(),)) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.read().serial == writers * rounds
    lock = first.lock(lock_claim("iac apply"), 0)
    assert lock.info.fencing_token > writers * rounds
    lock.release()


def test_readers_see_whole_states_while_others_write(new_backend, new_state, new_object):
    backend, reader = new_backend(), new_backend()
    lock = backend.lock(lock_claim("iac apply"), 0)

    def state_of(serial):
        return new_state(*(new_object(f"a.b[{index}]") for index in range(serial * 20)), serial=serial)

    backend.write(state_of(1), None, lock)
    done = threading.Event()
    seen, wrong = set(), []

    def read_often():
        while not done.is_set():
            state = reader.read()
            seen.add(state.serial)
            if len(state.objects) != state.serial * 20:
                wrong.append(state)

    thread = threading.Thread(target=read_often)
    thread.start()
    try:
        for serial in range(2, 20):
            backend.write(state_of(serial), serial - 1, lock)
    finally:
        done.set()
        thread.join()
        lock.release()
    assert wrong == []
    assert seen <= set(range(1, 20))


@pytest.mark.slow
def test_a_state_of_50_megabytes_is_written_and_read_back(backend, lock, new_state, new_object):
    objects = [new_object(f"a.b[{index}]", attributes={"text": f"{index:06}" + "x" * 4990}) for index in range(10_000)]
    backend.write(new_state(*objects), None, lock)
    read = backend.read()
    assert [object_.attributes for object_ in read.objects.values()] == [object_.attributes for object_ in objects]


# --- journal --------------------------------------------------------------------------------------------------------


def test_entries_are_read_in_the_order_they_were_appended(backend, new_backend, lock, history, plain):
    entries = bound(history(5), lock)
    backend.append(entries[:1], lock)
    backend.append(entries[1:4], lock)
    backend.append([], lock)
    backend.append(entries[4:], lock)
    assert plain(list(new_backend().read_journal())) == plain(entries)


def test_every_field_of_an_object_survives_the_journal(backend, lock, history, full_state, plain):
    entries = [*bound(history(0), lock), Changed(full_state.objects, full_state.outputs, full_state.checks)]
    backend.append(entries, lock)
    assert plain(list(backend.read_journal())) == plain(entries)


def test_a_cleared_journal_is_empty_and_can_be_started_anew(backend, lock, history, plain):
    entries = bound(history(2), lock)
    backend.append(entries, lock)
    backend.clear_journal(lock)
    assert list(backend.read_journal()) == []
    backend.clear_journal(lock)
    backend.append(entries, lock)
    assert plain(list(backend.read_journal())) == plain(entries)


def test_the_journal_of_a_lost_run_is_continued_by_the_next_holder(new_backend, history, plain):
    first, second = new_backend(), new_backend()
    lock = first.lock(lock_claim("iac apply"), 0)
    lost = bound(history(2), lock)
    first.append(lost[:-1], lock)
    lock.release()
    lock = second.lock(lock_claim("iac recover"), 0)
    recovery = bound(history(1, run="run-2"), lock)
    second.append(recovery, lock)
    lock.release()
    assert plain(list(first.read_journal())) == plain(lost[:-1] + recovery)


def test_a_run_is_opened_under_its_own_lock(backend, lock, history):
    refused(backend.append, history(1, fencing_token=lock.info.fencing_token + 1), lock)
    refused(backend.append, [Closed("complete")], lock)
    assert list(backend.read_journal()) == []


def test_after_clearing_a_run_must_be_opened_again(backend, lock, history):
    backend.append(bound(history(1), lock), lock)
    backend.clear_journal(lock)
    refused(backend.append, [Closed("complete")], lock)


def test_appends_of_several_threads_are_all_there(backend, lock, history, new_object):
    backend.append(bound(history(0), lock), lock)

    def append_often(worker):
        for index in range(10):
            made = new_object(f"a.w{worker}[{index}]")
            backend.append([Changed({made.key: made})], lock)

    threads = [threading.Thread(target=append_often, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [str(address) for entry in backend.read_journal()[1:] for address, _ in entry.changes]
    assert sorted(keys) == sorted(f"a.w{worker}[{index}]" for worker in range(4) for index in range(10))
    for worker in range(4):
        mine = [key for key in keys if key.startswith(f"a.w{worker}[")]
        assert mine == [f"a.w{worker}[{index}]" for index in range(10)]


def test_a_run_from_lock_to_release_ends_with_its_result_in_the_state(backend, new_backend, lock, new_state, history):
    backend.write(new_state(), None, lock)
    backend.append([*bound(history(3), lock), Closed("complete")], lock)
    result = replay(backend.read(), backend.read_journal())
    backend.write(replace(result.state, serial=2), 1, lock)
    assert len(replay(backend.read(), backend.read_journal()).state.objects) == 3  # before the journal is cleared, too
    backend.clear_journal(lock)
    assert len(new_backend().read().objects) == 3


# --- lock -----------------------------------------------------------------------------------------------------------


def test_a_second_one_is_told_who_holds_the_lock(backend, new_backend):
    claim = lock_claim("iac apply --auto-approve")
    lock = backend.lock(claim, 0)
    with pytest.raises(LockHeldError) as caught:
        new_backend().lock(lock_claim("iac destroy"), 0)
    assert who(caught.value.holder) == who(lock.info)
    assert replace(lock.info, expires="") == replace(claim, fencing_token=lock.info.fencing_token)
    (found,) = caught.value.diagnostics
    for part in (claim.owner, claim.host, str(claim.pid), claim.created, claim.operation):
        assert part in found.detail
    assert found.remedy
    lock.release()


def test_everybody_can_see_who_holds_the_lock(backend, new_backend, lock):
    assert who(new_backend().lock_holder()) == who(lock.info)
    assert who(new_backend().lock_holder()) == who(lock.info)


def test_a_released_lock_is_free_and_may_be_released_again(backend, new_backend):
    lock = backend.lock(lock_claim("iac apply"), 0)
    lock.release()
    assert new_backend().lock_holder() is None
    other = new_backend().lock(lock_claim("iac apply"), 0)
    lock.release()
    assert who(new_backend().lock_holder()) == who(other.info)
    other.release()


def test_one_who_waits_gets_the_lock_when_it_is_released(backend, new_backend):
    lock = backend.lock(lock_claim("iac apply"), 0)
    got = []
    waiter = threading.Thread(target=lambda: got.append(new_backend().lock(lock_claim("iac plan"), 60)))
    waiter.start()
    lock.release()
    waiter.join()
    assert got[0].info.operation == "iac plan"
    got[0].release()


def test_fencing_tokens_grow_from_holder_to_holder(new_backend):
    tokens = []
    for _ in range(5):
        lock = new_backend().lock(lock_claim("iac apply"), 0)
        tokens.append(lock.info.fencing_token)
        lock.release()
    assert tokens == sorted(set(tokens))
    assert tokens[0] > 0


def test_a_claim_to_a_fencing_token_counts_for_nothing(backend):
    lock = backend.lock(replace(lock_claim("iac apply"), fencing_token=1000), 0)
    assert lock.info.fencing_token < 1000
    lock.release()


def test_nothing_is_written_under_a_released_lock(backend, new_backend, new_state, history):
    lock = backend.lock(lock_claim("iac apply"), 0)
    backend.write(new_state(), None, lock)
    backend.append(bound(history(1), lock), lock)
    lock.release()
    for taken_over in (False, True):
        if taken_over:
            other = new_backend().lock(lock_claim("iac apply"), 0)
        refused(backend.write, new_state(serial=2), 1, lock, error=LockLostError)
        refused(backend.append, bound(history(1), lock), lock, error=LockLostError)
        refused(backend.clear_journal, lock, error=LockLostError)
    assert backend.read().serial == 1
    assert len(backend.read_journal()) == 3
    other.release()


def test_the_lock_of_one_client_counts_for_another(new_backend, new_state):
    lock = new_backend().lock(lock_claim("iac apply"), 0)
    new_backend().write(new_state(), None, lock)
    assert new_backend().read().serial == 1
    lock.release()


def test_unicode_in_a_claim_is_told_as_it_is(backend, new_backend):
    lock = backend.lock(replace(lock_claim("iac apply -var 'ü=\"𝄞\n'"), owner="Zoë"), 0)
    assert who(new_backend().lock_holder()) == who(lock.info)
    lock.release()


# --- versions and runs ----------------------------------------------------------------------------------------------


def test_every_state_that_was_written_is_a_version(backend, new_backend, lock, new_state, new_object, plain):
    states = [new_state(new_object(f"a.b[{serial}]"), serial=serial) for serial in (1, 2, 5)]
    before = None
    for state in states:
        backend.write(state, before, lock)
        before = state.serial
    other = new_backend()
    assert [version.serial for version in other.versions()] == [1, 2, 5]
    assert all(version.time.endswith("Z") for version in other.versions())
    for state in states:
        assert plain(other.read_version(state.serial)) == plain(state)


def test_without_a_state_there_are_no_versions(backend):
    assert list(backend.versions()) == []
    found = refused(backend.read_version, 1)
    assert "serial 1" in found.detail


def test_a_version_that_is_not_kept_is_refused_with_what_is(backend, lock, new_state):
    backend.write(new_state(serial=3), None, lock)
    found = refused(backend.read_version, 2)
    assert "3" in found.detail


def test_versions_beyond_the_limit_go_oldest_first(new_backend, new_state):
    backend = new_backend(versions=3)
    held = backend.lock(lock_claim("iac apply"), 0)
    for serial in range(1, 8):
        backend.write(new_state(serial=serial), serial - 1 or None, held)
    held.release()
    kept = [version.serial for version in backend.versions()]
    assert kept[-1] == 7
    assert len(kept) <= 4
    assert kept == list(range(kept[0], 8))


def test_a_write_whose_answer_was_lost_may_be_tried_again(backend, lock, new_state, new_object, plain):
    backend.write(new_state(serial=1), None, lock)
    state = new_state(new_object("a.b"), serial=2)
    backend.write(state, 1, lock)
    backend.write(state, 1, lock)
    assert plain(backend.read()) == plain(state)
    refused(backend.write, new_state(serial=2), 1, lock)


def test_how_a_state_is_sealed_is_kept_with_it(backend, lock, new_state, plain):
    if isinstance(backend, SealedBackend):
        pytest.skip("it opens what is sealed")
    state = new_state(encryption={"mode": "full", "key": "k"}, sealed="…")
    backend.write(state, None, lock)
    assert plain(backend.read()) == plain(state)


def test_records_of_runs_are_kept_in_order_and_replaced_by_id(backend, new_backend):
    first = RunRecord("1", "iac apply", "me", "here", 1, "2026-01-01T00:00:00Z")
    second = RunRecord("2", "iac destroy", "ü", "there", 2, "2026-01-02T00:00:00Z", serial_before=4)
    assert list(backend.runs()) == []
    backend.record_run(first)
    backend.record_run(second)
    steps = (StepRecord("a.b[0]", "create", "done", 1.5), StepRecord("a.b[1]", "create", "failed", 0.0, "no"))
    ended = replace(first, ended="2026-01-01T00:01:00Z", outcome="failed", serial_after=1, steps=steps)
    backend.record_run(ended)
    assert list(new_backend().runs()) == [ended, second]


def test_the_newest_records_of_runs_are_read_alone(backend, new_backend):
    records = [RunRecord(f"id-{number}", "c", "o", "h", 1, f"2026-01-01T00:00:0{number}Z") for number in range(5)]
    assert list(backend.runs(1)) == []
    for record in records:
        backend.record_run(record)
        backend.record_run(replace(record, outcome="complete", error="x" * 100_000))
    ended = [replace(record, outcome="complete", error="x" * 100_000) for record in records]
    for limit in (1, 2, 5, 9):
        assert list(new_backend().runs(limit)) == ended[-limit:]


def test_breaking_a_lock_that_nobody_holds_is_refused(backend):
    refused(backend.break_lock, "none")


def test_breaking_a_lock_needs_the_id_of_the_holder(backend, lock):
    found = refused(backend.break_lock, "another")
    assert lock.info.id in found.detail
    lock.require()
