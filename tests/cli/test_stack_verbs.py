"""Whole runs of the command line on real stacks, with the provider built in and the mock cloud."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iacengine.cli import exits
from iacengine.state.backends.local import LocalBackend
from iacengine.state.lock import lock_claim

Iac = Callable[..., subprocess.CompletedProcess[str]]

STACK = """\
variable:
  size: {type: number, default: 1}
  token: {type: string, default: hunter2, sensitive: true}
resource:
  terraform_data:
    first:
      input: {size: "${var.size}", secret: "${var.token}"}
    second:
      count: 2
      input: "${terraform_data.first.id}-${count.index}"
output:
  size: {value: "${var.size + 0.5}"}
  names: {value: "${terraform_data.second[*].input}"}
  token: {value: "${var.token}", sensitive: true}
"""


SECRETS = """\
variable:
  token: {type: string, default: hunter2, sensitive: true}
resource:
  mock_database:
    main: {name: main, engine: postgres, password: "${var.token}"}
output:
  token: {value: "${var.token}", sensitive: true}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "main.iac.yaml").write_text(STACK)
    return tmp_path


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def ok(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_stack_lives_from_plan_to_destroy(iac: Iac, stack: Path) -> None:
    assert "Plan: 3 to add, 0 to change, 0 to destroy." in ok(iac("plan", "-out=saved")).stdout
    assert (stack / "saved").stat().st_mode & 0o777 == 0o600
    assert "terraform_data.first will be created" in ok(iac("show", "saved")).stdout
    assert "Apply complete! Resources: 3 added, 0 changed, 0 destroyed." in ok(iac("apply", "saved")).stdout
    assert "No changes." in ok(iac("plan")).stdout
    assert ok(iac("state", "list")).stdout.split() == [
        "terraform_data.first",
        "terraform_data.second[0]",
        "terraform_data.second[1]",
    ]
    assert ok(iac("output", "size")).stdout == "1.5\n"
    assert "Destroy complete! Resources: 3 destroyed." in ok(iac("destroy", "-auto-approve")).stdout
    assert json.loads(ok(iac("show", "-json")).stdout) == {"format_version": "1.0"}


def test_only_yes_approves(iac: Iac, stack: Path) -> None:
    for answer in ("no\n", "y\n", "YES\n", "\n"):
        done = iac("apply", stdin=answer)
        assert done.returncode == exits.ERROR
        assert "nothing was changed" in done.stdout
    assert "3 added" in ok(iac("apply", stdin="yes\n")).stdout


@pytest.mark.parametrize("options", [["-input=false"], ["-json"], []])
def test_what_cannot_be_approved_is_not_done(iac: Iac, stack: Path, options: list[str]) -> None:
    done = iac("apply", *options)
    assert done.returncode == exits.ERROR
    assert "--auto-approve" in done.stdout + done.stderr
    assert not (stack / "iac.state.json").exists()


def test_detailed_exit_codes_tell_changes_from_none(iac: Iac, stack: Path) -> None:
    assert iac("plan", "-detailed-exitcode").returncode == exits.CHANGES
    ok(iac("apply", "-auto-approve"))
    assert iac("plan", "-detailed-exitcode").returncode == exits.DONE
    assert iac("plan", "-detailed-exitcode", "-var", "size=2").returncode == exits.CHANGES
    assert iac("plan", "-detailed-exitcode", "-var", "size=x").returncode == exits.ERROR


def test_a_held_lock_is_told_and_ends_with_3(iac: Iac, stack: Path) -> None:
    held = LocalBackend(str(stack / "iac.state.json")).lock(lock_claim("iac test"), 0)
    try:
        done = iac("plan")
        assert done.returncode == exits.LOCKED
        assert "iac test" in done.stderr
        done = iac("plan", "-json")
        assert done.returncode == exits.LOCKED
        assert lines(done)[-1]["type"] == "diagnostic"
        ok(iac("plan", "-lock=false"))
        assert iac("state", "rm", "terraform_data.first").returncode == exits.LOCKED
    finally:
        held.release()


def test_sensitive_values_reach_no_output_but_those_asked_for(iac: Iac, stack: Path) -> None:
    (stack / "main.iac.yaml").write_text(SECRETS)
    for arguments in (
        ["plan", "-out=p"],
        ["plan", "-json"],
        ["show", "p"],
        ["apply", "-json", "p"],
        ["show"],
        ["output"],
        ["state", "show", "mock_database.main"],
        ["plan", "-var", "token=other", "-json"],
        ["plan", "-var", "token=other"],
        ["plan", "-destroy"],
    ):
        done = ok(iac(*arguments))
        assert "hunter2" not in done.stdout + done.stderr, arguments
    assert ok(iac("output", "-raw", "token")).stdout == "hunter2"
    assert '"hunter2"' in ok(iac("output", "-show-sensitive")).stdout
    assert json.loads(ok(iac("output", "-json")).stdout)["token"]["value"] == "hunter2"
    assert "hunter2" not in ok(iac("destroy", "-json", "-auto-approve")).stdout


def test_a_plan_for_a_stack_of_one_file_is_applied_to_that_files_state(iac: Iac, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "web.iac.yaml").write_text(STACK)
    ok(iac("plan", "sub/web.iac.yaml", "-out=p"))
    ok(iac("apply", "p"))
    assert "No changes." in ok(iac("plan", "sub/web.iac.yaml")).stdout
    assert "terraform_data.first" in ok(iac("state", "list", "-stack", "sub/web.iac.yaml")).stdout


def test_a_saved_plan_takes_no_options_that_ask_for_another(iac: Iac, stack: Path) -> None:
    ok(iac("plan", "-out=p"))
    done = iac("apply", "-var", "size=2", "-target=terraform_data.first", "p")
    assert done.returncode == exits.ERROR
    assert "--target cannot be used with a saved plan" in " ".join(done.stderr.split())


def test_a_stale_plan_is_refused(iac: Iac, stack: Path) -> None:
    ok(iac("apply", "-auto-approve"))
    ok(iac("plan", "-out=p", "-var", "size=2"))
    ok(iac("apply", "-auto-approve", "-var", "size=3"))
    done = iac("apply", "p")
    assert done.returncode == exits.ERROR
    assert "stale" in done.stderr


def test_a_file_that_is_no_plan_is_told_so(iac: Iac, stack: Path) -> None:
    (stack / "other").write_bytes(b"\x00\x01")
    for verb in ("apply", "show"):
        done = iac(verb, "other")
        assert done.returncode == exits.ERROR
        assert "Not a plan file" in done.stderr


def test_a_mistake_in_the_stack_is_told_the_same_by_every_verb(iac: Iac, stack: Path) -> None:
    (stack / "main.iac.yaml").write_text("resource:\n  terraform_data:\n    a:\n      input: ${var.sise}\n")
    for verb in ("plan", "validate", "apply", "destroy"):
        done = iac(verb)
        assert done.returncode == exits.ERROR
        assert "main.iac.yaml:4:" in done.stderr
        assert "sise" in done.stderr
    document = json.loads(iac("validate", "-json").stdout)
    assert (document["valid"], document["error_count"]) == (False, 1)
    assert document["diagnostics"][0]["range"]["filename"] == "main.iac.yaml"
    assert lines(iac("plan", "-json"))[-1]["diagnostic"]["range"]["start"]["line"] == 4


def test_a_required_variable_is_not_asked_for_without_a_terminal(iac: Iac, stack: Path) -> None:
    (stack / "main.iac.yaml").write_text("variable:\n  name: {type: string}\n")
    done = iac("plan")
    assert done.returncode == exits.ERROR
    assert 'No value for the variable "name"' in done.stderr


def test_validate_says_success(iac: Iac, stack: Path) -> None:
    assert "Success!" in ok(iac("validate")).stdout
    assert json.loads(ok(iac("validate", "-json")).stdout)["valid"]


def test_init_names_the_providers(iac: Iac, stack: Path) -> None:
    assert "terraform.io/builtin/terraform" in ok(iac("init", "-input=false")).stdout
    (stack / "other.iac.yaml").write_text("resource: {nonesuch_thing: {a: {}}}\n")
    done = iac("init")
    assert done.returncode == exits.ERROR
    assert "nonesuch" in done.stderr


def test_a_failed_apply_that_keeps_what_is_done_ends_with_1_and_says_what_is_left(iac: Iac, stack: Path) -> None:
    (stack / "main.iac.yaml").write_text(
        """\
provider:
  mock: {faults: [{type: mock_object, name: bad, operation: create, nth: 1, error: no room}]}
resource:
  mock_object:
    good: {name: good}
    bad: {name: bad}
    after: {name: after, depends_on: [mock_object.bad]}
"""
    )
    done = iac("apply", "-auto-approve", "-on-failure=pause")
    assert done.returncode == exits.ERROR
    assert "no room" in done.stderr
    assert "Failed: mock_object.bad." in done.stderr
    assert "Apply incomplete." in done.stdout
    assert "2 added" in ok(iac("apply", "-auto-approve")).stdout


def test_an_apply_with_json_streams_terraforms_lines(iac: Iac, stack: Path) -> None:
    shown = lines(ok(iac("apply", "-json", "-auto-approve")))
    kinds = [line["type"] for line in shown]
    assert kinds[0] == "version"
    assert kinds.count("planned_change") == kinds.count("apply_start") == kinds.count("apply_complete") == 3
    assert kinds[-2:] == ["change_summary", "outputs"]
    assert shown[-1]["outputs"]["size"] == {"sensitive": False, "type": "number", "value": 1.5}
    assert "value" not in shown[-1]["outputs"]["token"]


def test_a_replacement_is_a_delete_and_a_create(iac: Iac, stack: Path) -> None:
    ok(iac("apply", "-auto-approve"))
    shown = lines(ok(iac("apply", "-json", "-auto-approve", "-replace=terraform_data.second[1]")))
    done = [
        (line["hook"]["action"], line["hook"]["resource"]["addr"]) for line in shown if line["type"] == "apply_complete"
    ]
    assert done == [("delete", "terraform_data.second[1]"), ("create", "terraform_data.second[1]")]


def test_objects_are_moved_and_forgotten(iac: Iac, stack: Path) -> None:
    ok(iac("apply", "-auto-approve"))
    assert "Would move" in ok(iac("state", "mv", "-dry-run", "terraform_data.first", "terraform_data.main")).stdout
    assert "terraform_data.first" in ok(iac("state", "list")).stdout
    ok(iac("state", "mv", "terraform_data.first", "terraform_data.main"))
    shown = json.loads(ok(iac("show", "-json")).stdout)["values"]["root_module"]["resources"]
    assert [one["address"] for one in shown if one.get("depends_on") == ["terraform_data.main"]] == [
        "terraform_data.second[0]",
        "terraform_data.second[1]",
    ]
    ok(iac("state", "mv", "terraform_data.second", "module.m.terraform_data.second"))
    done = ok(iac("state", "rm", "module.m"))
    assert "2 objects removed from the state." in done.stdout
    assert ok(iac("state", "list")).stdout == "terraform_data.main\n"


@pytest.mark.parametrize(
    ("source", "destination", "message"),
    [
        ("terraform_data.nope", "terraform_data.x", "No such object"),
        ("terraform_data.first", "terraform_data.second[0]", "Destination is taken"),
        ("terraform_data.first", "mock_object.first", "another type"),
        ("terraform_data.first", "module.m", "different kinds"),
        ("terraform_data.second", "terraform_data.x[0]", "different kinds"),
        ("not an address", "terraform_data.x", "Invalid address"),
    ],
)
def test_a_move_that_makes_no_sense_changes_nothing(
    iac: Iac, stack: Path, source: str, destination: str, message: str
) -> None:
    ok(iac("apply", "-auto-approve"))
    before = (stack / "iac.state.json").read_bytes()
    done = iac("state", "mv", source, destination)
    assert done.returncode == exits.ERROR
    assert message in done.stderr
    assert (stack / "iac.state.json").read_bytes() == before


def test_a_pulled_state_can_be_pushed_back(iac: Iac, stack: Path) -> None:
    ok(iac("apply", "-auto-approve"))
    pulled = ok(iac("state", "pull")).stdout
    ok(iac("state", "rm", "terraform_data.first"))
    (stack / "pulled").write_text(pulled)
    done = iac("state", "push", "pulled")
    assert done.returncode == exits.ERROR
    assert "Older state" in done.stderr
    ok(iac("state", "push", "-force", "pulled"))
    assert "No changes." in ok(iac("plan")).stdout
    exported = ok(iac("state", "pull", "-format=terraform")).stdout
    assert json.loads(exported)["version"] == 4
    ok(iac("state", "push", "-", "-force", stdin=exported))
    assert "No changes." in ok(iac("plan")).stdout


def test_the_graph_is_printed_in_three_languages(iac: Iac, stack: Path) -> None:
    assert '"terraform_data.second" -> "terraform_data.first";' in ok(iac("graph")).stdout
    assert ok(iac("graph", "-format=mermaid")).stdout.startswith("flowchart RL\n")
    document = json.loads(ok(iac("graph", "-json")).stdout)
    assert document["edges"] == [{"source": "terraform_data.second", "target": "terraform_data.first"}]
    assert "var.size" in json.loads(ok(iac("graph", "-json", "-all")).stdout)["nodes"]


def test_the_console_knows_variables_and_objects(iac: Iac, stack: Path) -> None:
    ok(iac("apply", "-auto-approve"))
    asked = 'var.size + 1\nterraform_data.first.input.size\nvar.token\ntype(var.size)\n[1,\n2]\nnull\ntolist(["a"])\n'
    assert ok(iac("console", "-var", "size=4", stdin=asked)).stdout == (
        '5\n1\n(sensitive value)\nnumber\n[\n    1,\n    2,\n]\nnull\ntolist([\n    "a",\n])\n'
    )
    done = iac("console", stdin="var.nope\n1 + 1\n")
    assert done.returncode == exits.ERROR
    assert done.stdout == "2\n"
    assert "nope" in done.stderr


def test_the_console_answers_programs(iac: Iac, tmp_path: Path) -> None:
    asked = '{"id": 1, "expr": "var.x + 1", "vars": {"var": {"x": 12345678901234567890123}}}\nnonsense\n'
    first, second = ok(iac("console", "-jsonl", stdin=asked)).stdout.splitlines()
    assert first == '{"id": 1, "result": 12345678901234567890124, "type": "number"}'
    assert "error" in json.loads(second)


def test_files_are_formatted_below_the_directory(iac: Iac, tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    file = folder / "a.iac.yaml"
    file.write_text("locals:   {a:  1}  # why\n")
    file.chmod(0o644)
    done = iac("fmt", "-check", "-diff")
    assert done.returncode == 3
    assert done.stdout.startswith("sub/a.iac.yaml\n--- old/sub/a.iac.yaml\n")
    assert file.read_text() == "locals:   {a:  1}  # why\n"
    assert ok(iac("fmt")).stdout == "sub/a.iac.yaml\n"
    assert "# why" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    assert ok(iac("fmt")).stdout == ""
    assert ok(iac("fmt", "-", stdin="a:   1\n")).stdout == "a: 1\n"
    (folder / "bad.iac.yaml").write_text("a: [1\n")
    broken = iac("fmt")
    assert broken.returncode == exits.ERROR
    assert "sub/bad.iac.yaml:1:" in broken.stderr
    assert iac("fmt", "nowhere").returncode == exits.ERROR


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_missing_variables_are_asked_for(stack: Path) -> None:
    import pty

    (stack / "main.iac.yaml").write_text(
        "variable:\n  who: {type: string, description: Whom to greet}\n"
        "  pin: {type: string, sensitive: true}\n"
        "output:\n  greeting: {value: 'Hello ${var.who}!'}\n"
    )
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "iacengine.cli.main", "apply"],
        cwd=stack,
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
        env=os.environ | {"NO_COLOR": "1", "TERM": "xterm", "CI": "1"},
    )
    os.close(child)
    shown = ""
    answers = {"var.pin": b"hunter2\n", "var.who": b"World\n", "Only 'yes'": b"yes\n"}
    try:
        while True:
            try:
                data = os.read(parent, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data.decode()
            for question in list(answers):
                if question in shown and shown.rstrip().endswith(("value:", "(hidden):")):
                    os.write(parent, answers.pop(question))
                    break
    finally:
        os.close(parent)
        code = process.wait(timeout=60)
    assert code == 0, shown
    assert "Whom to greet" in shown
    assert 'greeting = "Hello World!"' in shown
    assert "hunter2" not in shown
