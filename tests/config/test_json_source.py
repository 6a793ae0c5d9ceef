from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.config.format import same_data
from iacengine.config.json_source import parse_json_text
from iacengine.config.syntax_error import SourceSyntaxError
from iacengine.lang.values import number

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from([':"', '":', "\\", '\\":', '": "', "a"])
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(_DATA, st.sampled_from([None, 2]))
def test_json_reads_as_the_standard_library_reads_it(data: Any, indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    assert same_data(parse_json_text(text.encode()), data)


@given(_DATA, _TEXTS)
def test_a_duplicate_key_is_found_wherever_it_stands(data: Any, key: str) -> None:
    name = json.dumps(key)
    text = f'{{"outer": [{json.dumps(data)}, {{{name}: 1, {name} : {json.dumps(data)}}}]}}'
    with pytest.raises(SourceSyntaxError) as caught:
        parse_json_text(text.encode())
    error = caught.value
    assert error.duplicate
    assert error.first is not None
    assert json.loads(text[error.start : error.end]) == key
    assert text[error.first :].startswith(name)
    assert error.first < error.start


@pytest.mark.parametrize(
    "text",
    ["1e400", "36893488147419103232", "0.12345678901234567890123", "1e-400", "-1.5e+300", "12345678901234567890.5"],
)
def test_a_number_loses_no_digit(text: str) -> None:
    data = parse_json_text(f'{{"a": [{text}], "ami-0e1234": "1e400"}}'.encode())
    assert number(data["a"][0]) == number(text)
    assert data["ami-0e1234"] == "1e400"


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1e99999}', '{"a": "\\ud800"}', "", "{", "[1,]"]
)
def test_what_is_no_json_of_ours_is_refused(text: str) -> None:
    with pytest.raises(SourceSyntaxError):
        parse_json_text(text.encode())


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_json_text(b'{"a": "\\ud83d\\ude00", "b": 1e400}')["a"] == "😀"


def test_bytes_that_are_no_utf_8_are_told_by_their_place() -> None:
    with pytest.raises(SourceSyntaxError) as caught:
        parse_json_text('{"é": "'.encode() + b"\xff" + b'"}')
    assert (caught.value.summary, caught.value.start) == ("Not UTF-8", 7)
