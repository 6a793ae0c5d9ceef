from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.variables import RootVariables, VariableOption, collect_variables
from iacengine.foundation.diagnostics import Diagnostic, Findings
from iacengine.lang.types import STRING
from iacengine.lang.values import EPHEMERAL, SENSITIVE, ListValue, Marked, is_null

Collected = tuple[RootVariables, tuple[Diagnostic, ...]]


def collect(
    declared: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Collected:
    texts = {"main.iac.yaml": f"variable:\n{declared}", **(files or {})}
    held = SnapshotFiles({name: text.encode() for name, text in texts.items()})
    findings = Findings()
    variables = collect_variables(
        load(".", files=held).root,
        environment=environment or {},
        options=[VariableOption(text.removeprefix("@"), text.startswith("@")) for text in options],
        given=given,
        findings=findings,
        files=held,
    )
    return variables, findings.all


def value(declared: str, *options: str, **others: Any) -> Any:
    variables, found = collect(f"  v: {declared}\n", *options, **others)
    assert not found
    return variables.values["v"]


_SOURCES: list[tuple[str, dict[str, Any]]] = [
    ("default", {}),
    ("TF_VAR_", {"environment": {"TF_VAR_v": "TF_VAR_"}}),
    ("IAC_VAR_", {"environment": {"IAC_VAR_v": "IAC_VAR_"}}),
    ("tfvars", {"files": {"terraform.tfvars": 'v = "tfvars"\n'}}),
    ("tfvars.json", {"files": {"terraform.tfvars.json": '{"v": "tfvars.json"}'}}),
    ("iacvars", {"files": {"iac.iacvars.yaml": "v: iacvars"}}),
    ("auto a", {"files": {"a.auto.tfvars.json": '{"v": "auto a"}'}}),
    ("auto b", {"files": {"b.auto.iacvars.yaml": "v: auto b"}}),
]


@pytest.mark.parametrize("strongest", range(len(_SOURCES)))
def test_a_later_source_wins_over_all_earlier_ones(strongest: int) -> None:
    environment: dict[str, str] = {}
    files: dict[str, str] = {}
    for _, source in _SOURCES[: strongest + 1]:
        environment.update(source.get("environment", {}))
        files.update(source.get("files", {}))
    assert value("{default: default}", environment=environment, files=files) == _SOURCES[strongest][0]


def test_options_win_over_files_and_the_last_option_over_the_others() -> None:
    files = {"z.auto.tfvars.json": '{"v": "auto"}', "x.json": '{"v": "file"}', "y.tfvars": 'v = "native"'}
    assert value("{}", "v=a", files=files) == "a"
    assert value("{}", "v=a", "@x.json", files=files) == "file"
    assert value("{}", "@x.json", "v=a", files=files) == "a"
    assert value("{}", "@x.json", "@y.tfvars", files=files) == "native"
    assert value("{}", "v=a", files=files, given={"v": "given"}) == "given"


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ("{}", "[1, 2]", "[1, 2]"),
        ("{type: string}", "[1, 2]", "[1, 2]"),
        ("{type: string}", "null", "null"),
        ("{type: string}", "${1}", "${1}"),
        ("{type: string}", "", ""),
        ("{type: number}", "1.5", Fraction(3, 2)),
        ("{type: bool}", "true", True),
        ("{type: any}", "[1, {x = true}]", (1, {"x": True})),
        ("{type: any}", '"text"', "text"),
        ("{type: list(string)}", '["a", 1]', ListValue(STRING, ["a", "1"])),
        ("{type: 'object({a = string, b = optional(number, 3)})'}", '{a = "x"}', {"a": "x", "b": 3}),
    ],
)
def test_text_is_read_by_the_type_of_its_variable(declared: str, text: str, expected: Any) -> None:
    assert value(declared, f"v={text}") == expected
    assert value(declared, environment={"TF_VAR_v": text}) == expected


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("{type: number}", "abc"),
        ("{type: number}", ""),
        ("{type: number}", "null"),
        ("{type: bool}", '"true"'),
        ("{type: any}", "hello"),
        ("{type: any}", ""),
        ("{type: any}", "upper(1)"),
        ("{type: list(string)}", "a"),
        ("{type: list(string)}", '["${upper("x")}"]'),
        ("{type: 'object({a = string})'}", "{}"),
    ],
)
def test_text_that_does_not_fit_the_type_is_refused(declared: str, text: str) -> None:
    variables, found = collect(f"  v: {declared}\n", f"v={text}")
    assert "v" not in variables.values
    assert [one.summary for one in found] == ['Invalid value for the variable "v"']


def test_values_in_files_are_no_templates() -> None:
    assert value("{}", files={"terraform.tfvars.json": '{"//": "note", "v": ["${x}"]}'}) == ("${x}",)


def test_a_null_of_a_variable_that_is_not_nullable_is_its_default() -> None:
    files = {"terraform.tfvars.json": '{"v": null}'}
    assert value("{default: d, nullable: false}", files=files) == "d"
    assert is_null(value("{default: d}", files=files))
    _, found = collect("  v: {nullable: false}\n", files=files)
    assert "it cannot be null" in found[0].detail


def test_values_carry_the_marks_of_their_variable() -> None:
    found = value("{default: x, sensitive: true, ephemeral: true}")
    assert found == Marked("x", frozenset((SENSITIVE, EPHEMERAL)))


def test_required_variables_without_a_value_are_missing() -> None:
    variables, found = collect("  v: {}\n  w: {default: 1}\n")
    assert [variable.name for variable in variables.missing] == ["v"]
    assert not found


def test_undeclared_names_are_ignored_warned_of_or_refused_by_their_source() -> None:
    assert not collect("  v: {default: 1}\n", environment={"TF_VAR_x": "1", "IAC_VAR_x": "1"})[1]
    _, found = collect("  v: {default: 1}\n", files={"terraform.tfvars.json": '{"x": 1, "y": 2}'})
    assert [(one.is_error, one.summary) for one in found] == [(False, "Value for an undeclared variable")]
    assert "y" in found[0].detail
    _, found = collect("  v: {default: 1}\n", "x=1")
    assert [(one.is_error, one.summary) for one in found] == [(True, 'Value for the undeclared variable "x"')]


def test_a_default_is_converted_to_the_type() -> None:
    assert value("{type: list(string), default: [1, true]}") == ListValue(STRING, ["1", "true"])


@pytest.mark.parametrize("source", ["option", "environment", "file", "native file"])
def test_a_secret_is_never_shown(source: str, render_all: Callable[..., str]) -> None:
    declared = "  v: {type: list(number), sensitive: true}\n"
    secret = '["hunter2"]'
    _, found = {
        "option": lambda: collect(declared, f"v={secret}"),
        "environment": lambda: collect(declared, environment={"IAC_VAR_v": secret}),
        "file": lambda: collect(declared, files={"terraform.tfvars.json": f'{{"v": {secret}}}'}),
        "native file": lambda: collect(declared, files={"terraform.tfvars": f"v = {secret}"}),
    }[source]()
    assert found
    assert "hunter2" not in render_all(found)
