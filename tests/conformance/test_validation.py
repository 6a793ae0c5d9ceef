"""Validation against what a real Terraform 1.11.4 says of the same configurations (validations.jsonl)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iacengine import engine
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError

_HERE = Path(__file__).parent
_CASES = [json.loads(line) for line in (_HERE / "validations.jsonl").read_text().splitlines()]

_DIFFERENT = {
    "import for_each list": "what kind of keys the target of an import has is left to planning",
}
_REFUSED_ALTHOUGH_ACCEPTED = {
    "l-rtb-bad-attr": "a trigger that names an attribute which does not exist would never fire",
}


def _write(folder: Path, config: Any, modules: Any = None, files: Any = None) -> None:
    for name, content in {".": config, **(modules or {})}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "main.tf.json").write_text(json.dumps(content))
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _found() -> tuple[Diagnostic, ...]:
    try:
        return engine.validate(engine.open_stack("."))
    except DiagnosticsError as failure:
        return failure.diagnostics


def _is_valid() -> bool:
    return not any(found.is_error for found in _found())


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_the_verdict_is_terraforms(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, case["config"], case.get("modules"))
    monkeypatch.chdir(tmp_path)
    assert _is_valid() == (case["valid"] != (case["name"] in _DIFFERENT)), _found()


@pytest.mark.parametrize("case", [case for case in _CASES if not case["valid"]], ids=lambda case: case["name"])
def test_an_error_has_a_place_and_is_told_once(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, case["config"], case.get("modules"))
    monkeypatch.chdir(tmp_path)
    errors = [found for found in _found() if found.is_error]
    assert len(set(errors)) == len(errors)
    assert all(found.range is not None for found in errors)


@pytest.mark.parametrize("path", sorted((_HERE / "scenarios").glob("*.json")), ids=lambda path: path.stem)
def test_whatever_terraform_plans_is_valid(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {}
    for number, scenario in enumerate(json.loads(path.read_text())):
        for position, step in enumerate(scenario["steps"]):
            if step["expect"].get("error", {}).get("phase", "apply") != "apply":
                continue
            folder = tmp_path / f"{number}-{position}"
            _write(folder, step["config"], step.get("modules"), step.get("files"))
            monkeypatch.chdir(folder)
            if not _is_valid() and scenario["id"] not in _REFUSED_ALTHOUGH_ACCEPTED:
                refused[scenario["id"]] = _found()
    assert not refused
