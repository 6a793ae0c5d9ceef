from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iacengine.config.format import format_json, format_yaml, same_data
from iacengine.config.yaml_source import parse_yaml
from iacengine.foundation.diagnostics import DiagnosticsError

_TEXTS = st.text("ab \n:#-'\"\\{}[]&*!|>%é日", max_size=14)
_DATA = st.dictionaries(
    st.text("abc é", min_size=1, max_size=4),
    st.recursive(
        _TEXTS | st.none() | st.booleans() | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=10,
    ),
    max_size=4,
)


def _with_comments(text: str, seed: int) -> str:
    """Comments and empty lines put between lines, wherever that leaves the data as it is."""
    chance = random.Random(seed)
    lines = text.split("\n")
    for _ in range(4):
        place = chance.randrange(len(lines) + 1)
        added = chance.choice(["", " " * chance.randrange(8) + f"# comment {chance.randrange(9)}"])
        changed = [*lines[:place], added, *lines[place:]]
        try:
            if same_data(parse_yaml("\n".join(changed)), parse_yaml("\n".join(lines))):
                lines = changed
        except Exception:
            continue
    return "\n".join(lines)


@given(
    _DATA,
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.sampled_from([None, True, False]),
    st.integers(2, 7),
    st.integers(10, 80),
    st.integers(0, 10_000),
)
def test_formatting_keeps_the_data_and_formatting_again_changes_nothing(
    data: Any, style: str | None, flow: bool | None, indent: int, width: int, seed: int
) -> None:
    dumped = yaml.dump(
        data,
        Dumper=yaml.CSafeDumper,
        default_style=style,
        default_flow_style=flow,
        indent=indent,
        width=width,
        allow_unicode=True,
        sort_keys=False,
    )
    text = _with_comments(dumped, seed)
    formatted = format_yaml(text.encode())
    assert same_data(parse_yaml(formatted.decode()), parse_yaml(text))
    assert format_yaml(formatted) == formatted
    assert sorted(_comments(formatted.decode())) == sorted(_comments(text))


def _comments(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip().startswith("# comment ")]


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("a:\n    b: 1\n    c:\n      - x\n", "a:\n  b: 1\n  c:\n    - x\n"),
        ("a:\n- b\n- c:  1\n  d: 2\n", "a:\n  - b\n  - c: 1\n    d: 2\n"),
        ("a:   1   # one\n", "a: 1  # one\n"),
        ("a: 'x'\nb: 'it''s'\nc: 'say \"no\"'\nd: 'a\\b'\n", 'a: "x"\nb: "it\'s"\nc: \'say "no"\'\nd: \'a\\b\'\n'),
        ("a: {b:  1,c: [ 1,2 ]}\n", "a: {b: 1, c: [1, 2]}\n"),
        ("a: 1\n\n\n\nb: 2\n\n\n", "a: 1\n\nb: 2\n"),
        ("a: |\n     x\n       y\nb: >-\n          z\n", "a: |\n  x\n    y\nb: >-\n  z\n"),
        ("a:\n     - - 1\n       - 2\n", "a:\n  - - 1\n    - 2\n"),
        ("a: &x\n      b: 1\nc: *x\n", "a: &x\n  b: 1\nc: *x\n"),
        ("a:\n    b: 1\n    # of a\n# of c\nc: 2\n", "a:\n  b: 1\n  # of a\n# of c\nc: 2\n"),
        ("a: |+\n    x\n\n\nb: 1\n", "a: |+\n  x\n\n\nb: 1\n"),
        ("a: 1\r\nb:\r\n    c: 2\r\n", "a: 1\nb:\n  c: 2\n"),
        ("# only\n\n\n# comments", "# only\n\n# comments\n"),
        ("", ""),
    ],
)
def test_a_yaml_file_gets_the_canonical_layout(text: str, formatted: str) -> None:
    assert format_yaml(text.encode()).decode() == formatted


@given(_DATA, st.sampled_from([None, 1, 3]))
def test_json_is_indented_by_two_with_every_token_as_written(data: Any, indent: int | None) -> None:
    formatted = format_json(json.dumps(data, indent=indent).encode()).decode()
    assert formatted == json.dumps(data, indent=2) + "\n"


def test_numbers_of_a_json_file_stay_as_written() -> None:
    assert format_json(b'{"a":1.50,"b":1e400}') == b'{\n  "a": 1.50,\n  "b": 1e400\n}\n'


def test_a_file_that_cannot_be_read_is_not_formatted() -> None:
    with pytest.raises(DiagnosticsError, match="Duplicate key"):
        format_yaml(b"a: 1\na: 2\n")
