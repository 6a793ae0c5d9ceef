"""Type constraints as text, which reads back as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.constraint_text import constraint_text
from iacengine.lang.constraints import parse_type_constraint
from iacengine.lang.text import escape


@pytest.mark.parametrize(
    "text",
    [
        "any",
        "string",
        "list(any)",
        "map(set(number))",
        "tuple([string, list(bool)])",
        "tuple([])",
        "object({})",
        "object({a = string, b = optional(number), c = optional(bool, true)})",
        'object({a = optional(string, "\\"$${x}\\n")})',
        "list(object({a = optional(object({b = optional(number, 1.5)}), {b = null})}))",
        'object({a = optional(map(string), {"for" = "f", x = "z", "x y" = "z"}), b = optional(list(number), [1, 2])})',
        "map(object({a = optional(tuple([string, object({b = optional(number, -1)})]))}))",
    ],
)
def test_a_constraint_is_written_as_terraform_writes_it(text):
    assert constraint_text(parse_type_constraint(text)) == text


_primitives = st.sampled_from(["string", "number", "bool", "any"])
_names = st.sampled_from(["a", "b", "long-name", "_x"])
_types = st.recursive(
    _primitives,
    lambda inner: st.one_of(
        st.builds("{}({})".format, st.sampled_from(["list", "set", "map"]), inner),
        st.lists(inner, max_size=3).map(lambda parts: f"tuple([{', '.join(parts)}])"),
        st.dictionaries(_names, st.tuples(inner, st.booleans()), max_size=3).map(
            lambda parts: (
                "object({"
                + ", ".join(f"{name} = {f'optional({one})' if opt else one}" for name, (one, opt) in parts.items())
                + "})"
            )
        ),
    ),
    max_leaves=8,
)


@given(_types)
def test_whatever_a_constraint_is_its_text_reads_back_as_it(text):
    constraint = parse_type_constraint(text)
    assert parse_type_constraint(constraint_text(constraint)) == constraint


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_whatever_a_default_is_its_text_reads_back_as_it(default):
    constraint = parse_type_constraint(f'object({{a = optional(string, "{escape(default)}")}})')
    assert parse_type_constraint(constraint_text(constraint)) == constraint
