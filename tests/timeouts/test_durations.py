"""Durations as Go reads and Terraform users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60m", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("250ms", 0.25),
        ("10us", 1e-5),
        ("3ns", 3e-9),
        ("+5m", 300),
        ("0", 0),
        ("90s", 90),
        ("1m1m", 120),
    ],
)
def test_a_duration_is_a_row_of_numbers_with_units(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "5 m", "1h30", "5min", "5M", "1e3s", "ten minutes", "5d", "."])
def test_other_texts_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match="no duration such as"):
        parse_duration(text)


@given(st.integers(0, 10**7))
def test_a_duration_is_written_as_it_is_read(seconds):
    assert parse_duration(duration_text(seconds)) == seconds


def test_less_than_a_second_is_written_in_milliseconds():
    assert [duration_text(seconds) for seconds in (0.25, 0.0001, 0)] == ["250ms", "1ms", "0s"]
