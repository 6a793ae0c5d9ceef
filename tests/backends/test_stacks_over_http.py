"""Stacks that keep their state on a server: runs, interruptions, locks, and moving there and back."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from iacengine.state.backends.catalog import open_backend
from iacengine.state.backends.settings import BackendSettings
from iacengine.state.lock import lock_claim
from iacengine.testing.services.state_server import Fault, StateServer

RESOURCES = {"mock_object": {"a": {"name": "a"}, "b": {"count": 3, "name": "b ${count.index}"}}}


def write(stack, backend=None, latency=None, resources=RESOURCES):
    document = {"resource": resources}
    if backend is not None:
        document["terraform"] = {"backend": backend}
    if latency is not None:
        document["provider"] = {"mock": {"latency": latency}}
    stack.write(document)


def http(server, **more):
    return {"http": {"address": f"{server.url}/stack", "retry_max": 2, "retry_wait_min": 0.01, **more}}


def wait_until(running, happened):
    """Look until something has happened; fail, rather than look for ever, when the command ended before."""
    while not happened():
        status = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert status != "Z" or happened(), running.printed()


def holding(server, **claim):
    backend = open_backend(BackendSettings("http", {"address": f"{server.url}/stack"}))
    return backend, backend.lock(replace(lock_claim("iac apply"), **claim), 0)


def test_a_stack_keeps_everything_on_the_server(stack, server):
    write(stack, http(server))
    stack.apply()
    assert len(stack.objects()) == 4
    assert stack.plan() == {}
    assert not stack.state_path.exists()
    assert "secret" not in json.loads((stack.folder / ".iac" / "backend.json").read_text())
    stack.iac("destroy", "--auto-approve")
    assert stack.cloud() == {}


def test_a_run_that_was_killed_is_recovered_from_anywhere(stack, new_stack, server):
    write(stack, http(server, lease=0.5), latency=0.15)
    running = stack.start("apply", "--auto-approve", "--no-input", "--parallelism=1", "--on-failure=pause")
    wait_until(running, stack.cloud)
    running.kill()
    assert running.wait().code == -signal.SIGKILL
    write(stack, http(server, lease=0.5))
    stack.apply("--lock-timeout=30s", "--on-failure=pause")
    assert len(stack.cloud()) == len(stack.objects()) == 4
    assert stack.plan() == {}


def test_of_two_applies_at_once_one_is_told_who_holds_the_lock(stack, server):
    write(stack, http(server))
    backend, lock = holding(server)
    done = stack.apply(code=3)
    assert lock.info.id in done.err
    lock.release()
    backend.close()
    stack.apply()


def test_a_server_that_is_down_is_told_without_a_traceback(stack, server):
    write(stack, {"http": {**http(server)["http"], "password": "hunter2", "username": "me"}})
    server.stop()
    done = stack.iac("plan", code=1)
    assert "Server cannot be reached" in done.err
    assert "hunter2" not in done.err


def test_what_a_plain_server_lacks_is_told_by_plans(stack, tmp_path, server):
    server.plain = True
    write(stack, http(server))
    assert "Journal kept in this folder" in stack.iac("plan").err
    stack.apply()
    assert len(stack.objects()) == 4


# --- backends that change -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb", [("plan",), ("apply", "--auto-approve"), ("init",), ("state", "list"), ("destroy",), ("show",), ("output",)]
)
def test_no_verb_starts_from_nothing_when_the_block_has_changed(verb, stack, server):
    write(stack)
    stack.apply()
    write(stack, http(server))
    done = stack.iac(*verb, code=1)
    assert "Backend changed" in done.err
    assert "iac state migrate" in done.err
    assert len(stack.cloud()) == 4


def test_a_state_is_moved_there_and_back(stack, server):
    write(stack)
    stack.apply()
    write(stack, http(server))
    done = stack.iac("state", "migrate", "--json").document
    assert (done["outcome"], done["objects"]) == ("moved", 4)
    assert stack.plan() == {}
    write(stack)
    found = stack.iac("plan", code=1)
    assert "was moved" in found.err or "Backend changed" in found.err
    assert "Moved 4 objects" in stack.iac("state", "migrate").out
    assert stack.plan() == {}
    assert not (stack.folder / ".iac" / "backend.json").exists()
    write(stack, http(server))
    assert "was moved" in stack.iac("plan", code=1).err


def test_a_place_can_be_named_instead_of_the_block(stack, server):
    write(stack)
    stack.apply()
    done = stack.iac("state", "migrate", "--to", json.dumps(http(server)))
    assert "Put the backend block" in done.out
    assert "was moved" in stack.iac("plan", code=1).err
    write(stack, http(server))
    assert stack.plan() == {}
    write(stack, {"local": {"path": "elsewhere.json"}})
    stack.iac("state", "migrate", "--from", json.dumps(http(server)))
    assert stack.plan() == {}
    write(stack, {"local": {"path": "third.json"}})
    stack.iac("state", "migrate", "--from", "elsewhere.json")
    assert stack.plan() == {}


def test_moving_needs_two_places(stack):
    write(stack)
    stack.apply()
    assert "Nothing to move" in stack.iac("state", "migrate", code=1).err
    assert "no JSON" in stack.iac("state", "migrate", "--to", "{", code=1).err
    assert "same" in stack.iac("state", "migrate", "--from", "iac.state.json", code=1).err


def test_an_interrupted_run_is_moved_along_and_settled_there(stack, server):
    write(stack, latency=0.15)
    running = stack.start("apply", "--auto-approve", "--no-input", "--parallelism=1", "--on-failure=pause")
    wait_until(running, lambda: len(stack.cloud()) >= 2)
    running.kill()
    running.wait()
    write(stack, http(server))
    assert "settles it" in stack.iac("state", "migrate").out
    stack.apply("--on-failure=pause")
    assert len(stack.cloud()) == len(stack.objects()) == 4


def test_a_move_that_was_killed_goes_on(stack, server):
    write(stack)
    stack.apply()
    write(stack, http(server, lease=0.5))
    server.faults.append(Fault("slow", "POST", "/stack", seconds=60))
    running = stack.start("state", "migrate")
    wait_until(running, lambda: ("POST", "/stack") in server.requests)
    running.kill()
    assert running.wait().code == -signal.SIGKILL
    assert "migration was cut off" in stack.iac("plan", "--lock-timeout=30s", code=1).err
    assert stack.iac("state", "migrate", "--lock-timeout=30s", "--json").document["outcome"] == "moved"
    assert stack.plan() == {}


def test_a_place_that_is_remembered_without_its_secrets_can_be_named_with_them(stack, tmp_path):
    guarded = StateServer(tmp_path / "guarded", credentials="me:hunter2")
    try:
        block = http(guarded, username="me", password="hunter2")
        write(stack, block)
        stack.apply()
        write(stack)
        done = stack.iac("state", "migrate", code=1)
        assert "remembered without secrets" in done.err
        assert "--from" in done.err
        assert "Moved 4 objects" in stack.iac("state", "migrate", "--from", json.dumps(block)).out
        assert stack.plan() == {}
    finally:
        guarded.stop()


def test_outputs_are_not_read_from_where_a_state_was_moved_away(stack, new_stack, server):
    write(stack)
    stack.apply()
    write(stack, http(server))
    stack.iac("state", "migrate")
    reader = new_stack("reader")
    config = {"path": str(stack.state_path)}
    reader.write({"data": {"terraform_remote_state": {"s": {"backend": "local", "config": config}}}})
    assert "was moved" in reader.iac("plan", code=1).err


def test_a_folder_without_a_record_starts_where_the_block_says(stack, new_stack, server):
    write(stack, http(server))
    stack.apply()
    clone = new_stack("clone")
    write(clone, http(server))
    assert len(clone.objects()) == 4


def test_a_changed_setting_that_is_no_other_place_changes_nothing(stack, server):
    write(stack, http(server))
    stack.apply()
    write(stack, http(server, versions=3, lease=30))
    assert stack.plan() == {}


# --- locks ----------------------------------------------------------------------------------------------------------


def test_everybody_can_see_who_holds_the_lock(stack, server):
    write(stack, http(server))
    assert stack.iac("lock", "list", "--json").document["locks"] == []
    assert "Nobody" in stack.iac("lock", "list").out
    backend, lock = holding(server)
    (told,) = stack.iac("lock", "list", "--json").document["locks"]
    assert told["id"] == lock.info.id
    assert told["fencing_token"] == lock.info.fencing_token
    assert told["running"] is True
    assert told["expires"]
    shown = stack.iac("lock", "list").out
    for part in (lock.info.id, lock.info.owner, "iac apply", "still running", lock.info.created):
        assert part in shown
    lock.release()
    backend.close()


def test_a_lock_whose_process_lives_is_broken_only_by_force(stack, server):
    write(stack, http(server))
    backend, lock = holding(server)
    for arguments in ((), ("--yes",), ("--stale",), (lock.info.id, "--yes")):
        assert "still running" in stack.iac("lock", "break", *arguments, code=3).err
    assert "Approval" in stack.iac("lock", "break", "--force", code=1).err
    assert "No such lock" in stack.iac("lock", "break", "another", "--force", "--yes", code=1).err
    assert lock.info.id in stack.iac("lock", "break", "--force", "--yes").out
    stack.apply()
    lock.release()
    backend.close()


def test_a_lock_whose_process_is_gone_is_broken_as_stale(stack, server):
    write(stack, http(server))
    backend, lock = holding(server, pid=2**22 + 1)
    assert stack.iac("lock", "list", "--json").document["locks"][0]["running"] is False
    assert stack.iac("lock", "break", "--stale", "--json").document["broken"]["id"] == lock.info.id
    (record,) = stack.iac("runs", "list", "--json").document["runs"]
    assert record["command"] == "iac lock break"
    assert f"break the lock {lock.info.id} of {lock.info.owner}@" in record["steps"][0]["operation"]
    assert "nothing to break" in stack.iac("lock", "break", "--stale").out
    assert "No lock to break" in stack.iac("lock", "break", "--yes", code=1).err
    lock.release()
    backend.close()


def test_a_lock_of_another_host_is_stale_only_by_a_person(stack, server):
    write(stack, http(server))
    backend, lock = holding(server, host="elsewhere")
    assert "on another host" in stack.iac("lock", "break", "--stale", code=3).err
    assert stack.iac("lock", "list", "--json").document["locks"][0]["running"] is None
    stack.iac("lock", "break", lock.info.id, "--yes")
    assert stack.iac("lock", "list", "--json").document["locks"] == []
    lock.release()
    backend.close()


def test_a_local_lock_says_why_it_cannot_be_broken(stack):
    write(stack, latency=0.3)
    running = stack.start("apply", "--auto-approve", "--no-input", "--parallelism=1")
    wait_until(running, stack.cloud)
    assert "iac apply" in stack.iac("lock", "list").out
    assert "still running" in stack.iac("lock", "break", "--yes", code=3).err
    assert "cannot be broken" in stack.iac("lock", "break", "--yes", "--force", code=1).err
    assert running.wait().code == 0
    assert "Nobody" in stack.iac("lock", "list").out
