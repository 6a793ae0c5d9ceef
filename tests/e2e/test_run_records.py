"""Who did what: the records that runs leave."""

import json
import re

import pytest

from iacengine import engine
from iacengine.plan.digest import plan_digest


def objects(**bodies):
    return {"resource": {"mock_object": bodies}}


def runs(stack, *arguments):
    return stack.iac("runs", "list", "--json", *arguments).document["runs"]


def faulty(fault, **bodies):
    return {"provider": {"mock": {"faults": [{"type": "mock_object", **fault}]}}, **objects(**bodies)}


def steps(run):
    return [(step["address"], step["operation"], step["outcome"]) for step in run["steps"]]


@pytest.fixture
def applied(stack):
    stack.write(objects(a={"name": "a"}, b={"name": "b", "depends_on": ["mock_object.a"]}))
    stack.apply()
    return stack


def test_an_apply_is_recorded_with_its_steps(applied):
    (run,) = runs(applied)
    assert (run["command"], run["outcome"], run["on_failure"]) == ("iac apply", "complete", "rollback")
    assert (run["serial_before"], run["serial_after"]) == (None, 1)
    assert steps(run) == [("mock_object.a", "create", "done"), ("mock_object.b", "create", "done")]
    assert re.fullmatch("[0-9a-f]{64}", run["plan_digest"])
    assert run["started"] <= run["ended"]
    assert run["owner"]
    assert run["pid"]


def test_every_command_that_changes_the_state_is_recorded(applied):
    commands = [
        ["refresh"],
        ["state", "mv", "mock_object.a", "mock_object.c"],
        ["state", "rm", "mock_object.c"],
        ["state", "protect", "mock_object.b"],
        ["state", "unprotect", "mock_object.b"],
        ["rollback", "--to", "1", "--auto-approve"],
        ["recover"],
        ["destroy", "--auto-approve"],
    ]
    for arguments in commands:
        applied.iac(*arguments)
    applied.write(json.dumps({"lineage": "x"}), "nothing")
    told = [run["command"] for run in reversed(runs(applied))]
    named = ["iac " + " ".join(arguments[: 2 if arguments[0] == "state" else 1]) for arguments in commands]
    assert told == ["iac apply", *named]
    assert {run["outcome"] for run in runs(applied)} == {"complete"}
    serials = [(run["serial_before"], run["serial_after"]) for run in reversed(runs(applied))]
    assert [after for _, after in serials[:-1]] == [before for before, _ in serials[1:]]


def test_commands_that_only_look_leave_no_record(applied):
    before = runs(applied)
    commands = [["plan"], ["show"], ["state", "list"], ["output"], ["validate"], ["state", "diff", "1"]]
    for arguments in [*commands, ["state", "rm", "--dry-run", "mock_object.a"]]:
        applied.iac(*arguments)
    assert runs(applied) == before


def test_a_plan_that_is_not_approved_is_recorded_as_declined(applied):
    applied.write(objects(a={"name": "x"}))
    applied.iac("apply", "--no-input", code=1)
    assert runs(applied)[0]["outcome"] == "failed"
    applied.iac("apply", code=1)
    assert runs(applied)[0]["outcome"] in ("declined", "failed")
    assert runs(applied)[0]["steps"] == []


def test_a_run_that_was_undone_says_so_of_its_steps(stack):
    bodies = {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}
    stack.write(faulty({"name": "b", "operation": "create", "error": "no room"}, **bodies))
    stack.apply(code=4)
    (run,) = runs(stack)
    assert (run["outcome"], run["error"]) == ("rolled back", run["steps"][1]["error"])
    assert steps(run) == [
        ("mock_object.a", "create", "undone"),
        ("mock_object.b", "create", "failed"),
        ("mock_object.a", "delete", "done"),
    ]


def test_what_could_not_be_undone_is_paused(stack):
    bodies = {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}
    faults = [
        {"type": "mock_object", "name": "b", "operation": "create", "error": "no room"},
        {"type": "mock_object", "name": "a", "operation": "delete", "error": "held"},
    ]
    stack.write({"provider": {"mock": {"faults": faults}}, **objects(**bodies)})
    stack.apply(code=5)
    assert runs(stack)[0]["outcome"] == "paused"
    stack.iac("recover", "--retry")
    assert (runs(stack)[0]["command"], runs(stack)[0]["outcome"]) == ("iac recover", "recovered")


def test_a_failed_step_that_stays_is_recorded_with_what_was_skipped(stack):
    bodies = {"a": {"name": "a"}, "b": {"name": "b", "depends_on": ["mock_object.a"]}}
    stack.write(faulty({"name": "a", "operation": "create", "error": "no room"}, **bodies))
    stack.apply("--on-failure", "pause", code=1)
    (run,) = runs(stack)
    assert run["outcome"] == "failed"
    assert steps(run) == [("mock_object.a", "create", "failed"), ("mock_object.b", "create", "skipped")]


