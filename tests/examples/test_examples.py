"""Every example does what its README says, word for word but for ids and addresses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iacengine.testing.services import aws

ROOT = Path(__file__).parents[2]


def test_every_example_has_a_readme():
    examples = [folder for folder in (ROOT / "example-stacks").iterdir() if folder.is_dir()]
    assert {"mock-cloud", "python", "quickstart", "terraform-json"} <= {folder.name for folder in examples}
    assert [folder for folder in examples if not (folder / "README.md").is_file()] == []


def test_the_stack_in_the_mock_cloud_does_what_its_readme_says(example, check_readme):
    folder, run = example("mock-cloud")
    check_readme(folder / "README.md", run)


def test_the_stack_in_the_mock_cloud_can_be_destroyed(example):
    _, run = example("mock-cloud")
    assert run("iac apply --auto-approve")[0] == 0
    assert run("iac output --raw database_url")[1].startswith("postgresql://shop:correct-horse@")
    code, printed = run("iac destroy --auto-approve")
    assert code == 0
    assert "7 destroyed" in printed
    assert run("iac state list") == (0, "")


def test_the_programs_in_python_do_what_their_readme_says(example, check_readme):
    folder, run = example("python")
    check_readme(folder / "README.md", run)


def test_the_files_of_terraform_do_what_their_readme_says(example, check_readme):
    folder, run = example("terraform-json")
    check_readme(folder / "README.md", run, but=("terraform init",))


@pytest.mark.skipif(shutil.which("terraform") is None, reason="compares with the terraform binary, which is not here")
def test_terraform_makes_the_same_of_its_files(example):
    folder, run = example("terraform-json")
    assert run("iac apply --auto-approve")[0] == 0
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    for arguments in (["init"], ["apply", "-auto-approve"]):
        subprocess.run(["terraform", *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    theirs = subprocess.run(
        ["terraform", "output", "-json"], cwd=folder, env=environment, check=True, capture_output=True
    ).stdout
    assert json.loads(run("iac output --json")[1]) == json.loads(theirs)


@pytest.fixture
def checkout(tmp_path):
    """The scripts and example stacks as in a checkout, with an environment that has all they need already."""
    for name in ("scripts", "example-stacks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(".iac", "*.state.json*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "iac").write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent}/iac" "$@"\n')
    (venv / "bin" / "iac").chmod(0o755)
    sums = subprocess.run(["cksum"], input=(ROOT / "pyproject.toml").read_bytes(), capture_output=True, check=True)
    (venv / ".iacengine-sandbox").write_text(f"sandbox {sums.stdout.decode().strip()} {tmp_path}\n")
    environment = {
        **os.environ,
        "IAC_VENV": str(venv),
        "XDG_STATE_HOME": str(tmp_path / "home"),
        "NO_COLOR": "1",
    }
    yield tmp_path, environment
    aws.stop(tmp_path / "home" / "iacengine" / "sandbox")


def test_the_quick_start_runs_again_and_again(checkout):
    pytest.importorskip("moto")
    folder, environment = checkout

    def run():
        command = [str(folder / "example-stacks" / "quickstart" / "run")]
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=250, check=False
        )

    first = run()
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Apply complete!" in first.stdout
    assert "quickstart-billing" in first.stdout
    again = run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "No changes." in again.stdout
    aws.stop(folder / "home" / "iacengine" / "sandbox")
    anew = run()
    assert anew.returncode == 0, anew.stdout + anew.stderr
    assert "Apply complete!" in anew.stdout
