from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iacengine.config.json_places import JsonPlaces
from iacengine.config.model import Origin
from iacengine.config.source import explain, locate, parse, source_file
from iacengine.config.yaml_places import YamlPlaces
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.errors import ExpressionError

_WORDS = st.text("abcdefg", min_size=1, max_size=6)
_TEXTS = st.lists(_WORDS, min_size=1, max_size=8).map(" ".join)
_ROUGH = st.text(st.sampled_from("abc \n'\"\\:#é日😀\t"), max_size=30)
_KEYS = st.text("xyz01é", min_size=1, max_size=3)


def _tree(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.dictionaries(
        _KEYS,
        st.recursive(
            leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
        ),
        min_size=1,
        max_size=3,
    )


def _leaves(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], str]]:
    if isinstance(data, str):
        return [(path, data)]
    entries = data.items() if isinstance(data, dict) else enumerate(data)
    return [leaf for key, child in entries for leaf in _leaves(child, (*path, key))]


@given(
    _tree(_TEXTS), st.sampled_from([None, "'", '"', "|", ">"]), st.booleans(), st.integers(2, 6), st.integers(10, 80)
)
def test_every_character_of_a_yaml_text_is_found_in_the_file(
    data: Any, style: str | None, flow: bool, indent: int, width: int
) -> None:
    text = yaml.dump(
        data,
        Dumper=yaml.CSafeDumper,
        default_style=style,
        default_flow_style=flow,
        indent=indent,
        width=width,
        allow_unicode=True,
    )
    places = YamlPlaces(text)
    for path, value in _leaves(data):
        place = places.find(path)
        assert place.steps == len(path)
        assert place.offsets is not None
        offsets = place.offsets()
        assert offsets is not None
        shown = "".join(" " if text[offset] == "\n" else text[offset] for offset in offsets[:-1])
        assert shown == value


@given(_tree(_ROUGH), st.sampled_from([None, "'", '"', "|", ">"]), st.booleans())
def test_escapes_and_line_breaks_of_yaml_never_shift_a_position(data: Any, style: str | None, flow: bool) -> None:
    text = yaml.dump(data, Dumper=yaml.CSafeDumper, default_style=style, default_flow_style=flow, allow_unicode=True)
    places = YamlPlaces(text)
    for path, value in _leaves(data):
        place = places.find(path)
        offsets = place.offsets() if place.offsets else None
        if offsets is None:
            continue  # nothing is claimed
        assert len(offsets) == len(value) + 1
        for character, offset in zip(value, offsets, strict=False):
            if character in "abcé日😀:#":
                assert text[offset] in (character, "\\")
        assert place.value[0] <= offsets[0] <= offsets[-1] <= place.value[1] + 1


@given(_tree(_ROUGH), st.booleans(), st.sampled_from([None, 1, 4]))
def test_every_character_of_a_json_text_is_found_in_the_file(data: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(data, ensure_ascii=ascii_only, indent=indent)
    places = JsonPlaces(text)
    for path, value in _leaves(data):
        place = places.find(path)
        assert json.loads(text[place.value[0] : place.value[1]]) == value
        assert place.offsets is not None
        offsets = place.offsets()
        assert offsets is not None
        assert len(offsets) == len(value) + 1
        for start, end, character in zip(offsets, offsets[1:], value, strict=False):
            assert json.loads(f'"{text[start:end]}"') == character


def _origin(text: str, name: str = "main.iac.yaml") -> Origin:
    return Origin(source_file(name, text.encode()))


def test_a_place_that_is_not_in_the_file_is_its_nearest_parent() -> None:
    range_, snippet = locate(_origin("a:\n  b: [1, 2]\n"), ("a", "b", 7, "c"))
    assert str(range_) == "main.iac.yaml:2:3"
    assert snippet.line == "  b: [1, 2]"


def test_merged_and_aliased_keys_are_found_where_they_are_written() -> None:
    origin = _origin("x-base: &base\n  size: 1\na:\n  <<: *base\nb: *base\n")
    assert str(locate(origin, ("a", "size"))[0]) == "main.iac.yaml:2:9"
    assert str(locate(origin, ("b", "size"), key=True)[0]) == "main.iac.yaml:2:3"


def test_lines_end_the_same_with_carriage_returns() -> None:
    origin = _origin("a: 1\r\nb: |\r\n  first\r\n  second\r\n")
    range_, snippet = locate(origin, ("b",), (6, 12))
    assert str(range_) == "main.iac.yaml:4:3"
    assert snippet.line == "  second"


def test_a_byte_order_mark_takes_no_column() -> None:
    file = source_file("a.iac.yaml", b"\xef\xbb\xbfa: x\n")
    assert parse(file) == {"a": "x"}
    assert str(locate(Origin(file), ("a",))[0]) == "a.iac.yaml:1:4"


def test_an_error_of_an_expression_is_shown_inside_its_text() -> None:
    problem = ExpressionError("Bad", "Because.", span=(3, 5), path=("list", 1))
    origin = _origin('a:\n  list:\n    - x\n    - "\\u00e9${no}"\n')
    found = explain(problem, Origin(origin.file, ("a",)), [("var.x", "is 1")])
    assert str(found.range) == "main.iac.yaml:4:16"
    assert found.snippet is not None
    assert found.snippet.values == (("var.x", "is 1"),)


@pytest.mark.parametrize("text", [b"\xff\xfea\x00", b"a: \xff\n"])
def test_a_yaml_file_that_is_no_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(DiagnosticsError, match="Not UTF-8"):
        parse(source_file("a.iac.yaml", text))
