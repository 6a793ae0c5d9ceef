"""Answers that a real Terraform 1.11.4 gave: `answers.jsonl` holds `expr`, and `result` with `type`, or `error`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.jsonl import answer_lines

_RECORDED = Path(__file__).with_name("answers.jsonl")


def _read(line: str) -> dict[str, Any]:
    """A line of JSON whose numbers are their exact text."""
    data: dict[str, Any] = json.loads(line, parse_int=str, parse_float=str)
    return data


def _cases() -> dict[str, list[dict[str, Any]]]:
    cases: dict[str, list[dict[str, Any]]] = {}
    for line in _RECORDED.read_text(encoding="utf-8").splitlines():
        case = _read(line)
        cases.setdefault(case["expr"].partition("(")[0], []).append(case)
    return cases


_CASES = _cases()


@pytest.mark.parametrize("function", sorted(_CASES))
def test_a_function_answers_as_terraform_does(function: str, context: FunctionContext) -> None:
    cases = _CASES[function]
    requests = [json.dumps({"id": index, "expr": case["expr"]}) for index, case in enumerate(cases)]
    for case, line in zip(cases, answer_lines(requests, context), strict=True):
        answer = _read(line)
        if "error" in case:
            assert "error" in answer, f"{case['expr']} must be refused"
        else:
            assert (answer.get("result"), answer.get("type")) == (case["result"], case["type"]), case["expr"]
