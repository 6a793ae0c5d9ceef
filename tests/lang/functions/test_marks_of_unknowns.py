"""What is not known yet stays as secret as it is, through functions that cannot be asked yet."""

from __future__ import annotations

import pytest

from iacengine.lang.expression import parse_json
from iacengine.lang.types import STRING, ListType
from iacengine.lang.values import SENSITIVE, UNKNOWN, Unknown, Value, has_mark, mark


class _Scope:
    functions = None

    def __init__(self, value: Value) -> None:
        self._value = value

    def lookup(self, subject: tuple[str, ...]) -> Value:
        return self._value

    def provider_function(self, name: str) -> None:
        return None


@pytest.mark.parametrize("unknown", [UNKNOWN, Unknown(ListType(STRING))])
@pytest.mark.parametrize(
    "call", ["toset(var.s)", "tolist(var.s)", "values({a = var.s})", "element(var.s, 0)", "lookup({a = 1}, var.s, 2)"]
)
def test_an_unknown_secret_makes_the_answer_secret(call: str, unknown: Value) -> None:
    if "lookup" in call and unknown is not UNKNOWN:
        unknown = Unknown(STRING)
    found = parse_json("${" + call + "}").evaluate(_Scope(mark(unknown, (SENSITIVE,))))  # type: ignore[arg-type]
    assert has_mark(found, SENSITIVE)


def test_nonsensitive_takes_the_mark_off_what_is_unknown() -> None:
    found = parse_json("${nonsensitive(var.s)}").evaluate(_Scope(mark(UNKNOWN, (SENSITIVE,))))  # type: ignore[arg-type]
    assert not has_mark(found, SENSITIVE)
