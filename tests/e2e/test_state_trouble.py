"""States that are held, damaged or half written: refused or taken up, never overwritten."""

from __future__ import annotations

import json

import pytest

from iacengine.state.backends.local import LocalBackend
from iacengine.state.lock import lock_claim


@pytest.fixture
def made(stack):
    stack.write("resource: {mock_object: {o: {name: o}}}")
    stack.apply()
    return stack


VERBS = (["plan"], ["apply", "--auto-approve"], ["destroy", "--auto-approve"])


def test_a_held_lock_ends_with_exit_code_3_and_says_who_holds_it(made):
    lock = LocalBackend(made.state_path).lock(lock_claim("a long apply"), 0)
    try:
        for verb in VERBS:
            done = made.iac(*verb, code=3)
            assert "a long apply" in done.err
        assert made.iac("plan", "--no-lock").code == 0
        assert made.objects()
    finally:
        lock.release()
    made.iac("plan")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"o"', b'"q"'),
        lambda data: b"",
        lambda data: b"not json",
        lambda data: b"{}",
    ],
    ids=["cut off", "edited", "empty", "no JSON", "something else"],
)
def test_a_corrupt_state_is_refused_and_left_as_it_is(damage, made):
    bad = damage(made.state_path.read_bytes())
    made.state_path.write_bytes(bad)
    for verb in (*VERBS, ["show"], ["output"]):
        done = made.iac(*verb, code=1)
        assert "iac.state.json" in done.err
    assert made.state_path.read_bytes() == bad
    assert len(made.cloud()) == 1


def test_a_state_of_a_newer_format_is_refused(made):
    document = json.loads(made.state_path.read_bytes())
    text = made.state_path.read_text().replace('"version": 1', '"version": 99').replace('"version":1', '"version":99')
    assert json.loads(text) != document
    made.state_path.write_text(text)
    done = made.iac("plan", code=1)
    assert "iac.state.json" in done.err


@pytest.fixture
def crashed(made):
    """A run that was killed after it had created an object."""
    made.write(
        {
            "provider": {"mock": {"faults": [{"operation": "create", "name": "p", "crash": "after"}]}},
            "resource": {"mock_object": {"p": {"name": "p"}}},
        }
    )
    made.apply(code=-9)
    assert made.journal_path.exists()
    return made


def test_a_journal_cut_off_in_its_last_line_is_taken_up(crashed, assert_settled):
    data = crashed.journal_path.read_bytes()
    crashed.journal_path.write_bytes(data + data[-40:-3])
    crashed.apply()
    assert_settled(crashed)
    assert len(crashed.cloud()) == 2


def test_a_journal_damaged_in_the_middle_is_refused_with_its_line(crashed):
    lines = crashed.journal_path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 2
    lines[1] = lines[1].replace(b'"', b"'", 1)
    crashed.journal_path.write_bytes(b"".join(lines))
    before = crashed.state_path.read_bytes()
    for verb in VERBS:
        done = crashed.iac(*verb, code=1)
        assert "iac.state.json.journal" in done.err
    assert crashed.state_path.read_bytes() == before
    assert crashed.journal_path.read_bytes() == b"".join(lines)


def test_a_plan_recovers_too_and_says_so(crashed, assert_settled):
    done = crashed.iac("plan", "--detailed-exitcode", code=2)
    assert "mock_object.p" in done.out + done.err
    assert "applying this plan updates the state" in done.out  # it settles what the killed run was to have undone
    assert_settled(crashed)
    assert crashed.plan() == {}
    crashed.apply()
    crashed.iac("plan", "--detailed-exitcode")


def test_reading_the_state_sees_the_journal_without_touching_it(crashed):
    before = crashed.journal_path.read_bytes()
    assert "mock_object.o" in crashed.objects()
    assert crashed.journal_path.read_bytes() == before


def test_a_destroy_after_a_crash_leaves_nothing(crashed):
    crashed.iac("destroy", "--auto-approve")
    assert crashed.cloud() == {}
    assert crashed.objects() == {}


def test_a_saved_plan_after_a_crash_is_stale(made):
    made.write({"resource": {"mock_object": {"p": {"name": "p"}}}})
    made.iac("plan", "--out", "saved.plan")
    made.write(
        {
            "provider": {"mock": {"faults": [{"operation": "create", "name": "p", "crash": "after"}]}},
            "resource": {"mock_object": {"p": {"name": "p"}}},
        }
    )
    made.apply(code=-9)
    done = made.iac("apply", "saved.plan", code=1)
    assert "stale" in done.err


def test_a_state_that_came_back_from_a_backup_stops_recovery(crashed):
    """The journal is of a newer state than the one found."""
    crashed.state_path.unlink()
    done = crashed.iac("apply", "--auto-approve", code=1)
    assert "Restore" in done.err
    assert crashed.journal_path.exists()


def test_two_applies_at_once_do_not_disturb_each_other(stack, assert_settled):
    stack.write(
        {
            "provider": {"mock": {"latency": {"create": 0.3}}},
            "resource": {"mock_object": {"o": {"count": 4, "name": "o${count.index}"}}},
        }
    )
    first = stack.start("apply", "--auto-approve", "--parallelism", "1")
    while "Creating" not in first.printed():
        assert stack.iac("version").code == 0  # time passes
    refused = stack.apply(code=3)
    assert "iac apply" in refused.err
    patient = stack.start("apply", "--auto-approve", "--lock-timeout", "60s")
    assert first.wait().code == 0
    done = patient.wait()
    assert done.code == 0, done
    assert "No changes" in done.out
    assert len(stack.cloud()) == 4
    assert_settled(stack)


@pytest.mark.parametrize("part", range(1, 8))
def test_a_journal_cut_off_anywhere_is_taken_up_or_refused(part, crashed):
    data = crashed.journal_path.read_bytes()
    crashed.journal_path.write_bytes(data[: len(data) * part // 8])
    done = crashed.apply(code=None)
    assert done.code in (0, 1), done
    assert done.code == 0 or "iac.state.json.journal" in done.err


def test_an_object_that_reads_do_not_see_yet_is_not_made_twice(stack, assert_settled):
    """The cloud is eventually consistent, and the run was killed while it waited for that."""
    provider = {"mock": {"eventual_consistency": {"reads": 3}, "faults": [{"operation": "create", "crash": "after"}]}}
    stack.write({"provider": provider, "resource": {"mock_object": {"o": {"name": "o"}}}})
    stack.apply(code=-9)
    stack.apply()
    assert len(stack.cloud()) == 1
    assert_settled(stack)


def test_a_state_is_edited_when_its_journal_says_nothing_any_more_and_not_before(stack):
    crash = {"operation": "create", "type": "mock_object", "name": "b", "crash": "before"}
    objects = {"resource": {"mock_object": {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}}}
    stack.write({**objects, "provider": {"mock": {"faults": [crash]}}})
    assert stack.apply("--on-failure", "pause", code=None).code < 0
    journal = stack.journal_path.read_bytes()
    refused = stack.iac("state", "rm", "mock_object.a", code=1)
    assert "Run `iac recover` first" in refused.err
    stack.write(objects)
    stack.iac("recover")
    stack.journal_path.write_bytes(journal)  # as when it is killed before it clears it
    stack.iac("state", "rm", "mock_object.a")
    assert not stack.journal_path.exists()
    assert stack.iac("state", "list").out == ""
