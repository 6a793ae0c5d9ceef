"""Provisioners on the machine that applies: when they run, what they leave, what is told of them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Messages = Callable[[Any], list[str]]


def local(command: str, **more: Any) -> dict[str, Any]:
    return {"local-exec": {"command": command, **more}}


def data(*provisioners: Any, **body: Any) -> dict[str, Any]:
    resource = {"terraform_data": {"a": {"provisioner": list(provisioners), **body}}}
    return {"stack": {"on_failure": "pause"}, "resource": resource}


def steps(done: Any) -> list[tuple[str, str]]:
    """Kind of line and what was printed, of everything that ran."""
    return [
        (line["type"], line["hook"].get("output", line["hook"].get("action", "")))
        for line in done.lines
        if "hook" in line and not line["type"].startswith("refresh")
    ]


def tainted(stack: Any) -> list[str]:
    return [line.split(" ")[0].removesuffix(":") for line in stack.iac("show").out.splitlines() if "(tainted)" in line]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_they_run_in_order_between_creation_and_its_end(stack: Any) -> None:
    stack.write(data(local("echo one ${self.input}"), local("printf 'two\\nthree'; echo four >&2"), input="x"))
    done = stack.iac("apply", "--auto-approve", "--json")
    assert steps(done) == [
        ("apply_start", "create"),
        ("provision_start", ""),
        ("provision_progress", 'Executing: ["/bin/sh" "-c" "echo one x"]'),
        ("provision_progress", "one x"),
        ("provision_complete", ""),
        ("provision_start", ""),
        ("provision_progress", 'Executing: ["/bin/sh" "-c" "printf \'two\\\\nthree\'; echo four >&2"]'),
        ("provision_progress", "two"),
        ("provision_progress", "threefour"),
        ("provision_complete", ""),
        ("apply_complete", "create"),
    ]
    assert tainted(stack) == []


def test_people_see_what_a_command_prints(stack: Any) -> None:
    stack.write(data(local("echo hello")))
    out = stack.apply().out
    assert "terraform_data.a: Provisioning with 'local-exec'...\n" in out
    assert "terraform_data.a (local-exec): hello\n" in out


def test_an_update_runs_none(stack: Any) -> None:
    stack.write(data(local("echo x >> made"), local("echo x >> gone", when="destroy"), input="1"))
    stack.apply()
    stack.write(data(local("echo x >> made"), local("echo x >> gone", when="destroy"), input="2"))
    stack.apply()
    assert (stack.folder / "made").read_text() == "x\n"
    assert not (stack.folder / "gone").exists()


def test_a_replacement_runs_those_of_both_ends(stack: Any) -> None:
    def config(version: str) -> dict[str, Any]:
        return data(
            local("echo make ${self.triggers_replace} >> log"),
            local("echo unmake ${self.triggers_replace} >> log", when="destroy"),
            triggers_replace=version,
        )

    stack.write(config("1"))
    stack.apply()
    stack.write(config("2"))
    stack.apply()
    stack.iac("destroy", "--auto-approve")
    assert (stack.folder / "log").read_text().splitlines() == ["make 1", "unmake 1", "make 2", "unmake 2"]


def test_an_object_that_stays_behind_a_new_one_is_deleted_without(stack: Any) -> None:
    def config(version: str) -> dict[str, Any]:
        lifecycle = {"create_before_destroy": True}
        return data(local("echo x >> gone", when="destroy"), triggers_replace=version, lifecycle=lifecycle)

    stack.write(config("1"))
    stack.apply()
    stack.write(config("2"))
    stack.apply()
    assert not (stack.folder / "gone").exists()


def test_an_instance_that_is_not_wanted_any_more_knows_its_key(stack: Any) -> None:
    stack.write(
        data(local("echo ${each.key} ${self.input} >> gone", when="destroy"), for_each={"k": 1, "l": 2}, input="x")
    )
    stack.apply()
    stack.write(data(local("echo ${each.key} ${self.input} >> gone", when="destroy"), for_each={"k": 1}, input="x"))
    stack.apply()
    assert (stack.folder / "gone").read_text() == "l x\n"


def test_a_failure_taints_and_the_next_apply_replaces(stack: Any) -> None:
    stack.write(data(local("test -e ready"), local("echo x > second"), input="x"))
    done = stack.apply(code=1)
    assert "exit status 1" in done.err
    assert "main.tf.json:1:" in done.err
    assert tainted(stack) == ["terraform_data.a"]
    assert not (stack.folder / "second").exists()
    assert not stack.journal_path.exists()
    (stack.folder / "ready").touch()
    assert stack.plan() == {"terraform_data.a": ["delete", "create"]}
    stack.apply()
    assert tainted(stack) == []
    assert (stack.folder / "second").exists()


def test_what_depends_on_a_failed_one_waits(stack: Any) -> None:
    config = data(local("exit 3"))
    config["resource"]["terraform_data"]["b"] = {"input": "${terraform_data.a.id}"}
    stack.write(config)
    stack.apply(code=1)
    assert list(stack.objects()) == ["terraform_data.a"]


def test_a_failure_that_does_not_matter_is_a_warning(stack: Any) -> None:
    stack.write(data(local("exit 3", on_failure="continue"), local("echo x > second")))
    done = stack.apply()
    assert "exit status 3" in done.err
    assert (stack.folder / "second").exists()
    assert tainted(stack) == []


def test_a_failure_before_a_delete_keeps_the_object_as_it_is(stack: Any) -> None:
    stack.write(data(local("test -e ready", when="destroy"), input="x"))
    stack.apply()
    stack.iac("destroy", "--auto-approve", code=1)
    assert list(stack.objects()) == ["terraform_data.a"]
    assert tainted(stack) == []
    (stack.folder / "ready").touch()
    stack.iac("destroy", "--auto-approve")
    assert stack.objects() == {}


def test_a_tainted_object_is_deleted_without(stack: Any) -> None:
    stack.write(data(local("exit 1"), local("echo x > gone", when="destroy")))
    stack.apply(code=1)
    stack.iac("destroy", "--auto-approve")
    assert stack.objects() == {}
    assert not (stack.folder / "gone").exists()


def test_secrets_suppress_the_output_and_the_command(stack: Any) -> None:
    config = data(local("echo ${var.s}; exit 1", environment={"A": "b"}))
    stack.write(config | {"variable": {"s": {"sensitive": True}}})
    done = stack.iac("apply", "--auto-approve", "--json", "--var", "s=hunter2", code=1)
    assert "hunter2" not in done.out + done.err
    assert ("provision_progress", "(output suppressed due to sensitive value in config)") in steps(done)


def test_the_command_gets_its_surroundings(stack: Any) -> None:
    (stack.folder / "sub").mkdir()
    more = {"working_dir": "sub", "environment": {"WHO": "me", "NONE": None}, "interpreter": ["/bin/sh", "-e", "-c"]}
    stack.write(data(local('false | true; echo "$WHO ${path.module}" > out; cat > rest', **more)))
    stack.apply()
    assert (stack.folder / "sub" / "out").read_text() == "me .\n"
    assert (stack.folder / "sub" / "rest").read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"command": "true", "working_dir": "nowhere"}, 'no directory "nowhere"'),
        ({"command": "true", "interpreter": ["/no/such/shell"]}, '"/no/such/shell" cannot be run'),
        ({"command": "${terraform_data.b.output}"}, "The command is empty"),
    ],
)
def test_what_cannot_be_run_is_told_without_a_traceback(stack: Any, arguments: dict[str, Any], told: str) -> None:
    config = data({"local-exec": arguments})
    config["resource"]["terraform_data"]["b"] = {"input": ""}
    stack.write(config)
    assert told in stack.apply(code=1).err.replace("\n  ", " ")


def test_a_command_that_prints_much_loses_no_line(stack: Any) -> None:
    stack.write(data(local("seq 1 30000")))
    done = stack.iac("apply", "--auto-approve", "--json")
    printed = [text for kind, text in steps(done) if kind == "provision_progress"][1:]
    assert printed == [str(number) for number in range(1, 30001)]


def test_a_run_that_is_killed_while_provisioning_leaves_the_object_tainted(stack: Any) -> None:
    stack.write(data(local("echo $$ > pid.part; mv pid.part pid; exec sleep 100"), input="x"))
    running = stack.start("apply", "--auto-approve")
    wait_for(stack.folder / "pid")
    running.kill(signal.SIGKILL)
    running.wait()
    os.kill(int((stack.folder / "pid").read_text()), signal.SIGKILL)
    assert stack.plan() == {"terraform_data.a": ["delete", "create"]}
    assert tainted(stack) == ["terraform_data.a"]


def test_an_interrupt_ends_the_command_and_all_that_it_started(stack: Any) -> None:
    stack.write(data(local("sleep 100 & echo $! > pid.part; mv pid.part pid; wait"), local("echo x > second")))
    running = stack.start("apply", "--auto-approve")
    wait_for(stack.folder / "pid")
    running.kill(signal.SIGINT)
    done = running.wait()
    assert done.code == 130, done
    assert not is_running(int((stack.folder / "pid").read_text()))
    assert not (stack.folder / "second").exists()
    assert tainted(stack) == ["terraform_data.a"]
    assert not stack.journal_path.exists()


def test_two_interrupts_end_a_command_that_does_not_listen(stack: Any) -> None:
    stack.write(
        data(local("trap 'touch asked' TERM; echo $$ > pid.part; mv pid.part pid; while :; do sleep 0.05; done"))
    )
    running = stack.start("apply", "--auto-approve")
    wait_for(stack.folder / "pid")
    running.kill(signal.SIGINT)
    wait_for(stack.folder / "asked")
    running.kill(signal.SIGINT)
    running.wait()
    deadline = time.monotonic() + 20
    while is_running(int((stack.folder / "pid").read_text())):
        assert time.monotonic() < deadline, "the command outlived the run"
        time.sleep(0.01)
    assert stack.plan() == {"terraform_data.a": ["delete", "create"]}


def test_the_plan_shows_them_in_its_configuration_only(stack: Any) -> None:
    stack.write(data(local("echo ${self.id}")))
    stack.iac("plan", "--out", "p")
    document = json.loads(stack.iac("show", "--json", "p").out)
    (block,) = document["configuration"]["root_module"]["resources"]
    (shown,) = block["provisioners"]
    assert shown["type"] == "local-exec"
    assert shown["expressions"]["command"]["references"] == ["self.id", "self"]
    done = stack.iac("apply", "p")
    assert "terraform_data.a (local-exec): " in done.out


def test_they_order_objects_as_references_of_the_body_do(stack: Any) -> None:
    config = data(local("echo ${terraform_data.b.output} > out"))
    config["resource"]["terraform_data"]["b"] = {"input": "made"}
    stack.write(config)
    stack.apply()
    assert (stack.folder / "out").read_text() == "made\n"


def test_a_failure_undoes_the_run_where_it_is_to_leave_nothing_behind(stack: Any) -> None:
    config = data(local("exit 3"), local("echo x > gone", when="destroy"), input="${terraform_data.b.id}")
    config["resource"]["terraform_data"]["b"] = {"input": "before"}
    stack.write(config | {"stack": {"on_failure": "rollback"}})
    done = stack.apply(code=4)
    assert "exit status 3" in done.err
    assert stack.objects() == {}
    assert not (stack.folder / "gone").exists()