def test_a_run_that_was_killed_is_interrupted_as_soon_as_anybody_looks(stack):
    stack.write(faulty({"name": "a", "operation": "create", "crash": "after"}, a={"name": "a"}))
    stack.apply(code=None)
    kept = [json.loads(line) for line in (stack.folder / "iac.state.json.runs").read_text().splitlines()]
    assert [run["outcome"] for run in kept] == ["running"]
    assert runs(stack)[0]["outcome"] == "interrupted"
    stack.write(objects(a={"name": "a"}))
    stack.apply()
    second, first = runs(stack)
    assert (first["outcome"], second["outcome"]) == ("interrupted", "complete")
    assert first["ended"]
    assert ("mock_object.a", "recover create", "done") in steps(second)


def test_a_plan_that_had_to_recover_is_recorded(stack):
    stack.write(faulty({"name": "a", "operation": "create", "crash": "after"}, a={"name": "a"}))
    stack.apply("--on-failure", "pause", code=None)
    stack.write(objects(a={"name": "a"}))
    stack.iac("plan")
    newest = runs(stack)[0]
    assert (newest["command"], newest["outcome"]) == ("iac plan", "recovered")
    assert (newest["serial_before"], newest["serial_after"]) == (None, 1)


def test_an_error_before_anything_was_done_is_recorded_with_its_summary(applied):
    applied.write("resource: {mock_object: {a: {nam: a}}}")
    (applied.folder / "main.tf.json").unlink()
    applied.apply(code=1)
    assert (runs(applied)[0]["outcome"], runs(applied)[0]["error"]) == ("failed", 'Unknown argument "nam"')


def test_a_record_that_cannot_be_written_is_a_warning(stack):
    stack.write(objects(a={"name": "a"}))
    (stack.folder / "iac.state.json.runs").mkdir()
    done = stack.apply()
    assert "The run is not recorded" in done.err
    assert len(stack.cloud()) == 1
    assert "The run is not recorded" in stack.iac("state", "mv", "mock_object.a", "mock_object.b").err
    kinds = [line["type"] for line in stack.iac("refresh", "--json").lines]
    assert "diagnostic" in kinds


def test_a_held_lock_is_not_recorded(stack):
    stack.write({"provider": {"mock": {"latency": {"create": 30}}}, **objects(a={"name": "a"})})
    running = stack.start("apply", "--auto-approve")
    while not (stack.folder / "iac.state.json.journal").exists():
        assert "error" not in running.printed()
    stack.iac("apply", "--auto-approve", code=3)
    (run,) = runs(stack)
    assert run["outcome"] == "running"
    running.kill()
    running.wait()


def test_the_first_letters_of_an_id_are_enough(applied):
    (run,) = runs(applied)
    assert applied.iac("runs", "show", run["id"][:4], "--json").document == run
    shown = applied.iac("runs", "show", run["id"]).out
    assert f"run:        {run['id']}" in shown
    assert re.search(r"mock_object.a +create +done", shown)
    assert "No such run" in applied.iac("runs", "show", "zzz", code=1).err
    assert "No such run" in applied.iac("runs", "show", "", code=1).err


def test_ids_that_name_several_runs_are_refused(applied):
    (run,) = runs(applied)
    path = applied.folder / "iac.state.json.runs"
    path.write_text(path.read_text() + json.dumps({**run, "id": run["id"] + "x"}) + "\n")
    assert "Several runs" in applied.iac("runs", "show", run["id"][:5], code=1).err
    assert applied.iac("runs", "show", run["id"], "--json").document["id"] == run["id"]


def test_the_newest_runs_come_first_and_no_more_than_asked_for(applied):
    applied.iac("refresh")
    assert [run["command"] for run in runs(applied, "--limit", "1")] == ["iac refresh"]
    lines = applied.iac("runs", "list").out.splitlines()
    assert lines[0].split()[:3] == ["id", "started", "command"]
    assert "iac refresh" in lines[1]


def test_there_are_no_runs_of_a_new_stack(stack):
    stack.write(objects(a={"name": "a"}))
    assert stack.iac("runs", "list").out == "No runs are recorded.\n"


def test_the_digest_of_a_plan_tells_plans_apart_and_holds_no_secret(applied):
    def digest(name, secret):
        body = {"name": name, "attributes": {"k": "${var.s}"}}
        applied.write({"variable": {"s": {"sensitive": True, "default": secret}}, **objects(a=body)})
        applied.iac("plan", "--out", "p")
        return plan_digest(engine.load_plan(str(applied.folder / "p")))

    first = digest("x", "one")
    assert digest("x", "two") == first
    assert digest("y", "one") != first
    digest("x", "one")
    applied.iac("apply", "p")
    assert runs(applied)[0]["plan_digest"] == first
    assert digest("x", "one") != first


def test_moving_the_state_is_recorded_where_it_went(applied):
    (before,) = runs(applied)
    applied.iac("state", "migrate", "--to", "elsewhere.json")
    moved, first = runs(applied, "--state", "elsewhere.json")
    assert first == before
    assert (moved["command"], moved["outcome"], moved["serial_after"]) == ("iac state migrate", "complete", 1)
    assert moved["steps"][0]["operation"] == "move from iac.state.json"
