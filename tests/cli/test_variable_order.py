"""`--var` and `--var-file` as they stand on the command line: the last one wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from iacengine.cli.main import run


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.iac.yaml").write_text('variable: {v: {type: string}}\noutput: {v: {value: "${var.v}"}}\n')
    (tmp_path / "file.tfvars.json").write_text('{"v": "from the file"}')
    return tmp_path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--var", "v=from the flag", "--var-file", "file.tfvars.json"], "from the file"),
        (["--var-file", "file.tfvars.json", "--var", "v=from the flag"], "from the flag"),
        (["-var=v=one", "-var=v=two"], "two"),
    ],
)
def test_the_last_one_wins(stack: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str) -> None:
    assert run(["plan", *options]) == 0
    assert f'"{expected}"' in capsys.readouterr().out
