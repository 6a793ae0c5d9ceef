"""A backend that is gone for good in the middle of a run: what it could not be told is kept, and taken up later."""

from __future__ import annotations

import shutil
import stat

import pytest

LEFT = (1, 5)
"""How a run ends whose journal cannot be written: with nothing to keep, or with something."""


def spooled(trial):
    return sorted((trial.folder / ".iac" / "spool").glob("*"))


def broken_run(trial, start, *, parallelism=2, **where):
    trial.write(start.change.after)
    done = trial.apply(parallelism=parallelism, code=None, **where)
    if done.code == 0:
        return None
    assert done.code in LEFT, done
    assert (done.code == 5) == bool(spooled(trial)), done
    assert "The backend is gone" in done.err
    for path in spooled(trial):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(path) in done.err
    return done


@pytest.mark.parametrize("on_failure", ["pause", "rollback"])
@pytest.mark.parametrize("where", ["break_at", "break_after"])
def test_whichever_append_is_the_last_nothing_is_lost(where, on_failure, beginning, new_trial):
    start, kept = beginning("everything"), 0
    for number in range(1, 100, 2):
        trial = new_trial(start, on_failure=on_failure)
        if broken_run(trial, start, **{where: number}) is None:
            break
        was_kept = bool(spooled(trial))
        kept += was_kept
        meanwhile, beyond = trial.cloud(), trial.is_beyond_return()
        done = trial.recover()
        assert ("Took up what an earlier run could not write" in done.err) == was_kept
        assert spooled(trial) == []
        trial.assert_settled()
        if on_failure == "rollback" and not beyond:
            trial.assert_as_before(start.cloud, meanwhile)
        trial.apply()
        trial.assert_settled()
        trial.command("plan", "--detailed-exitcode")
    assert kept > 3


def test_a_run_whose_end_alone_could_not_be_written_is_complete(beginning, new_trial):
    start = beginning("update")
    appends = 0
    for number in range(1, 100):
        trial = new_trial(start)
        # One operation at a time, since how many entries go into one append is left to chance otherwise.
        if broken_run(trial, start, parallelism=1, break_at=number) is None:
            break
        appends, last = number, trial
    assert appends > 2
    cloud = last.cloud()
    last.recover()
    last.assert_settled()
    assert last.cloud() == cloud
    last.command("plan", "--detailed-exitcode")


def test_what_is_kept_is_sealed_where_the_stack_is_encrypted(beginning, new_trial, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    start = beginning("create")
    trial = new_trial(start, encryption={"key_file": str(key)})
    texts = []
    for number in range(2, 5):
        broken_run(trial, start, break_at=number)
        texts += [path.read_bytes() for path in spooled(trial)]
        trial.recover()
        assert trial.cloud() == {}
    assert texts
    assert all(b"s3cret" not in text for text in texts)
    assert any(b"mock_database" in text for text in texts)  # the rest stays readable, as in the state


def test_what_comes_too_late_is_set_aside(beginning, new_trial, crash_process, stack_in, tmp_path):
    start = beginning("create")
    trial = new_trial(start)
    broken_run(trial, start, break_at=4)
    (kept,) = spooled(trial)
    hidden = tmp_path / "hidden"
    shutil.move(kept, hidden)
    trial.recover()  # as from another machine
    trial.assert_settled()
    shutil.move(hidden, kept)
    done = trial.apply()
    assert "came too late" in done.err
    trial.assert_settled()
    assert [path.suffix for path in spooled(trial)] == [".set-aside"]
    assert "came too late" not in trial.apply().err


def test_other_stacks_in_the_same_folder_leave_it_alone(beginning, new_trial):
    start = beginning("create")
    trial = new_trial(start)
    broken_run(trial, start, break_at=4)
    kept = spooled(trial)
    (trial.folder / "other.iac.yaml").write_text("output: {a: {value: 1}}\n")
    trial.command("apply", "other.iac.yaml", "--auto-approve")
    assert spooled(trial) == kept
    trial.recover()
    assert spooled(trial) == []
    assert trial.cloud() == {}


def test_without_a_place_beside_the_stack_it_is_kept_in_the_folder_of_the_user(beginning, new_trial, tmp_path):
    start = beginning("create")
    trial = new_trial(start, environment={"XDG_STATE_HOME": str(tmp_path)})
    (trial.folder / ".iac").mkdir(exist_ok=True)
    (trial.folder / ".iac" / "spool").write_text("in the way")
    trial.write(start.change.after)
    done = trial.apply(code=5, break_at=4)
    (kept,) = (tmp_path / "iacengine" / "spool").iterdir()
    assert str(kept) in done.err
    trial.recover()
    assert not kept.exists()
    assert trial.cloud() == {}
