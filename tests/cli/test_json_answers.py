"""`--json` of the verbs that edit state or files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iacengine.cli.main import run


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    resources = {"a": {"input": 1}, "b": {"input": 2}}
    (tmp_path / "main.tf.json").write_text(json.dumps({"resource": {"terraform_data": resources}}))
    assert run(["apply", "--auto-approve"]) == 0
    capsys.readouterr()
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_state_mv_tells_what_moved(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "state", "mv", "--json", "terraform_data.a", "terraform_data.z")
    assert told == [{"from": "terraform_data.a", "to": "terraform_data.z"}]
    assert answer(capsys, "state", "list", "--json") == ["terraform_data.b", "terraform_data.z"]


def test_state_rm_tells_what_is_forgotten(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "state", "rm", "--json", "terraform_data.b") == ["terraform_data.b"]
    assert answer(capsys, "state", "list", "--json") == ["terraform_data.a"]


def test_state_push_tells_what_the_state_is_now(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["state", "pull"]) == 0
    (stack / "pulled.json").write_text(capsys.readouterr().out)
    told = answer(capsys, "state", "push", "--json", "pulled.json")
    assert told["objects"] == 2
    assert told["serial"] == 2


def test_fmt_tells_what_it_changed(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stack / "ugly.iac.yaml").write_text("locals:   {a:    1}\n")
    told = answer(capsys, "fmt", "--json")
    assert "ugly.iac.yaml" in told["changed"]
    assert told["errors"] == []
    assert answer(capsys, "fmt", "--json")["changed"] == []
