"""The console for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iacengine.foundation.files import DiskFiles
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.jsonl import answer_lines
from iacengine.lang.render import with_rendering


def ask(*requests: Any) -> list[str]:
    lines = [request if isinstance(request, str) else json.dumps(request) for request in requests]
    return list(answer_lines(lines, with_rendering(FunctionContext(DiskFiles()))))


def test_a_value_comes_with_its_exact_type() -> None:
    (line,) = ask({"id": "1", "expr": "tolist([1, 2])"})
    assert json.loads(line) == {"id": "1", "result": [1, 2], "type": ["list", "number"]}


def test_numbers_are_exact_both_ways() -> None:
    (line,) = ask('{"id": 1, "expr": "[var.a, var.b + 1]", "vars": {"var": {"a": 0.10, "b": 12345678901234567890123}}}')
    assert '"result": [0.1, 12345678901234567890124]' in line


def test_variables_are_data_unless_a_type_is_given() -> None:
    variables = {"var": {"a": [1, "${x}"], "b": [1, "x"]}, "types": {"b": "list(string)"}, "local": {"c": {"d": None}}}
    (line,) = ask({"id": 1, "expr": "[var.a, var.b, local.c]", "vars": variables})
    assert json.loads(line) == {
        "id": 1,
        "result": [[1, "${x}"], ["1", "x"], {"d": None}],
        "type": ["tuple", [["tuple", ["number", "string"]], ["list", "string"], ["object", {"d": "dynamic"}]]],
    }


def test_templates_may_be_structures() -> None:
    (line,) = ask({"id": 1, "template": {"${var.k}": ["a-${var.k}"]}, "vars": {"var": {"k": "x"}}})
    assert json.loads(line)["result"] == {"x": ["a-x"]}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"id": 1, "expr": "true ? 1 : var.zonse", "vars": {"var": {"zones": 1}}}, "Did you mean var.zones"),
        ({"id": 1, "expr": "try(aws_vpc.main, 1)"}, "aws_vpc.main"),
        ({"id": 1, "expr": "1 +"}, "Missing expression"),
        ({"id": 1, "expr": "1 / 0"}, "infinite"),
        (
            {"id": 1, "expr": "var.a", "vars": {"var": {"a": "x"}, "types": {"a": "number"}}},
            "var.a: a number is required",
        ),
        ({"id": 1, "expr": "var.a", "vars": {"var": {"a": "x"}, "types": {"a": "strin"}}}, "string"),
        ({"id": 1}, "expr"),
        ("[1, 2", "not JSON"),
        ("5", "request"),
    ],
)
def test_every_mistake_is_an_answer(request_: Any, words: str) -> None:
    (line,) = ask(request_)
    assert words in json.loads(line)["error"]


def test_blank_lines_are_skipped_and_answers_come_in_order() -> None:
    assert [json.loads(line)["id"] for line in ask({"id": 1, "expr": "1"}, " \n", {"id": 2, "expr": "2"})] == [1, 2]


def test_the_names_of_paths_are_known() -> None:
    (line,) = ask({"id": 1, "expr": '"${path.module}/${path.root}"'})
    assert json.loads(line)["result"] == "./."
