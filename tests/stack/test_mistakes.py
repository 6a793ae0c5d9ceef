"""Mistakes in a program that declares a stack: each names the line of the program."""

import inspect
import os

import pytest

from iacengine import DiagnosticsError, Stack, expr


def here():
    """The line of the caller."""
    return inspect.currentframe().f_back.f_lineno


def caught(action):
    with pytest.raises(DiagnosticsError) as failure:
        action()
    return failure.value.diagnostics


def assert_points_at(diagnostic, line):
    assert os.path.basename(diagnostic.range.path) == os.path.basename(__file__)  # noqa: PTH119
    assert diagnostic.range.start.line == line


def test_an_unknown_argument_is_shown_in_the_call_that_gave_it(stack):
    stack.resource(
        "mock_network",
        "main",
        name="net",
        cidr_blok="10.0.0.0/16",
    )
    line = here() - 2
    found = next(each for each in caught(stack.plan) if "cidr_blok" in each.summary)
    assert_points_at(found, line)
    assert found.snippet.line.strip() == 'cidr_blok="10.0.0.0/16",'
    assert found.snippet.context == "resource.mock_network.main"
    assert "cidr_block" in found.remedy


def test_a_wrong_reference_is_shown_at_its_argument(stack):
    name = expr("mock_network.man.name")
    stack.resource("mock_network", "main", name=name, cidr_block="10.0.0.0/16")
    line = here() - 1
    (found,) = caught(stack.validate)
    assert_points_at(found, line)
    text = found.snippet.line
    assert text[found.range.start.column - 1 : found.range.end.column - 1] == "name=name"


def test_columns_count_characters_even_behind_wide_ones(stack):
    stack.local("ä", "äöü€"), stack.local("b", expr("var.gone"))  # fmt: skip
    (found,) = caught(stack.validate)
    text = found.snippet.line
    assert text[found.range.start.column - 1 : found.range.end.column - 1] == 'stack.local("b", expr("var.gone"))'


def test_a_name_declared_twice_names_both_lines(stack):
    stack.output("a", 1)
    first = here() - 1
    stack.output("a", 2)
    (found,) = caught(stack.plan)
    assert_points_at(found, first + 2)
    assert f":{first}:" in found.detail
    assert ".iac.json" not in found.detail


def test_remedies_are_notes_of_the_exception(stack):
    stack.resource("mock_network", "main", nam="net", cidr_block="10.0.0.0/16")
    with pytest.raises(DiagnosticsError) as failure:
        stack.plan()
    assert any('"name"' in note for note in failure.value.__notes__)


@pytest.mark.parametrize(
    ("use", "summary"),
    [
        (bool, "decide an if"),
        (list, "walked over"),
        (len, "measured"),
        (lambda reference: "a" in reference, "searched"),
        (lambda reference: reference[1:], "sliced"),
        (lambda reference: f"{reference:>9}", "formatted"),
    ],
)
def test_what_python_cannot_do_with_a_reference_is_refused(stack, use, summary):
    reference = stack.local("a", "text")
    (found,) = caught(lambda: use(reference))
    assert summary in found.summary
    assert found.remedy


@pytest.mark.parametrize("value", [object(), b"bytes", {1: 2}, float("nan"), [{"a": object()}]])
def test_what_the_language_has_no_value_for_is_refused_at_once(stack, value):
    (found,) = caught(lambda: stack.local("a", value))
    assert_points_at(found, here() - 1)


def test_a_reference_that_was_cut_or_changed_as_text_is_refused(stack):
    reference = stack.local("a", "text")
    for text in (str(reference)[1:], str(reference).upper(), f"x{reference}"[:-1]):
        (found,) = caught(lambda text=text: stack.output("b", text))
        assert found.summary == "A reference was changed as text"


def test_a_default_cannot_hold_a_reference(stack):
    reference = stack.local("a", "text")
    for value in (reference, f"{reference}", [reference]):
        (found,) = caught(lambda value=value: stack.variable("b", default=value))
        assert found.summary == "References not allowed"


def test_a_missing_variable_is_shown_where_it_is_declared(stack):
    stack.variable("size", "number")
    line = here() - 1
    (found,) = caught(stack.plan)
    assert_points_at(found, line)


def test_a_value_for_an_undeclared_variable_is_refused(place):
    stack = Stack("shop", variables={"sizee": 1})
    stack.variable("size", default=2)
    (found,) = caught(stack.plan)
    assert 'Did you mean "size"?' in found.remedy


def test_a_loaded_stack_cannot_be_added_to(place):
    (place / "main.iac.yaml").write_text("output: {a: {value: 1}}\n")
    stack = Stack.load()
    assert_points_at(caught(lambda: stack.output("b", 2))[0], here())
    caught(stack.to_json)


def test_a_mistake_in_a_loaded_stack_is_shown_in_its_file(place):
    (place / "main.iac.yaml").write_text("output: {a: {value: '${var.gone}'}}\n")
    stack = Stack.load()
    (found,) = caught(stack.plan)
    assert str(found.range).startswith("main.iac.yaml:1:")


def test_a_string_where_addresses_are_expected_is_refused(stack):
    assert "list of addresses" in caught(lambda: stack.plan(targets="mock_network.main"))[0].summary


def test_an_unknown_mode_is_refused(stack):
    assert "refresh-only" in caught(lambda: stack.plan(mode="refresh"))[0].detail


def test_an_unknown_on_failure_is_refused(stack):
    assert "rollback, pause, continue" in caught(lambda: stack.plan(on_failure="stop"))[0].detail


def test_on_failure_does_not_go_with_a_plan(stack):
    plan = stack.plan()
    assert "on_failure" in caught(lambda: stack.apply(plan, on_failure="pause"))[0].summary


def test_a_program_without_source_is_still_told_the_line(stack):
    program = compile("\n\nstack.local('a', expr('var.gone'))", "<made>", "exec")
    exec(program, {"stack": stack, "expr": expr})
    (found,) = caught(stack.validate)
    assert str(found.range).startswith("<made>:3:")
