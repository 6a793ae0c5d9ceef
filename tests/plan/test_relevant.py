"""`relevant_attributes`: what contributed to the changes, as Terraform tells it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from iacengine import engine
from iacengine.plan.relevant import relevant_attributes

CHILD = {
    "variable": {"v": {}},
    "resource": {"terraform_data": {"z": {"input": "${var.v}"}}},
    "output": {"q": {"value": "${terraform_data.z.id}"}},
}
ROOT: dict[str, Any] = {
    "resource": {
        "terraform_data": {
            "a": {"input": 1},
            "b": {"input": "${terraform_data.a.id}"},
            "c": {"input": "${local.l}"},
            "k": {"count": 2, "input": "${terraform_data.c.id}"},
            "m": {"input": "${terraform_data.k[0].output}"},
            "n": {"input": "${module.mm.q}"},
        }
    },
    "locals": {"l": {"x": "${terraform_data.a.output}", "y": "${terraform_data.b.id}"}},
    "output": {"o": {"value": "${terraform_data.k[*].id}"}},
    "module": {"mm": {"source": "./m", "v": "${terraform_data.a.input}"}},
}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "main.tf.json").write_text(json.dumps(CHILD))
    (tmp_path / "main.tf.json").write_text(json.dumps(ROOT))
    return tmp_path


def found() -> set[tuple[str, tuple[Any, ...]]]:
    plan = engine.plan(engine.open_stack("."), engine.PlanOptions(), engine.VariableSources())
    return set(relevant_attributes(plan))


def test_references_are_followed_through_locals_variables_and_outputs(stack: Path) -> None:
    assert found() == {
        ("terraform_data.a", ("id",)),
        ("terraform_data.a", ("input",)),
        ("terraform_data.a", ("output",)),
        ("terraform_data.b", ("id",)),
        ("terraform_data.c", ("id",)),
        ("terraform_data.k", ()),
        ("terraform_data.k[0]", ("output",)),
        ("module.mm.terraform_data.z", ("id",)),
    }


def test_nothing_is_relevant_when_nothing_changes(stack: Path) -> None:
    opened = engine.open_stack(".")
    engine.apply(opened, engine.plan(opened, engine.PlanOptions(), engine.VariableSources()))
    assert found() == set()


def test_they_are_those_that_terraform_tells(stack: Path) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform on PATH")
    environment = {"TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1", "PATH": "/usr/bin:/bin"}
    for arguments in (["init"], ["plan", "-out=saved"]):
        subprocess.run([terraform, *arguments], env=environment, check=True, capture_output=True)
    shown = subprocess.run([terraform, "show", "-json", "saved"], env=environment, check=True, capture_output=True)
    told = json.loads(shown.stdout)["relevant_attributes"]
    assert found() == {(one["resource"], tuple(one["attribute"])) for one in told}
