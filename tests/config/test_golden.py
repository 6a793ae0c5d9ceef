"""Every kind of mistake, and what a user reads about it.

A case is a file in `golden/`: sections begin with `=== NAME`, where NAME is a file of the stack, `options` (values of
variables, one `--var …` or `--var-file …` a line), `environment` (one `NAME=value` a line) or `expected`. To add one,
write the files and run with IACENGINE_UPDATE_GOLDEN=1, then read what was written.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.syntax_error import SourceSyntaxError
from iacengine.config.validate import validate
from iacengine.config.variables import VariableOption, collect_variables, missing_variable
from iacengine.config.yaml_source import parse_yaml
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


def test_there_are_at_least_eighty_kinds_of_mistakes() -> None:
    told = {re.sub(r'"[^"]*"|\b\w+\.\w+\b', "…", line) for case in _CASES for line in _summaries(case)}
    assert len(told) >= 80


def _summaries(case: str) -> list[str]:
    return re.findall(r"^(?:error|warning): .*", (_GOLDEN / case).read_text(), re.MULTILINE)


_OF_NO_PLACE = re.compile(r"--var|IAC_VAR_|TF_VAR_|directory|no such file|are not read")
"""What options, the environment and the names of files are about."""


@pytest.mark.parametrize("case", _CASES)
def test_a_mistake_has_a_remedy_and_is_shown_with_a_caret(case: str) -> None:
    expected = _sections((_GOLDEN / case).read_text())["expected"]
    for told in re.split(r"\n\n(?=error|warning)", expected):
        assert re.search(r"^  help: ", told, re.MULTILINE)
        if "is_not_shown" in case:
            assert "hunter2" not in told
        elif not _OF_NO_PLACE.search(told):
            assert re.search(r"--> \S+:\d+:\d+", told)
            assert re.search(r"\| +\^+$", told, re.MULTILINE)


def _in_json(sections: dict[str, str]) -> dict[str, str] | None:
    """The same stack with its YAML files written as JSON; None where the mistake is one of YAML."""
    written = {}
    for name, text in sections.items():
        if name.endswith(".iac.yaml"):
            try:
                text = json.dumps(parse_yaml(text), indent=2, ensure_ascii=False)
            except SourceSyntaxError:
                return None
            name = name.replace(".iac.yaml", ".iac.json")
        written[name] = text
    return written


@pytest.mark.parametrize("case", _CASES)
def test_the_same_is_told_of_the_same_in_json(case: str, schemas: Callable[..., object]) -> None:
    sections = _sections((_GOLDEN / case).read_text())
    in_json = _in_json(sections)
    if in_json is None:
        return
    ours, theirs = _found(sections, schemas), _found(in_json, schemas)
    assert [_words(one) for one in ours] == [_words(one) for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert (one.range is None) == (other.range is None)
        assert (one.snippet is None) == (other.snippet is None)
        if other.snippet is not None:
            assert "^" in render(other)


_PLACE = re.compile(r"\S+\.(?:yaml|json):\d+(?::\d+)?|\.iac\.(?:yaml|json)")


def _words(diagnostic: Diagnostic) -> tuple[object, ...]:
    detail = _PLACE.sub("PLACE", diagnostic.detail)
    return diagnostic.severity, diagnostic.summary, detail, diagnostic.remedy, diagnostic.address
