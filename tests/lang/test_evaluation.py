"""What expressions give, where the rules are easily got wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.types import NUMBER, STRING
from iacengine.lang.values import ListValue, MapValue, Null, same

Evaluate = Callable[..., Any]
Failure = Callable[..., ExpressionError]


# --- operators ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1 + 0.2 == 0.3", True),
        ("1 / 3 * 3 == 1", True),
        ("7 / 2 == 3.5", True),
        ("-7 % 3", -1),
        ("1 % 0", 1),
        ("1 / 0 > 1e300", True),
        ('"5" * 2', 10),
        ('"true" && true', True),
        ("-2 + 5", 3),
        ('1 == "1"', False),
        ("[1] == tolist([1])", False),
        ("null == null", True),
        ('{a = 1} == {a = "1"}', False),
        ("1 != 2", True),
    ],
)
def test_operators(evaluate: Evaluate, text: str, value: object) -> None:
    assert same(evaluate(text), value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("true || null", "is null"),
        ("1 + null", "is null"),
        ("0 / 0", "divide zero by zero"),
        ('"a" < "b"', "Only numbers can be ordered"),
        ('"a" + "b"', "template"),
        ("!1", "bool required"),
        ("-true", "number required"),
    ],
)
def test_operators_refuse(failure: Failure, text: str, words: str) -> None:
    assert words in str(failure(text))


def test_both_operands_errors_are_told(failure: Failure) -> None:
    error = failure("nofunc(1) + alsono(2)")
    assert [found.summary for found in error.all] == ["Call to unknown function"] * 2


# --- conditionals ---------------------------------------------------------------------------------------------------


def test_the_branches_of_a_conditional_take_one_type(evaluate: Evaluate) -> None:
    assert evaluate('true ? 1 : "a"') == "1"
    assert same(evaluate("true ? [1] : []"), ListValue(NUMBER, (1,)))
    assert same(evaluate("true ? {a = 1} : {b = 2}"), MapValue(NUMBER, {"a": 1}))
    assert evaluate("true ? [1, 2] : [3, 4]") == (1, 2)
    assert same(evaluate('true ? null : "a"'), Null(STRING))


@pytest.mark.parametrize(
    "text",
    [
        "true ? [[1], [2, 3]] : tolist([])",
        "false ? tolist([]) : [{a = 1}, {b = 2}]",
        'true ? {b = tomap({a = "a"}), a = tomap({})} : tomap(null)',
    ],
)
def test_beside_a_collection_of_no_type_the_elements_of_the_other_branch_must_be_alike(
    failure: Failure, text: str
) -> None:
    assert "element types must all match" in str(failure(text))


@pytest.mark.parametrize(
    "text", ['true ? [1, "a"] : tolist([])', "true ? [1, null] : tolist([])", "true ? [[1], [2]] : tolist([])"]
)
def test_beside_a_collection_of_no_type_elements_that_are_alike_make_a_list(evaluate: Evaluate, text: str) -> None:
    assert isinstance(evaluate(text), ListValue)


def test_branches_without_a_common_type_are_refused(failure: Failure) -> None:
    assert "'true' value is number" in str(failure("true ? 1 : true"))
    assert 'attribute "a"' in str(failure("true ? {a = 1} : {a = true}"))


def test_an_error_in_the_branch_not_chosen_does_not_count(evaluate: Evaluate, failure: Failure) -> None:
    assert evaluate("true ? 1 : nofunc()") == 1
    assert evaluate("true ? 1 : [1][5]") == 1
    assert failure("false ? 1 : nofunc()").summary == "Call to unknown function"


def test_the_type_of_a_failed_branch_counts(failure: Failure, evaluate: Evaluate) -> None:
    assert evaluate('true ? "a" : 1 + "x"') == "a"
    for text in ("true ? true : 1 + null", "true ? 1 : [nofunc()]", 'true ? [1] : "${null}x"'):
        assert failure(text).summary == "Inconsistent conditional result types"


# --- traversal ------------------------------------------------------------------------------------------------------


def test_indexes_convert_their_key(evaluate: Evaluate) -> None:
    assert evaluate('[1, 2]["1"]') == 2
    assert evaluate("{1 = 2}[1]") == 2
    assert evaluate('tomap({"1" = "x"})[1]') == "x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2][2]", "length of the collection (2)"),
        ("[][0]", "no elements"),
        ("[1][-1]", "negative"),
        ("[1][0.5]", "whole number"),
        ('toset(["a"])[0]', "identified only by their value"),
        ("null.a", "null"),
        ("var.o.nmae", 'Did you mean "name"?'),
        ('var.o["nmae"]', 'Did you mean "name"?'),
        ("var.o.zzz", "It has: name"),
        ("[{a = 1}].a", "[*].a"),
        ('"s".a', "primitive-typed value (string)"),
    ],
)
def test_a_step_that_leads_nowhere_says_why(failure: Failure, text: str, words: str) -> None:
    assert words in str(failure(text, {"var.o": {"name": 1}}))


def test_a_splat_makes_a_tuple_of_tuples_and_single_values_and_a_list_of_lists_and_sets(evaluate: Evaluate) -> None:
    assert evaluate("[{a = 1}, {a = 2}][*].a") == (1, 2)
    assert evaluate("{a = 1}[*].a") == (1,)
    assert evaluate("null[*].a") == ()
    assert same(evaluate("toset([2, 1])[*]"), ListValue(NUMBER, (1, 2)))
    assert same(evaluate("tolist([])[*].a.b"), evaluate("tolist([])"))
    assert evaluate("[[1, 2], [3]].*[0]") == (1, 2)
    assert evaluate("[[1, 2], [3]][*][0]") == (1, 3)


@pytest.mark.parametrize("text", ["(true ? [] : [[1], [2]])[*].a", "(setintersection([1], toset([]))).*.a"])
def test_what_no_element_could_have_is_not_taken_of_an_empty_collection_either(failure: Failure, text: str) -> None:
    assert failure(text).summary == "Unsupported attribute"


def test_a_splat_inside_a_splat_sees_its_own_items(evaluate: Evaluate) -> None:
    names = {"var.x": [{"y": [{"z": 1}, {"z": 2}]}, {"y": [{"z": 3}]}]}
    assert evaluate("var.x[*].y[*].z", names) == ((1, 2), (3,))
    assert evaluate("var.x[*].y[length(var.x[*].y[0]) - 2].z", names) == (1, 3)


# --- for ------------------------------------------------------------------------------------------------------------


def test_for_goes_in_order_of_keys_and_sorted_sets(evaluate: Evaluate) -> None:
    assert evaluate('[for k, v in {b = 1, a = 2} : "${k}${v}"]') == ("a2", "b1")
    assert evaluate('[for k, v in toset(["b", "a"]) : "${k}${v}"]') == ("aa", "bb")
    assert evaluate('[for i, v in ["x", "y"] : i]') == (0, 1)


def test_for_groups_and_filters(evaluate: Evaluate) -> None:
    assert evaluate('{for w in ["ab", "ac", "b"] : substr(w, 0, 1) => w...}') == {"a": ("ab", "ac"), "b": ("b",)}
    assert evaluate("[for x in [1, 2, 3] : x if x != 2]") == (1, 3)


def test_a_variable_of_for_hides_what_is_outside(evaluate: Evaluate) -> None:
    assert evaluate("[for var in [{a = 1}] : [for var in [2] : var]]", {"var.a": 5}) == ((2,),)
    assert evaluate("[for x in [1] : [for y in [2] : x + y]]") == ((3,),)


def test_the_mistake_in_a_condition_shows_for_an_empty_collection_too(failure: Failure) -> None:
    assert failure("[for x in [] : x if 5]").summary == "Invalid 'for' condition"


def test_a_key_twice_in_for_is_an_error_but_not_in_an_object(evaluate: Evaluate, failure: Failure) -> None:
    assert evaluate("{a = 1, a = 2}") == {"a": 2}
    assert "...) after" in str(failure("{for x in [1, 1] : x => x}"))


def test_keys_of_objects(evaluate: Evaluate, failure: Failure) -> None:
    assert evaluate('{null = 1, (var.k) = 2, "${var.k}-x" = 3, 4 = 5}', {"var.k": "k"}) == {
        "null": 1,
        "k": 2,
        "k-x": 3,
        "4": 5,
    }
    assert failure("{var.k = 1}", {"var.k": "k"}).summary == "Ambiguous attribute key"


# --- templates ------------------------------------------------------------------------------------------------------


def test_a_lone_sequence_keeps_its_type_and_two_make_a_string(render: Evaluate) -> None:
    assert render("${[1]}") == (1,)
    assert render("${1}${2}") == "12"
    assert render(" ${~ 1}") == "1"
    assert render("${null}") is None


def test_directives(render: Evaluate) -> None:
    assert render("%{ if var.a }yes%{ else }no%{ endif }", {"var.a": True}) == "yes"
    assert render("%{ for i, x in [1, 2] }${i}=${x};%{ endfor }") == "0=1;1=2;"


def test_a_null_does_not_go_into_a_string(render: Evaluate) -> None:
    with pytest.raises(ExpressionError, match="coalesce"):
        render("a ${null}")


def test_strings_are_normalised(render: Evaluate) -> None:
    assert render('e${"\u0301"}') == "é"


# --- calls ----------------------------------------------------------------------------------------------------------


def test_try_takes_the_first_that_succeeds_and_can_tells_whether_one_does(evaluate: Evaluate, failure: Failure) -> None:
    assert evaluate("try(nofunc(), [][0], 3)") == 3
    assert evaluate("can(var.o.b)", {"var.o": {}}) is False
    assert "nofunc" in str(failure("try(nofunc())"))


def test_a_misspelt_function_is_suggested(failure: Failure) -> None:
    assert 'Did you mean "lower"' in str(failure('lowr("A")'))


def test_arguments_expand(evaluate: Evaluate, failure: Failure) -> None:
    assert evaluate("max([1, 3, 2]...)") == 3
    assert "must not be null" in str(failure("max(null...)"))
    assert "tuple, list, or set" in str(failure("max(1...)"))


def test_an_argument_at_fault_is_pointed_at(failure: Failure) -> None:
    assert failure('join(",", 5)').span == (10, 11)


def test_templatestring_takes_a_reference(evaluate: Evaluate, failure: Failure) -> None:
    assert evaluate("templatestring(var.t, {n = 1})", {"var.t": "n is ${n}"}) == "n is 1"
    assert "direct reference" in str(failure('templatestring("x", {})'))
    assert 'does not contain key "m"' in str(failure("templatestring(var.t, {n = 1})", {"var.t": "${m}"}))


def test_type_answers_in_the_console_only(failure: Failure, scope: Evaluate) -> None:
    assert failure("type(1)").summary == "Call to unknown function"
    expression = parse_expression('type({a = ["x"]})')
    assert expression.evaluate(scope({}, console=True)) == "object({\n    a: tuple([\n        string,\n    ]),\n})"


# --- structures -----------------------------------------------------------------------------------------------------


def test_strings_and_keys_of_a_structure_are_templates(evaluate_data: Evaluate) -> None:
    data = {"${var.k}": ["${var.n}", "x", 1, None, {"a": "${var.k}!"}]}
    assert evaluate_data(data, {"var.k": "key", "var.n": 5}) == {"key": (5, "x", 1, None, {"a": "key!"})}


def test_an_error_in_a_structure_tells_the_way_to_it(evaluate_data: Evaluate) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_data({"a": [1, {"b": "${nofunc()}"}], "c": "${alsono()}"})
    assert [error.path for error in caught.value.all] == [("a", 1, "b"), ("c",)]


def test_a_key_twice_in_a_structure_is_an_error(evaluate_data: Evaluate) -> None:
    with pytest.raises(ExpressionError, match="already defined"):
        evaluate_data({"a": 1, "${var.k}": 2}, {"var.k": "a"})


# --- depth ----------------------------------------------------------------------------------------------------------


def test_an_expression_nested_too_deep_is_an_error_not_a_crash() -> None:
    with pytest.raises(ExpressionError, match="too deep"):
        parse_expression("(" * 5000 + "1" + ")" * 5000)
