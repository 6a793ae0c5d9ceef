from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.functions import registry
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.text import number_text
from iacengine.lang.types import NUMBER
from iacengine.lang.values import ListValue, Value, number

Call = Callable[..., Value]
Refusal = Callable[..., registry.FunctionError]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("abs", ("-2.5",), number("2.5")),
        ("abs", (-0.0,), 0),
        ("ceil", (number("-0.5"),), 0),
        ("ceil", (number("5.1"),), 6),
        ("floor", (number("-0.5"),), -1),
        ("floor", (float("inf"),), float("inf")),
        ("log", (1000, 10), number("2.9999999999999996")),
        ("log", (8, 0), -0.0),
        ("max", (1, "10", 9), 10),
        ("min", (3, number("-1.5")), number("-1.5")),
        ("parseint", ("zz", 36), 1295),
        ("parseint", ("aA", 62), 656),
        ("parseint", ("-7f", 16), -127),
        ("pow", (2, number("0.5")), number("1.4142135623730951")),
        ("pow", (0, 0), 1),
        ("pow", (0, -1), float("inf")),
        ("signum", ("-2",), -1),
        ("sum", (("1.5", number("0.1"), 2),), number("3.6")),
    ],
)
def test_numbers_come_out_as_in_terraform(name: str, arguments: tuple[Value, ...], expected: Value, call: Call) -> None:
    result = call(name, *arguments)
    assert result == expected
    assert type(result) is type(expected)


def test_a_logarithm_prints_as_its_shortest_decimal(call: Call) -> None:
    assert number_text(call("log", 10, 2)) == "3.3219280948873626"


def test_sums_are_exact(call: Call) -> None:
    assert call("sum", (number("0.1"), number("0.2"))) == number("0.3")
    assert call("sum", (2**200, number("0.5"), -(2**200))) == number("0.5")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((3,), [0, 1, 2]),
        ((-3,), [0, -1, -2]),
        ((4, 1), [4, 3, 2]),
        ((0, 1, Fraction(1, 4)), [0, Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]),
        ((1, 1), []),
        ((0, 0, 0), []),
    ],
)
def test_range_counts_towards_its_end(arguments: tuple[Value, ...], expected: list[Value], call: Call) -> None:
    assert call("range", *arguments) == ListValue(NUMBER, expected)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("log", (-1, 10), "the result is not a number"),
        ("pow", (-8, number("0.5")), "the result is not a number"),
        ("max", (), "must pass at least one number"),
        ("parseint", ("0x10", 16), 'cannot parse "0x10" as a base 16 integer'),
        ("parseint", (10, 10), "first argument must be a string, not number"),
        ("parseint", ("1", 63), "base must be a whole number between 2 and 62 inclusive"),
        ("range", (1025,), "more than 1024 values were generated"),
        ("range", (0, 4, 0), "step must not be zero"),
        ("range", (1, 5, -1), "end must be less than start when step is negative"),
        ("signum", (number("0.5"),), "value must be a whole number"),
        ("sum", ((),), "cannot sum an empty list"),
        ("sum", (({},),), "argument must be list, set, or tuple of number values"),
        ("sum", ((float("inf"), float("-inf")),), "can't compute sum of opposing infinities"),
    ],
)
def test_what_has_no_answer_is_refused(name: str, arguments: tuple[Value, ...], message: str, refusal: Refusal) -> None:
    assert refusal(name, *arguments).message.startswith(message)


@given(st.lists(st.integers(), min_size=1))
def test_the_sum_of_integers_is_theirs(items: list[int]) -> None:
    function = registry.lookup("sum")
    assert function is not None
    context = FunctionContext(files=None)  # type: ignore[arg-type]
    assert registry.call(function, (tuple(items),), context) == sum(items)


@given(st.integers(min_value=0, max_value=2**200), st.integers(min_value=2, max_value=62))
def test_parseint_reads_back_digits_of_any_base(value: int, base: int) -> None:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    digits, rest = "", value
    while rest or not digits:
        rest, digit = divmod(rest, base)
        digits = alphabet[digit] + digits
    function = registry.lookup("parseint")
    assert function is not None
    assert registry.call(function, (digits, base), FunctionContext(files=None)) == value  # type: ignore[arg-type]
