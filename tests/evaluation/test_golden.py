"""Every kind of mistake that shows when expressions are evaluated, and what a user reads about it.

A case is a file in `golden/`, as in tests/config: sections begin with `=== NAME`, where NAME is a file of the stack or
`expected`. To add one, write the files and run with IACENGINE_UPDATE_GOLDEN=1, then read what was written.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from iacengine import engine
from iacengine.config.yaml_source import parse_yaml
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError
from iacengine.foundation.rendering import render

_GOLDEN = Path(__file__).parent / "golden"
_CASES = sorted(path.name for path in _GOLDEN.glob("*.txt"))
_SECTION = re.compile(r"^=== (\S+)\n", re.MULTILINE)
_PLACE = re.compile(r"\S+\.(?:iac\.yaml|tf\.json):\d+(?::\d+)?")
_OF_NO_PLACE = {"cycle.txt", "resource_cycle.txt"}
_OF_NO_REFERENCE = {
    "argument_missing_null.txt",
    "argument_type_evaluated.txt",
    "import_id_empty.txt",
    "module_argument_type.txt",
    "secret_output.txt",
}
"""What is wrong there is where the value goes to, and the message says what it is."""


def _sections(case: str) -> dict[str, str]:
    parts = _SECTION.split((_GOLDEN / case).read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _told(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[Diagnostic, ...]:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    try:
        return engine.plan(engine.open_stack("."), engine.PlanOptions(), engine.VariableSources()).diagnostics
    except DiagnosticsError as failure:
        return failure.diagnostics


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """told(CASE, as_json=): the diagnostics of planning a case."""

    def tell(case: str, *, as_json: bool = False) -> tuple[Diagnostic, ...]:
        files = {name: text for name, text in _sections(case).items() if name != "expected"}
        if as_json:
            files = dict(_in_json(name, text) for name, text in files.items())
        return _told(tmp_path / ("json" if as_json else "yaml"), files, monkeypatch)

    return tell


def _in_json(name: str, text: str) -> tuple[str, str]:
    if not name.endswith(".iac.yaml"):
        return name, text
    data = parse_yaml(text)
    return name.replace(".iac.yaml", ".tf.json"), json.dumps(data, indent=2, ensure_ascii=False)


@pytest.mark.parametrize("case", _CASES)
def test_a_mistake_is_told_as_the_golden_file_says(case: str, told) -> None:
    text = "\n\n".join(render(diagnostic) for diagnostic in told(case)) + "\n"
    if os.environ.get("IACENGINE_UPDATE_GOLDEN"):
        path = _GOLDEN / case
        path.write_text(path.read_text().partition("=== expected\n")[0] + "=== expected\n" + text)
    else:
        assert text == _sections(case)["expected"]


@pytest.mark.parametrize("case", _CASES)
def test_the_same_is_told_of_the_same_in_json(case: str, told) -> None:
    ours, theirs = told(case), told(case, as_json=True)
    assert [_words(one) for one in ours] == [_words(one) for one in theirs]
    for one in theirs:
        if case not in _OF_NO_PLACE:
            assert one.range is not None
            assert one.range.path.endswith(".tf.json")
            assert one.snippet is not None
            assert "^" in render(one)


def _words(diagnostic: Diagnostic) -> tuple[object, ...]:
    values = diagnostic.snippet.values if diagnostic.snippet else ()
    detail = _PLACE.sub("PLACE", diagnostic.detail)
    return diagnostic.severity, diagnostic.summary, detail, diagnostic.remedy, diagnostic.address, values


@pytest.mark.parametrize("case", _CASES)
def test_a_mistake_has_a_place_a_remedy_and_the_values_of_its_references(case: str) -> None:
    expected = _sections(case)["expected"]
    assert re.search(r"^  help: ", expected, re.MULTILINE)
    if case not in _OF_NO_PLACE:
        assert re.search(r"--> \S+\.iac\.yaml:\d+:\d+, in ", expected)
        assert re.search(r"\| +\^+$", expected, re.MULTILINE)
    line = next((line for line in expected.splitlines() if re.match(r" +\d+ \|", line)), "")
    referred = re.findall(r"\bvar\.[a-z]+", line)
    is_read = "\n    |\n  " in expected or "\n   |\n  " in expected
    if referred and not _is_syntax(expected) and case not in _OF_NO_REFERENCE:
        assert is_read
        assert re.search(r"\| +\S+ (is|has) ", expected), "no value of a reference"


def _is_syntax(expected: str) -> bool:
    """What cannot be read has no values."""
    return bool(
        re.search(r"error: (Extra|Missing|Unclosed|Unterminated|Unexpected|Invalid (character|escape))", expected)
        and "Missing map element" not in expected
    )
