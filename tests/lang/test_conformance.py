"""The corpus of expressions whose answers a real Terraform gave, when it lies beside the project.

`IACENGINE_CONFORMANCE` names its folder; by default `../shared/conformance`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pytest

from iacengine.foundation.files import DiskFiles
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.jsonl import answer_lines
from iacengine.lang.render import with_rendering

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("IACENGINE_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
CORPUS = FOLDER / "public.jsonl"
EXACT = Context(prec=800)

GROUP_THRESHOLD = 0.95
TOTAL_THRESHOLD = 0.99


def read(text: str) -> Any:
    return json.loads(text, parse_int=EXACT.create_decimal, parse_float=EXACT.create_decimal)


def numbers_equal(a: Decimal, b: Decimal) -> bool:
    """Exactly when both are whole, else up to 1e-15 of their size: results of logarithms are machine floats."""
    if a == b:
        return True
    if a == a.to_integral_value() and b == b.to_integral_value():
        return False
    return abs(EXACT.subtract(a, b)) <= EXACT.multiply(Decimal("1e-15"), max(abs(a), abs(b)))


def equal(wanted: Any, given: Any, type_: Any) -> bool:
    """Equality of results; sets of anything but primitives have no order."""
    if isinstance(wanted, Decimal):
        return isinstance(given, Decimal) and numbers_equal(wanted, given)
    if isinstance(wanted, list):
        if not isinstance(given, list) or len(wanted) != len(given):
            return False
        kind, inner = type_[0], type_[1]
        if kind == "set" and isinstance(inner, list):
            rest = list(given)
            for item in wanted:
                match = next((index for index, other in enumerate(rest) if equal(item, other, inner)), None)
                if match is None:
                    return False
                del rest[match]
            return True
        types = inner if kind == "tuple" else [inner] * len(wanted)
        return all(map(equal, wanted, given, types))
    if isinstance(wanted, dict):
        if not isinstance(given, dict) or wanted.keys() != given.keys():
            return False
        kind, inner = type_[0], type_[1]
        return all(equal(wanted[key], given[key], inner[key] if kind == "object" else inner) for key in wanted)
    return type(wanted) is type(given) and bool(wanted == given)


@pytest.mark.skipif(not CORPUS.is_file(), reason="the conformance corpus is not beside the project")
def test_expressions_mean_what_they_mean_in_terraform(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.chdir(FOLDER)
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    wanted = {record["id"]: record for record in map(read, lines)}
    answers = answer_lines(lines, with_rendering(FunctionContext(DiskFiles())))
    passed, total, failures = Counter[str](), Counter[str](), list[str]()
    for given in map(read, answers):
        record = wanted[given["id"]]
        total[record["group"]] += 1
        if passes(record, given):
            passed[record["group"]] += 1
        else:
            failures.append(f"{record['id']}: {record.get('expr', record.get('template'))!r} gave {given}")
    scores = [f"{group:18} {passed[group]:4} of {total[group]:4}" for group in sorted(total)]
    record_property("expressions", "\n".join([*scores, f"{'all':18} {passed.total():4} of {total.total():4}"]))
    assert total.total() == len(wanted)
    assert passed.total() >= TOTAL_THRESHOLD * total.total(), failures[:20]
    assert not [group for group in total if passed[group] < GROUP_THRESHOLD * total[group]], failures[:20]


def passes(record: dict[str, Any], given: dict[str, Any]) -> bool:
    if record.get("error"):
        return "error" in given
    if "error" in given:
        return False
    return bool(record["type"] == given["type"]) and equal(record["result"], given["result"], record["type"])


@pytest.mark.parametrize(
    ("record", "given"),
    [
        ({"result": Decimal(1), "type": "number"}, {"result": Decimal(2), "type": "number"}),
        ({"result": True, "type": "bool"}, {"result": Decimal(1), "type": "bool"}),
        ({"result": [], "type": ["list", "string"]}, {"result": [], "type": ["tuple", []]}),
        ({"error": True}, {"result": None, "type": "dynamic"}),
        ({"result": None, "type": "dynamic"}, {"error": "x"}),
    ],
)
def test_a_wrong_answer_does_not_pass(record: dict[str, Any], given: dict[str, Any]) -> None:
    assert not passes(record, given)
