from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iacengine.config.format import same_data
from iacengine.config.scalars import exact_number, resolve
from iacengine.config.syntax_error import SourceSyntaxError
from iacengine.config.yaml_source import parse_yaml
from iacengine.lang.values import number

_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("Nope", "Nope"),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("-12", -12),
        ("+3", 3),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1),
        ("1e3", 1000),
        ("-1.5E-1", -0.15),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("10.0.0.0/16", "10.0.0.0/16"),
        ("1.2.3", "1.2.3"),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("-", "-"),
        ("--flag", "--flag"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = resolve(text)
    assert found == value
    assert found.__class__ is value.__class__


@pytest.mark.parametrize("text", ["1e400", "1180591620717411303424", "0.1234567890123456789", "-2.5e-320", "0.1"])
def test_a_number_loses_no_digit(text: str) -> None:
    assert number(exact_number(text)) == number(text)


@given(st.integers(0, 10**25), st.integers(0, 25))
def test_a_decimal_of_any_length_is_exact(digits: int, places: int) -> None:
    text = f"{digits}e-{places}"
    assert number(exact_number(text)) == number(text)
    if places == 0:
        assert exact_number(str(digits)) == digits
    assert isinstance(exact_number(text), int | float | Fraction)


@given(_DATA)
def test_json_text_reads_as_yaml_to_the_same_data(data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False)
    if any(separator in text for separator in "\x85\u2028\u2029\ufeff"):
        return  # line breaks of YAML
    assert same_data(parse_yaml(text), json.loads(text))


_NESTED_TEXTS = st.recursive(
    st.text("abc \n:#-'\"\\{}[]&*!|>%@`é日", max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc é", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(_NESTED_TEXTS, st.sampled_from([None, "'", '"', "|", ">"]), st.booleans())
def test_what_a_dumper_writes_in_any_style_is_read_back(data: Any, style: str | None, flow: bool) -> None:
    text = yaml.dump(
        data,
        Dumper=yaml.CSafeDumper,
        default_style=style,
        default_flow_style=flow,
        allow_unicode=True,
        sort_keys=False,
    )
    assert same_data(parse_yaml(text), data)


def test_an_empty_document_is_nothing() -> None:
    assert parse_yaml("") is None
    assert parse_yaml("# only a comment\n") is None
    assert parse_yaml("---\n...\n") is None


def test_keys_are_strings_as_written() -> None:
    assert parse_yaml("80: a\ntrue: b\n0x10: c\nno: d\n") == {"80": "a", "true": "b", "0x10": "c", "no": "d"}


def test_an_alias_stands_for_what_its_anchor_named() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n") == {"a": [1, 2], "b": [1, 2], "c": 3, "d": 3}


def test_own_keys_win_over_merged_ones_and_earlier_merges_over_later() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc:\n  z: 3\n  <<: [*a, *b]\n"
    assert parse_yaml(text)["c"] == {"x": 1, "y": 1, "z": 3}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert parse_yaml('"<<": {a: 1}\n') == {"<<": {"a": 1}}


def test_tags_of_the_core_schema_are_obeyed() -> None:
    assert parse_yaml("a: !!str 5\nb: !!int 5\nc: ! 5\nd: !!map {}\n") == {"a": "5", "b": 5, "c": "5", "d": {}}


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("a: 1\na: 2\n", 'Duplicate key "a"'),
        ("a: {b: 1, b: 2}\n", 'Duplicate key "b"'),
        ("? [a]\n: 1\n", "Invalid key"),
        ("~: 1\n", "Invalid key"),
        ("? \n: 1\n", "Invalid key"),
        ("a: &x [*x]\n", "The alias *x stands inside its own anchor"),
        ("a: !!python/object:os.system x\n", "Unknown YAML tag !!python/object:os.system"),
        ("a: !!int x\n", "Invalid value"),
        ("a: !!timestamp 2001-01-01\n", "Unknown YAML tag !!timestamp"),
        ("<<: 1\n", "Invalid merge key"),
        ("a: .nan\n", "Invalid value"),
        ("a: 1\n---\nb: 1\n", "Several documents in one file"),
        ("[" * 300 + "]" * 300, "Nested too deeply"),
    ],
)
def test_what_no_stack_file_may_hold_is_refused(text: str, summary: str) -> None:
    with pytest.raises(SourceSyntaxError) as caught:
        parse_yaml(text)
    assert caught.value.summary == summary


def test_a_billion_laughs_are_refused_before_they_are_counted() -> None:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SourceSyntaxError, match="Aliases expand too far"):
        parse_yaml("\n".join(lines))


def test_many_uses_of_a_small_anchor_are_no_attack() -> None:
    text = "x: &x {a: 1, b: [2, 3]}\n" + "".join(f"k{n}: *x\n" for n in range(5000))
    assert len(parse_yaml(text)) == 5001
