"""Numbers, characters and quotes as text."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.parser import parse_expression
from iacengine.lang.syntax import Literal
from iacengine.lang.text import graphemes, nfc, number_text, parse_number, quote
from iacengine.lang.values import round_number


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.50", "1.5"),
        ("0.1", "0.1"),
        ("1e20", "1" + "0" * 20),
        ("123456789e300", "123456789" + "0" * 300),
        ("1e-400", "0." + "0" * 399 + "1"),
        ("-0", "-0"),
        ("inf", "inf"),
        ("-Inf", "-inf"),
        ("1e5000", "1" + "0" * 5000),
    ],
)
def test_a_number_reads_and_writes_without_exponent(text: str, shown: str) -> None:
    assert number_text(parse_number(text)) == shown


def test_a_third_has_as_many_digits_as_512_bits_need() -> None:
    assert number_text(round_number(Fraction(1, 3))) == "0." + "3" * 154 + "5"


def test_an_exponent_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="exponent"):
        parse_number("1e999999999")


@given(st.fractions(), st.integers(-700, 700))
def test_a_number_is_what_its_text_reads_as(fraction: Fraction, power: int) -> None:
    number = round_number(fraction * Fraction(2) ** power)
    assert parse_number(number_text(number)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_the_text_of_a_short_decimal_is_that_decimal(decimal: object) -> None:
    shown = number_text(parse_number(str(decimal)))
    plain = f"{decimal:f}"
    assert shown == (plain.rstrip("0").rstrip(".") if "." in plain else plain)


@pytest.mark.parametrize(
    "clusters",
    [
        ["a", "b"],
        ["\r\n", "\n", "\r"],
        ["e\u0301", "x"],
        ["👩‍👩‍👧", "!"],
        ["🇩🇪", "🇫🇷", "🇩"],
        ["👍🏽"],
        ["한", "글"],
        ["\u1112\u1161\u11ab"],
        ["नि"],
    ],
)
def test_characters_are_counted_as_users_see_them(clusters: list[str]) -> None:
    assert graphemes("".join(clusters)) == clusters


@given(st.text())
def test_clusters_joined_are_the_text(text: str) -> None:
    clusters = graphemes(text)
    assert "".join(clusters) == text
    assert all(clusters)


@given(st.text())
def test_a_quoted_text_reads_as_itself(text: str) -> None:
    text = nfc(text)
    assert parse_expression(quote(text)) == Literal(text)
