"""Ctrl-C or termination during an apply: once ends it in good order, twice at once; the next run goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from iacengine.state.backends.local import LocalBackend
from iacengine.state.journal_entries import Begun

DEADLINE = 30.0


@pytest.fixture
def wait_until():
    """wait_until(condition): look again and again; fails after a while."""

    def wait(condition):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.002)

    return wait


def chain(latency):
    """Six objects, each after the one before."""
    blocks = {"o0": {"name": "o0"}}
    for number in range(1, 6):
        blocks[f"o{number}"] = {"name": f"o{number}", "attributes": {"of": f"${{mock_object.o{number - 1}.id}}"}}
    return {"provider": {"mock": {"latency": latency}}, "resource": {"mock_object": blocks}}


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_once_undoes_what_was_done(what, stack, wait_until, assert_settled):
    stack.write(chain({"create": 0.2}))
    running = stack.start("apply", "--auto-approve")
    wait_until(lambda: len(stack.cloud()) >= 2)
    running.kill(what)
    done = running.wait()
    assert done.code == 4, done
    assert "Interrupted" in done.err
    assert "everything is as it was before" in done.err
    assert_settled(stack)
    assert stack.cloud() == {}


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_once_leaves_no_journal_and_exits_with_130_where_what_is_done_stays(what, stack, wait_until, assert_settled):
    stack.write(chain({"create": 0.2}))
    running = stack.start("apply", "--auto-approve", "--on-failure", "pause")
    wait_until(lambda: len(stack.cloud()) >= 2)
    running.kill(what)
    done = running.wait()
    assert done.code == 130, done
    assert "Interrupted" in done.err
    assert "iac apply" in done.err
    assert_settled(stack)
    assert 2 <= len(stack.objects()) < 6
    stack.apply()
    assert_settled(stack)
    assert len(stack.cloud()) == 6


def test_twice_leaves_a_journal_that_the_next_run_settles(stack, wait_until, assert_settled):
    """The cloud is held by somebody, so the running call neither ends nor listens."""
    stack.write(chain(0))
    stack.iac("plan")
    stack.iac("apply", "--auto-approve", "--target", "mock_object.o0")
    with closing(sqlite3.connect(stack.folder / ".iac" / "mock-cloud.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        running = subprocess.Popen(
            [sys.executable, "-m", "iacengine.cli.main", "apply", "--auto-approve"],
            cwd=stack.folder,
            env=os.environ | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        backend = LocalBackend(stack.state_path)
        wait_until(lambda: any(isinstance(entry, Begun) for entry in backend.read_journal()))
        running.send_signal(signal.SIGINT)
        told = running.stderr.readline()  # the first one does not end it: the call is still running
        assert "Interrupted: waiting for what has begun" in told
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=DEADLINE)
        assert running.returncode == 5, err
        assert "Traceback" not in err
        assert stack.journal_path.exists()
        holder.execute("ROLLBACK")
    stack.apply()
    assert_settled(stack)
    assert len(stack.cloud()) == 6


@pytest.mark.timeout(60)
def test_during_planning_changes_nothing_and_waits_for_no_read(stack, wait_until):
    stack.write({"resource": {"mock_object": {"o": {"name": "o"}}}})
    stack.apply()
    before = stack.state_path.read_bytes()
    stack.write({"provider": {"mock": {"latency": {"read": 300}}}, "resource": {"mock_object": {"o": {"name": "p"}}}})
    running = stack.start("plan", "--json")
    wait_until(lambda: "refresh" in running.printed())
    running.kill(signal.SIGINT)
    done = running.wait()
    assert done.code == 130, done
    assert stack.state_path.read_bytes() == before
    assert LocalBackend(stack.state_path).lock_holder() is None


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_the_waiting_for_another_try(what, stack, wait_until, assert_settled):
    data = chain({"create": 0})
    data["provider"]["mock"]["faults"] = [
        {"operation": "create", "name": "o1", "nth": 0, "error": "later", "retryable": True}
    ]
    data["stack"] = {"retries": {"mock": {"first_wait": "9999h", "longest_wait": "9999h", "patience": "99999h"}}}
    stack.write(data)
    running = stack.start("apply", "--auto-approve", "--on-failure", "pause")
    path = stack.folder / ".iac" / "mock-cloud.sqlite"

    def tried():
        if len(stack.cloud()) < 1:
            return False
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT count(*) FROM counters").fetchone()[0] > 0

    wait_until(tried)
    running.kill(what)
    done = running.wait()
    assert done.code == 130, done
    assert "Interrupted" in done.err
    assert_settled(stack)
    assert len(stack.objects()) == 1
