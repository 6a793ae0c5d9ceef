from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.functions import registry
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.text import graphemes, nfc
from iacengine.lang.types import BOOL, NUMBER, STRING, TupleType
from iacengine.lang.values import ListValue, Refinement, Unknown, Value

Call = Callable[..., Value]
Refusal = Callable[..., registry.FunctionError]
_FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one grapheme of five code points


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("chomp", ("a\r\n\n\r",), "a"),
        ("indent", (2, "a\n\nb"), "a\n  \n  b"),
        ("lower", ("\u0130\u03a3",), "i\u03c3"),
        ("upper", ("straße ŉ ᾳ",), "STRAßE ŉ ᾼ"),
        ("title", ("it's a_b 1st éa\u00a0b",), "It'S A_b 1st Éa\u00a0B"),
        ("strrev", (f"a{_FAMILY}\r\n",), f"\r\n{_FAMILY}a"),
        ("substr", (f"h{_FAMILY}llo", 1, 2), f"{_FAMILY}l"),
        ("substr", ("hello", -3, -1), "llo"),
        ("substr", ("hello", -3, 0), "llo"),
        ("substr", ("hello", 9, 2), ""),
        ("substr", ("hello", 0, 0), ""),
        ("trim", ("日a日", "日"), "a"),
        ("trimspace", ("\u2003\u0085x\u3000\n",), "x"),
        ("trimspace", ("\x1cx",), "\x1cx"),
        ("join", ("e", ("x", "\u0301")), nfc("xe\u0301")),
        ("strcontains", ("abc", ""), True),
    ],
)
def test_strings_come_out_as_in_terraform(name: str, arguments: tuple[Value, ...], expected: Value, call: Call) -> None:
    assert call(name, *arguments) == expected


@pytest.mark.parametrize(
    ("separator", "subject", "expected"),
    [(",", "", [""]), ("", "", []), ("", "日é", ["日", "é"]), (",", ",a,", ["", "a", ""])],
)
def test_split_gives_every_piece(separator: str, subject: str, expected: list[str], call: Call) -> None:
    assert call("split", separator, subject) == ListValue(STRING, expected)


def test_sort_goes_by_code_point(call: Call) -> None:
    assert call("sort", ("é", "z", "_", "10", "9", "a")) == ListValue(STRING, ("10", "9", "_", "a", "z", "é"))


def test_an_unknown_element_leaves_the_length_of_a_sorted_list_known(call: Call) -> None:
    assert call("sort", ("b", Unknown(STRING))) == ListValue(STRING, (Unknown(STRING), Unknown(STRING)))


@pytest.mark.parametrize(
    ("known", "prefix", "expected"),
    [("ab-", "ab", True), ("ab-", "x", False), ("ab-", "ab-c", None), ("", "x", None), ("", "", True)],
)
def test_startswith_uses_what_is_known_of_an_unknown(
    known: str, prefix: str, expected: bool | None, call: Call
) -> None:
    subject = Unknown(STRING, Refinement(not_null=True, prefix=known))
    answer = Unknown(BOOL, Refinement(not_null=True)) if expected is None else expected
    assert call("startswith", subject, prefix) == answer


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("indent", (-1, "a"), "the number of spaces must not be negative"),
        ("join", (",", ("a", None)), "element 1 is null; cannot concatenate null values"),
        ("join", (",", ("a",), (None,)), "element 0 of list 2 is null"),
        ("join", (",",), "at least one list is required"),
        ("sort", (("a", None),), "given list element 1 is null"),
        ("indent", (2**63 - 1, "a"), "the number of spaces must not be greater than"),
    ],
)
def test_what_has_no_answer_is_refused(name: str, arguments: tuple[Value, ...], message: str, refusal: Refusal) -> None:
    assert refusal(name, *arguments).message.startswith(message)


def _call(name: str, *arguments: Value) -> Value:
    function = registry.lookup(name)
    assert function is not None
    return registry.call(function, arguments, FunctionContext(files=None))  # type: ignore[arg-type]


_TEXT = st.text(st.characters(exclude_categories=["Cs"])).map(nfc)


@given(_TEXT)
def test_taking_a_string_apart_and_together_again_changes_nothing(subject: str) -> None:
    count = _call("length", subject)
    assert count == len(graphemes(subject))
    assert "".join(_call("substr", subject, index, 1) for index in range(count)) == subject


@given(st.lists(_TEXT.filter(lambda text: "," not in text), min_size=1))
def test_split_undoes_join(items: list[str]) -> None:
    assert _call("split", ",", _call("join", ",", tuple(items))) == ListValue(STRING, items)


@given(st.lists(_TEXT))
def test_sorting_twice_is_sorting_once(items: list[str]) -> None:
    once = _call("sort", tuple(items))
    assert _call("sort", once) == once


@given(st.text(st.characters(max_codepoint=0x2FF)).map(nfc))
def test_reversing_twice_gives_the_string_back(subject: str) -> None:
    # marks at the start would join the last character of the reversed string
    reversed_ = _call("strrev", subject)
    if len(graphemes(reversed_)) == len(graphemes(subject)):
        assert _call("strrev", reversed_) == subject


def test_a_sorted_list_is_as_long_as_before_whatever_is_in_it(call: Call) -> None:
    answer = call("sort", Unknown(TupleType([STRING, NUMBER])))
    assert answer == ListValue(STRING, [Unknown(STRING), Unknown(STRING)])
