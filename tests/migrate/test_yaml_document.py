"""Data as YAML that is read back as the same data, and that `iac fmt` leaves as it is."""

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iacengine.config.format import format_yaml, same_data
from iacengine.config.source import parse, source_file
from iacengine.config.yaml_document import Block, yaml_document

TRICKY = (
    "no", "null", "~", "0x1F", "2012-10-17", "12:30", "1_000", "<<", "=", "...", "---", "- a", "a:", "${a}", "a\n b\n",
    "\n a\n", "\ta\n", "x\n\ny", "x\n\n", "  x\ny\n", "k\r\nz", "\u2028", "\ufeff", "é", "🙂", "1e5", ".inf", ".nan",
    "0o17", "+1", "a\n\tb", " \n", "\n", "true", "Yes", "//", "# a", "a #b", "10.0.0.0/16", "\x7f\x00",
)  # fmt: skip
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(alphabet="ab \n\t#:-'\"{}[]$%!&*?|>\\,0123.e~", max_size=14),
    st.sampled_from(TRICKY),
)
scalars = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: value % 1 != 0 and abs(value) > 1e-300),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=15,
)


def read(text):
    return parse(source_file("test.iac.yaml", text.encode()))


def with_comments(value, comment):
    if isinstance(value, dict):
        return Block({key: with_comments(child, comment) for key, child in value.items()} | {"//": comment})
    return [with_comments(child, comment) for child in value] if isinstance(value, list) else value


def without_comments(value):
    if isinstance(value, dict):
        return {key: without_comments(child) for key, child in value.items() if key != "//"}
    return [without_comments(child) for child in value] if isinstance(value, list) else value


@given(st.dictionaries(texts, values, min_size=1, max_size=4), texts, st.booleans())
def test_what_is_written_is_read_back(data, comment, is_spaced):
    data = without_comments(data) or {"a": 1}
    plain = yaml_document(Block(data, is_spaced=is_spaced))
    assert same_data(read(plain), data)
    assert format_yaml(plain.encode()).decode() == plain
    commented = yaml_document(with_comments(data, comment))
    assert same_data(read(commented), data)
    assert format_yaml(commented.encode()).decode() == commented


@given(texts)
def test_a_text_is_a_text_for_readers_of_yaml_1_1_too(text):
    assert yaml.safe_load(yaml_document(Block({"a": text}))) == {"a": text}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("${aws_vpc.main.id}", "${aws_vpc.main.id}"),
        ('${cidrsubnet(var.base, 8, index(var.zones, "a"))}', '${cidrsubnet(var.base, 8, index(var.zones, "a"))}'),
        ("10.0.0.0/16", "10.0.0.0/16"),
        ("arn:aws:s3:::x/*", "arn:aws:s3:::x/*"),
        ("1.4.2", "1.4.2"),
        ("${[for a in b : a]}", '"${[for a in b : a]}"'),
        ('${[for a in b : "x"]}', "'${[for a in b : \"x\"]}'"),
        ("it's: me", '"it\'s: me"'),
        ("no", '"no"'),
        ("2012-10-17", '"2012-10-17"'),
        ("1.0", '"1.0"'),
        ("", '""'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_quotes_stand_only_where_they_are_needed(value, written):
    assert yaml_document(Block({"a": value})) == f"a: {written}\n"


def test_texts_of_several_lines_stand_as_they_are():
    data = Block({"a": '#!/bin/sh\n\n  echo "hi"\n', "b": ["one\ntwo"], "c": " indented\nnot\n"})
    assert yaml_document(data) == (
        'a: |\n  #!/bin/sh\n\n    echo "hi"\nb:\n  - |-\n    one\n    two\nc: |2\n   indented\n  not\n'
    )


def test_a_comment_stands_above_what_it_is_in():
    data = Block(
        {"//": "file", "a": Block({"//": ["x", "y\nz"], "b": 1}), "c": [Block({"//": {"d": 1}, "e": Block()})]}
    )
    assert yaml_document(data) == '# file\n# x\n# y\n# z\na:\n  b: 1\nc:\n  # {"d": 1}\n  - e: {}\n'


@pytest.mark.parametrize("value", [1, [1, {"a": 2}], {"a": {"b": 1}}, "a\nb\n", [], {}])
def test_a_name_may_be_longer_than_a_line_of_yaml_can_be(value):
    data = {"x" * 2000: value, "y": {"z" * 1100: value}}
    assert same_data(read(yaml_document(Block(data))), data)


def test_names_are_no_different_from_texts():
    letters = Block(dict.fromkeys((*string.ascii_lowercase, "on", "a b", "1"), 1))
    assert yaml.safe_load(yaml_document(letters)) == dict(letters)
