"""What tools read, compared with what a real Terraform prints for the same stack. Skipped where there is none."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TERRAFORM = shutil.which("terraform")
pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="no terraform on PATH")

Iac = Callable[..., subprocess.CompletedProcess[str]]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

FIRST = {
    "variable": {"n": {"type": "number", "default": 2}, "pw": {"default": "hunter2", "sensitive": True}},
    "resource": {
        "terraform_data": {
            "a": {"input": {"big": 12345678901234567890123, "frac": 0.1, "list": [1, {"z": None}, "é\u2028"]}},
            "s": {"input": "${var.pw}"},
            "c": {"count": "${var.n}", "input": "${terraform_data.a.id}-${count.index}"},
            "f": {
                "for_each": {"k1": "v1", "k 2": "v2"},
                "input": "${each.value}",
                "triggers_replace": ["${terraform_data.a.output}"],
                "lifecycle": {"postcondition": {"condition": "${self.input != null}", "error_message": "no"}},
            },
            "gone": {"input": tuple("abc")},
        }
    },
    "module": {"m": {"source": "./m", "count": 2, "v": "${terraform_data.a.id}"}},
    "check": {"c": {"assert": {"condition": "${var.n == 3}", "error_message": "n is ${var.n}"}}},
    "output": {
        "o": {"value": "${terraform_data.a.output}"},
        "secret": {"value": "${var.pw}", "sensitive": True},
        "list": {"value": [1, "a", True, None]},
        "ids": {"value": "${toset([for m in module.m : m.id])}"},
    },
}
SECOND = FIRST | {
    "variable": {"n": {"type": "number", "default": 1}, "pw": {"default": "hunter3", "sensitive": True}},
    "resource": {
        "terraform_data": {
            "a": {
                "input": {"big": 1, "frac": 0.1, "list": [1, {"z": None}, "x", "new"]},
                "triggers_replace": "t",
                "lifecycle": {"create_before_destroy": True},
            },
            "s2": {"input": "${var.pw}"},
            "c": {"count": "${var.n}", "input": "${terraform_data.a.id}-${count.index}"},
            "f": {
                "for_each": {"k1": "v1"},
                "input": "${each.value}",
                "triggers_replace": ["${terraform_data.a.output}"],
            },
            "brought": {"input": "x"},
        }
    },
    "moved": {"from": "terraform_data.s", "to": "terraform_data.s2"},
    "import": {"to": "terraform_data.brought", "id": "the-id"},
    "output": {"o": {"value": "${terraform_data.a.output}"}, "list": {"value": [1, "a", 2]}},
}
MODULE = {
    "variable": {"v": {}},
    "resource": {"terraform_data": {"inner": {"input": {"v": "${var.v}"}}}},
    "output": {"id": {"value": "${terraform_data.inner.id}"}},
}


_SECONDS = re.compile(r"after \d+s")


def terraform(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    assert TERRAFORM is not None
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    env = inherited | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    return subprocess.run(
        [TERRAFORM, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def document(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(_UUID.sub("UUID", done.stdout), parse_int=str, parse_float=str)


def ui_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that do not depend on the engine or on time, sorted; ids and diagnostics' texts taken out."""
    kept = []
    for text in done.stdout.splitlines():
        line = json.loads(_UUID.sub("UUID", text), parse_int=str, parse_float=str)
        del line["@timestamp"]
        if "elapsed_seconds" in line.get("hook", {}):
            line["hook"]["elapsed_seconds"] = "0"
            line["@message"] = _SECONDS.sub("after 0s", line["@message"])
        if line["type"] == "diagnostic":
            line = {"type": "diagnostic", "summary": line["diagnostic"]["summary"], "@level": line["@level"]}
        if line["type"] not in ("version", "refresh_start", "refresh_complete"):
            kept.append(json.dumps(line, sort_keys=True))
    return sorted(kept)


def test_every_document_is_that_of_terraform(iac: Iac, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        (folder / "m").mkdir(parents=True)
        (folder / "m" / "main.tf.json").write_text(json.dumps(MODULE))
    for number, configuration in enumerate((FIRST, SECOND)):
        for folder in (theirs, ours):
            (folder / "main.tf.json").write_text(json.dumps(configuration))
        if number == 0:
            terraform("init", cwd=theirs)
        planned = terraform("plan", "-json", "-out=p", cwd=theirs), iac("plan", "-json", "-out=p", cwd=ours)
        assert ui_lines(planned[1]) == ui_lines(planned[0])
        plans = document(terraform("show", "-json", "p", cwd=theirs)), document(iac("show", "-json", "p", cwd=ours))
        for part in (
            "format_version",
            "terraform_version",
            "variables",
            "planned_values",
            "resource_changes",
            "output_changes",
            "checks",
            "applyable",
            "complete",
            "errored",
        ):
            assert plans[1].get(part) == plans[0].get(part), part
        applied = terraform("apply", "-json", "p", cwd=theirs), iac("apply", "-json", "p", cwd=ours)
        assert ui_lines(applied[1]) == ui_lines(applied[0])
        for command in (["show", "-json"], ["output", "-json"], ["output", "-json", "o"]):
            assert document(iac(*command, cwd=ours)) == document(terraform(*command, cwd=theirs)), command


def test_a_wrong_configuration_is_told_in_the_same_place(iac: Iac, tmp_path: Path) -> None:
    (tmp_path / "main.tf.json").write_text('{"resource": {"terraform_data": {\n  "a": {"inputt": "é${var.x}"}}}}')
    terraform("init", cwd=tmp_path)
    theirs, ours = (
        json.loads(run.stdout) for run in (terraform("validate", "-json", cwd=tmp_path), iac("validate", "-json"))
    )
    assert (ours["format_version"], ours["valid"]) == (theirs["format_version"], theirs["valid"])
    wanted = theirs["diagnostics"][0]
    found = [one for one in ours["diagnostics"] if one["range"]["start"]["line"] == wanted["range"]["start"]["line"]]
    assert found
    assert set(wanted) <= set(found[0])
    assert set(wanted["snippet"]) <= set(found[0]["snippet"])
    assert found[0]["snippet"]["code"] == wanted["snippet"]["code"]
