"""Every kind of mistake, and what a user reads about it.

A case is a file in `golden/`: sections begin with `=== NAME`, where NAME is a file of the stack, `options` (values of
variables, one `--var …` or `--var-file …` a line), `environment` (one `NAME=value` a line) or `expected`. To add one,
write the files and run with IACENGINE_UPDATE_GOLDEN=1, then read what was written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.validate import validate
from iacengine.config.variables import VariableOption, collect_variables, missing_variable
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings
from iacengine.foundation.rendering import render

_GOLDEN = Path(__file__).parent / "golden"
_CASES = sorted(path.name for path in _GOLDEN.glob("*.txt"))
_SECTION = re.compile(r"^=== (\S+)\n", re.MULTILINE)


def _sections(text: str) -> dict[str, str]:
    parts = _SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _found(sections: dict[str, str], schemas: Callable[..., object]) -> tuple[Diagnostic, ...]:
    special = ("expected", "options", "environment")
    files = SnapshotFiles({name: text.encode() for name, text in sections.items() if name not in special})
    findings = Findings()
    try:
        configuration = load(".", files=files, findings=findings)
    except DiagnosticsError as failure:
        return failure.diagnostics
    findings.extend(validate(configuration, schemas))  # type: ignore[arg-type]
    options = [line.split(" ", 1) for line in sections.get("options", "").splitlines()]
    environment = dict(line.split("=", 1) for line in sections.get("environment", "").splitlines())
    variables = collect_variables(
        configuration.root,
        environment=environment,
        options=[VariableOption(text, name == "--var-file") for name, text in options],
        findings=findings,
        files=files,
    )
    findings.extend(map(missing_variable, variables.missing))
    return findings.all


@pytest.mark.parametrize("case", _CASES)
def test_a_mistake_is_told_as_the_golden_file_says(case: str, schemas: Callable[..., object]) -> None:
    path = _GOLDEN / case
    text = path.read_text()
    sections = _sections(text)
    told = "\n\n".join(render(diagnostic) for diagnostic in _found(sections, schemas)) + "\n"
    if os.environ.get("IACENGINE_UPDATE_GOLDEN"):
        path.write_text(text.partition("=== expected\n")[0] + "=== expected\n" + told)
    else:
        assert told == sections["expected"]


def test_there_are_at_least_forty_kinds_of_mistakes() -> None:
    assert len(_CASES) >= 40
