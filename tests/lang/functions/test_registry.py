from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from iacengine.lang.functions import registry
from iacengine.lang.types import NUMBER, STRING, ListType, type_to_json
from iacengine.lang.values import SENSITIVE, ListValue, Marked, Null, Refinement, Unknown, Value

Call = Callable[..., Value]
Refusal = Callable[..., registry.FunctionError]

_EVALUATED_ELSEWHERE = {"try", "can", "templatestring"}


def test_every_name_but_those_of_the_evaluator_leads_to_a_function_of_that_name() -> None:
    for name in registry.names():
        function = registry.lookup(name)
        if name in _EVALUATED_ELSEWHERE:
            assert function is None
        else:
            assert function is not None
            assert function.name == name


def test_there_are_as_many_functions_as_terraform_has() -> None:
    plain = [name for name in registry.names() if "::" not in name]
    assert len(plain) == 118
    assert len(set(registry.names())) == len(registry.names())


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform on the path")
def test_functions_have_the_parameters_that_terraform_tells_of() -> None:
    told = subprocess.run(["terraform", "metadata", "functions", "-json"], capture_output=True, text=True, check=True)
    signatures = json.loads(told.stdout)["function_signatures"]
    theirs = {name: _parameters(signature) for name, signature in signatures.items() if "::" not in name}
    assert theirs.keys() == {name for name in registry.names() if "::" not in name}
    for name in theirs.keys() - _EVALUATED_ELSEWHERE:
        function = registry.lookup(name)
        assert function is not None
        ours = [(each.name, type_to_json(each.type), each.allow_null) for each in function.parameters]
        variadic = function.variadic
        last = variadic and (variadic.name, type_to_json(variadic.type), variadic.allow_null)
        assert (ours, last) == theirs[name], name


def _parameters(signature: dict[str, Any]) -> tuple[list[tuple[str, Any, bool]], tuple[str, Any, bool] | None]:
    def told(parameter: dict[str, Any]) -> tuple[str, Any, bool]:
        return parameter["name"], parameter["type"], parameter.get("is_nullable", False)

    variadic = signature.get("variadic_parameter")
    return [told(each) for each in signature.get("parameters", [])], variadic and told(variadic)


def test_a_name_may_begin_with_core() -> None:
    assert registry.lookup("core::upper") is registry.lookup("upper")


@pytest.mark.parametrize(
    "name", ["", "Upper", "nofunc", "core::nofunc", "core::core::upper", "core::provider::terraform::encode_expr"]
)
def test_an_unknown_name_leads_to_nothing(name: str) -> None:
    assert registry.lookup(name) is None


def test_the_registry_loads_no_family_and_nothing_heavy() -> None:
    program = (
        "import sys; import iacengine.lang.functions.registry as r\n"
        "heavy = {'re2', 'yaml', 'json', 'orjson', 'bcrypt', 'cryptography', 'hashlib', 'datetime', 'zlib'}\n"
        "families = {m for m in sys.modules if m.startswith('iacengine.lang.functions.')}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(m.rpartition('.')[2] for m in families))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] ['calling', 'context', 'registry', 'signature']"


def test_too_few_arguments_name_the_missing_parameter(refusal: Refusal) -> None:
    error = refusal("substr", "hello", 1)
    assert error.summary == "Not enough function arguments"
    assert error.message == 'Function "substr" expects 3 argument(s). Missing value for "length".'


def test_too_few_arguments_of_a_variadic_function_say_at_least(refusal: Refusal) -> None:
    assert refusal("join").message == 'Function "join" expects at least 1 argument(s). Missing value for "separator".'


def test_too_many_arguments_blame_the_first_superfluous_one(refusal: Refusal) -> None:
    error = refusal("upper", "a", "b")
    assert error.summary == "Too many function arguments"
    assert error.argument == 1


def test_arguments_are_converted_to_the_type_of_the_parameter(call: Call) -> None:
    assert call("upper", True) == "TRUE"
    assert call("abs", "-2") == 2


def test_an_argument_that_cannot_be_converted_is_blamed(refusal: Refusal) -> None:
    error = refusal("substr", "hello", "x", 1)
    assert error.argument == 1
    function = registry.lookup("substr")
    assert function is not None
    assert error.summary == "Invalid function argument"
    assert error.detail(function).startswith('Invalid value for "offset" parameter: a number is required')


def test_an_element_that_cannot_be_converted_is_named(refusal: Refusal) -> None:
    assert refusal("sort", ("a", ("b",))).message.startswith("element 1: string required")


@pytest.mark.parametrize("null", [None, Null(STRING)])
def test_a_null_is_refused_where_the_parameter_does_not_allow_it(refusal: Refusal, null: Value) -> None:
    error = refusal("upper", null)
    assert (error.message, error.argument) == ("argument must not be null", 0)


def test_an_unknown_argument_makes_an_unknown_result_that_is_not_null(call: Call) -> None:
    assert call("upper", Unknown(STRING)) == Unknown(STRING, Refinement(not_null=True))
    assert call("split", ",", Unknown(STRING)) == Unknown(ListType(STRING), Refinement(not_null=True))


def test_an_unknown_argument_of_no_known_type_is_converted_first(call: Call) -> None:
    assert call("pow", Unknown(), 2) == Unknown(NUMBER, Refinement(not_null=True))


def test_an_unknown_of_no_type_gives_one_of_no_type_where_the_function_wants_to_see_it(call: Call) -> None:
    assert call("reverse", Unknown()) == Unknown()


def test_errors_win_over_unknowns(refusal: Refusal) -> None:
    assert (
        refusal("merge", Unknown(ListType(STRING))).message == 'arguments must be maps or objects, got "list of string"'
    )


def test_marks_of_arguments_and_of_what_is_in_them_go_to_the_result(call: Call) -> None:
    assert call("join", Marked(",", frozenset(("ephemeral",))), (Marked("a", frozenset((SENSITIVE,))), "b")) == Marked(
        "a,b", frozenset((SENSITIVE, "ephemeral"))
    )


def test_marks_are_kept_when_the_result_is_unknown(call: Call) -> None:
    result = call("upper", Marked(Unknown(STRING), frozenset((SENSITIVE,))))
    assert result == Marked(Unknown(STRING, Refinement(not_null=True)), frozenset((SENSITIVE,)))


def test_a_message_never_shows_a_sensitive_argument(refusal: Refusal) -> None:
    secret = Marked("hunter2", frozenset((SENSITIVE,)))
    for name, arguments in {
        "tonumber": (secret,),
        "tobool": (secret,),
        "parseint": (secret, 10),
        "file": (secret,),
        "base64decode": (Marked("hunter2!", frozenset((SENSITIVE,))),),
        "lookup": ({"a": 1}, secret),
    }.items():
        assert "hunter2" not in str(refusal(name, *arguments)), name


def test_the_result_of_a_list_function_is_a_list(call: Call) -> None:
    assert call("sort", ("b", "a")) == ListValue(STRING, ("a", "b"))
