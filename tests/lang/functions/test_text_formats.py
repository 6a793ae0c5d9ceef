"""JSON, YAML, CSV, printf and variables files."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.functions import registry
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.render import with_rendering
from iacengine.lang.text import nfc
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, ObjectType
from iacengine.lang.values import ListValue, MapValue, Null, Refinement, SetValue, Unknown, Value, number, to_python

Call = Callable[..., Value]
Refusal = Callable[..., registry.FunctionError]
_TEXT = Unknown(STRING, Refinement(not_null=True))


def _call(name: str, *arguments: Value) -> Value:
    function = registry.lookup(name)
    assert function is not None
    return registry.call(function, arguments, FunctionContext(files=None))  # type: ignore[arg-type]


_STRINGS = st.text(st.characters(exclude_categories=["Cs"])).map(nfc)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | _STRINGS,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(_STRINGS, inner, max_size=4),
    max_leaves=12,
)


# --- JSON ---


@given(_DATA)
def test_json_decoded_is_what_was_encoded(value: Value) -> None:
    assert _call("jsondecode", _call("jsonencode", value)) == value


@given(_DATA)
def test_encoded_json_means_the_same_to_others(value: Value) -> None:
    assert json.loads(_call("jsonencode", value)) == to_python(value)


def test_json_names_are_sorted_and_markup_is_escaped(call: Call) -> None:
    assert call("jsonencode", {"b": "<&>\u2028", "a": number("1.50")}) == '{"a":1.5,"b":"\\u003c\\u0026\\u003e\\u2028"}'


def test_json_numbers_are_exact(call: Call) -> None:
    text = "[0.1,123456789012345678901234567890,-0,0.000001]"
    assert call("jsonencode", call("jsondecode", text)) == text


@pytest.mark.parametrize(
    ("value", "prefix"),
    [({"a": _TEXT}, "{"), ((_TEXT,), "["), (_TEXT, '"'), (SetValue(STRING, (_TEXT,)), "["), (Unknown(STRING), "")],
)
def test_the_first_character_of_encoded_unknowns_is_known(value: Value, prefix: str, call: Call) -> None:
    assert call("jsonencode", value) == Unknown(STRING, Refinement(not_null=True, prefix=prefix))


@pytest.mark.parametrize(
    ("prefix", "type_"), [('"', STRING), (" tr", BOOL), ("-1", NUMBER), ("{", DYNAMIC), ("", DYNAMIC), ("n", DYNAMIC)]
)
def test_the_type_of_decoded_json_follows_from_its_first_character(prefix: str, type_: object, call: Call) -> None:
    result = call("jsondecode", Unknown(STRING, Refinement(prefix=prefix)))
    assert result.type is type_


def test_a_prefix_that_begins_no_json_is_refused_early(refusal: Refusal) -> None:
    error = refusal("jsondecode", Unknown(STRING, Refinement(prefix="hello ")))
    assert error.message == "a JSON document cannot begin with the character 'h'"


def test_a_mistake_in_json_is_told_with_its_place_but_not_with_the_text(refusal: Refusal) -> None:
    error = refusal("jsondecode", '{"password":\n hunter2}')
    assert error.message == "invalid JSON: Expecting value at line 2, column 2"


def test_json_nested_beyond_measure_is_refused(refusal: Refusal) -> None:
    assert "nested too deeply" in refusal("jsondecode", "[" * 100_000).message


def test_half_a_surrogate_pair_becomes_the_replacement_character(call: Call) -> None:
    assert call("jsondecode", '"\\ud83d!"') == "\ufffd!"


# --- YAML ---


@given(_DATA)
def test_yaml_decoded_is_what_was_encoded(value: Value) -> None:
    assert _call("yamldecode", _call("yamlencode", value)) == value


@given(_DATA)
def test_encoded_yaml_means_the_same_to_others(value: Value) -> None:
    assert yaml.safe_load(_call("yamlencode", value)) == to_python(value)


def test_yaml_anchors_and_merge_keys_are_followed(call: Call) -> None:
    text = "base: &b {p: 1, q: 2}\nmine:\n  <<: *b\n  q: 3\nsame: *b\n"
    base = {"p": 1, "q": 2}
    assert call("yamldecode", text) == {"base": base, "mine": {"p": 1, "q": 3}, "same": base}


def test_yaml_is_1_1_where_y_is_true_even_as_a_key(call: Call) -> None:
    assert call("yamldecode", "y: off") == {"true": False}


def test_a_yaml_anchor_cannot_contain_itself(refusal: Refusal) -> None:
    message = refusal("yamldecode", "a: &a [*a]").message
    assert message == 'on line 1, column 8: cannot refer to anchor "a" from inside its own definition'


def test_yaml_timestamps_become_rfc_3339(call: Call) -> None:
    assert call("yamldecode", "2001-12-14") == "2001-12-14T00:00:00Z"
    assert call("yamldecode", "2001-12-14t21:59:43.10-05:00") == "2001-12-14T21:59:43-05:00"
    assert call("yamldecode", "2001-13-14") == "2001-13-14"


# --- CSV ---


@given(st.lists(st.lists(_STRINGS, min_size=2, max_size=2), min_size=1))
def test_quoted_csv_fields_come_back_whole(rows: list[list[str]]) -> None:
    plain = [[field.replace("\r", "") for field in row] for row in rows]
    text = "a,b\n" + "".join(",".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in plain)
    decoded = _call("csvdecode", text)
    assert [[nfc(row["a"]), nfc(row["b"])] for row in decoded] == [[nfc(field) for field in row] for row in plain]


def test_csv_without_rows_is_an_empty_list_of_its_objects(call: Call) -> None:
    assert call("csvdecode", "b,a\n") == ListValue(ObjectType({"a": STRING, "b": STRING}), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing header line"),
        ("a,a\n", 'duplicate column name "a"'),
        ("a,b\n1\n", "CSV parse error on line 2: wrong number of fields"),
        ('a\n"x', "CSV parse error on line 2: extraneous"),
        ('a\nx"y\n', "CSV parse error on line 2: bare"),
    ],
)
def test_malformed_csv_is_refused_with_its_line(text: str, message: str, refusal: Refusal) -> None:
    assert refusal("csvdecode", text).message.startswith(message)


# --- printf ---


@given(st.integers(), st.integers(0, 30), st.sampled_from(["", "+", " ", "-", "0", "+0", "#"]))
def test_integers_are_formatted_as_by_python(value: int, width: int, flags: str) -> None:
    template = f"%{flags}{width or ''}d|%{flags}{width or ''}x"
    expected = (f"%{flags}{width or ''}d|%{flags}{width or ''}x") % (value, value)
    assert _call("format", template, value, value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 20), st.sampled_from("efg"))
def test_reals_are_formatted_as_by_python(value: float, precision: int, verb: str) -> None:
    # as the number the float is, not the decimal it is written as
    exact = number(value) if value.is_integer() and value == 0 else _exact(value)
    assert _call("format", f"%.{precision}{verb}", exact) == f"%.{precision}{verb}" % value


def _exact(value: float) -> Value:
    from fractions import Fraction

    from iacengine.lang.values import round_number

    return round_number(Fraction(value))


def test_widths_count_grapheme_clusters(call: Call) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert call("format", "%3s|%-3s|%.1s", family, family, family + "x") == f"  {family}|{family}  |{family}"


def test_a_format_knows_its_beginning_before_its_arguments(call: Call) -> None:
    assert call("format", "ab-%s", _TEXT) == Unknown(STRING, Refinement(not_null=True, prefix="ab-"))
    assert call("format", "abc%s", _TEXT) == Unknown(STRING, Refinement(not_null=True, prefix="ab"))


def test_formatlist_leaves_only_the_rows_unknown_that_hold_an_unknown(call: Call) -> None:
    assert call("formatlist", "%s", ("a", _TEXT)) == ListValue(STRING, ("a", _TEXT))


def test_formatlist_wants_lists_of_one_length(refusal: Refusal) -> None:
    error = refusal("formatlist", "%s%s", ("a",), ("b", "c"))
    assert error.message == "argument 2 has length 2, which is inconsistent with argument 1 of length 1"
    assert error.argument == 2


def test_a_null_of_no_type_makes_the_whole_format_unknown(call: Call) -> None:
    assert call("format", "%s", None) == Unknown(DYNAMIC)


def test_a_null_of_a_type_cannot_be_formatted_but_by_v(call: Call, refusal: Refusal) -> None:
    assert call("format", "%v", Null(STRING)) == "null"
    assert "null value cannot be formatted" in refusal("format", "%s", Null(STRING)).message


def test_an_absurd_width_does_not_fill_the_memory(call: Call) -> None:
    assert len(call("format", "%99999999999s", "x")) == 1_000_000


# --- variables files ---


def test_values_are_written_as_terraform_fmt_would_have_them(call: Call) -> None:
    value = {
        "a": 1,
        "bcd": 'x\ny"${z}',
        "d": {"f g": MapValue(NUMBER, {"x": 1}), "h": (), "i": {}},
        "list": ({"k": None}, (True, number("1.5"))),
    }
    assert call("provider::terraform::encode_tfvars", value) == (
        'a   = 1\nbcd = "x\\ny\\"$${z}"\nd = {\n  "f g" = {\n    x = 1\n  }\n  h = []\n  i = {}\n}\n'
        "list = [{\n  k = null\n}, [true, 1.5]]\n"
    )
    assert call("provider::terraform::encode_expr", {"for": SetValue(STRING, ("a",))}) == '{\n  for = ["a"]\n}'


@pytest.fixture
def rendering_call(context: FunctionContext) -> Call:
    def invoke(name: str, *arguments: Value) -> Value:
        function = registry.lookup(name)
        assert function is not None
        return registry.call(function, arguments, with_rendering(context))

    return invoke


def test_variables_files_are_read(rendering_call: Call) -> None:
    text = '# comment\na = 1\nb = [1,\n "x"] // more\nc = {\n  d = true, e = "$${f}"\n}\n'
    decoded = rendering_call("provider::terraform::decode_tfvars", text)
    assert decoded == {"a": 1, "b": (1, "x"), "c": {"d": True, "e": "${f}"}}


@pytest.mark.parametrize(
    "text",
    [
        *("a", "a = ", "a: 1", "a = 1, b = 2", "a = 1\na = 2", '"a" = 1'),
        *("a = upper(1)", "a = b", "} {", "a = 1 }", "{}", "a = {"),
    ],
)
def test_what_is_no_variables_file_is_refused(text: str, rendering_call: Call) -> None:
    with pytest.raises(registry.FunctionError):
        rendering_call("provider::terraform::decode_tfvars", text)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), _DATA, max_size=5))
def test_variables_decoded_are_those_encoded(variables: dict[str, Value]) -> None:
    function = registry.lookup("provider::terraform::decode_tfvars")
    assert function is not None
    text = _call("provider::terraform::encode_tfvars", variables)
    context = with_rendering(FunctionContext(files=None))  # type: ignore[arg-type]
    assert registry.call(function, (text,), context) == variables


def test_lists_of_lists_know_their_type(call: Call) -> None:
    assert call("formatlist", "%s", ListValue(ListType(STRING), ())) == ListValue(STRING, ())
