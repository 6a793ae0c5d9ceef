"""What `iac validate` finds by evaluating, beside the verdicts that tests/conformance compares with Terraform's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iacengine import engine
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError

Validate = Callable[..., tuple[Diagnostic, ...]]


@pytest.fixture
def validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validate:
    """validate(TEXT, m=TEXT): what is found in a stack, and in the module in the folder m."""
    monkeypatch.chdir(tmp_path)

    def found(text: str, **modules: str) -> tuple[Diagnostic, ...]:
        Path("main.iac.yaml").write_text(text)
        for name, inner in modules.items():
            Path(name).mkdir(exist_ok=True)
            Path(name, "main.iac.yaml").write_text(inner)
        try:
            return engine.validate(engine.open_stack("."))
        except DiagnosticsError as failure:
            return failure.diagnostics

    return found


def test_neither_variables_nor_configured_providers_are_needed(validate: Validate) -> None:
    found = validate(
        "variable: {latency: {type: number}, names: {type: set(string)}}\n"
        "provider: {mock: {latency: {create: '${var.latency}'}}}\n"
        "resource: {mock_object: {a: {for_each: '${var.names}', name: '${each.key}'}}}\n"
        "output: {ids: {value: '${[for one in mock_object.a : one.id]}'}}\n"
    )
    assert found == ()
    assert not Path(".iac").exists()


def test_all_mistakes_are_told_each_once(validate: Validate) -> None:
    found = validate(
        "locals:\n"
        "  a: ${nofunc(1)}\n"
        "  b: ${local.a}\n"
        "  c: ${local.a + local.b}\n"
        "output:\n"
        "  o: {value: '${1 + {}}'}\n"
        "  p: {value: '${local.nope}'}\n"
    )
    assert [(one.summary, one.range.start.line if one.range else 0) for one in found] == [
        ("Reference to undeclared local value", 7),
        ("Call to unknown function", 2),
        ("Invalid operand", 6),
    ]


def test_a_module_that_is_called_twice_is_judged_once_and_each_call_by_itself(validate: Validate) -> None:
    found = validate(
        "module:\n  a: {source: ./m, n: '${[1]}'}\n  b: {source: ./m, n: '${1}'}\n",
        m="variable: {n: {type: number}}\nlocals: {x: '${length(var.n)}'}\n",
    )
    assert sorted(one.range.path for one in found if one.range) == ["m/main.iac.yaml", "main.iac.yaml"]


def test_an_argument_that_a_validation_refuses_is_told(validate: Validate) -> None:
    child = "variable: {n: {type: number, validation: {condition: '${var.n > 5}', error_message: 'too few'}}}\n"
    found = validate("module: {a: {source: ./m, n: 1}}\n", m=child)
    assert [one.detail for one in found] == ["too few"]
    assert validate("variable: {n: {}}\nmodule: {a: {source: ./m, n: '${var.n}'}}\n", m=child) == ()


def test_what_is_wrong_with_an_assertion_is_a_warning(validate: Validate) -> None:
    found = validate("variable: {x: {}}\ncheck: {c: {assert: {condition: '${nofunc(var.x)}', error_message: 'no'}}}\n")
    assert [(one.summary, one.is_error) for one in found] == [("Call to unknown function", False)]


def test_the_content_of_a_dynamic_block_is_judged_without_elements(validate: Validate) -> None:
    found = validate(
        "variable: {sizes: {type: list(number)}}\n"
        "resource:\n"
        "  mock_server:\n"
        "    a:\n"
        "      name: a\n"
        "      dynamic: {disk: {for_each: '${var.sizes}', content: {size: '${nofunc(disk.value)}'}}}\n"
    )
    assert [one.summary for one in found] == ["Call to unknown function"]


def test_a_cycle_is_told_beside_what_else_is_wrong(validate: Validate) -> None:
    found = validate("locals: {a: '${local.b}', b: '${local.a}', c: '${var.nope}'}\n")
    assert [one.summary for one in found] == ["Reference to undeclared input variable", "Dependency cycle"]
