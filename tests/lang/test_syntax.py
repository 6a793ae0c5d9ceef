"""What is an expression, what it means, and that printing it loses nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iacengine.lang.errors import ExpressionError
from iacengine.lang.parser import parse_expression
from iacengine.lang.print import print_expression
from iacengine.lang.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    For,
    ForDirective,
    IfDirective,
    Index,
    Interpolation,
    Item,
    Key,
    Literal,
    Node,
    Object,
    Parentheses,
    Splat,
    Template,
    Tuple,
    Unary,
    Variable,
)
from iacengine.lang.template import parse_template
from iacengine.lang.text import nfc, parse_number


def test_operators_bind_as_in_arithmetic() -> None:
    assert parse_expression("1 + 2 * 3 == 7 && !a.b") == Binary(
        "&&",
        Binary("==", Binary("+", Literal(1), Binary("*", Literal(2), Literal(3))), Literal(7)),
        Unary("!", Attribute(Variable("a"), "b")),
    )


def test_operators_of_one_rank_bind_to_the_left() -> None:
    assert parse_expression("10 - 3 - 4") == Binary("-", Binary("-", Literal(10), Literal(3)), Literal(4))


def test_the_conditional_binds_to_the_right() -> None:
    tree = parse_expression("a ? b : c ? d : e")
    assert isinstance(tree, Conditional)
    assert isinstance(tree.no, Conditional)


@pytest.mark.parametrize(
    "text",
    [
        "{\n a = 1\n b = 2\n}",
        "{ a = 1, b = 2 }",
        "{ a : 1, b = 2, }",
        "{\n a = 1,\n b = 2,\n\n}",
        "{a=1 # c\n b=2 // d\n}",
    ],
)
def test_items_of_an_object_end_at_newlines_or_commas(text: str) -> None:
    assert parse_expression(text) == Object(((Key("a"), Literal(1)), (Key("b"), Literal(2))))


@pytest.mark.parametrize(
    "text", ["{ a =\n 1 }", "{ a\n = 1 }", "{ a = 1\n , b = 2 }", "{ a = 1 +\n 2 }", "{ a = 1 b = 2 }"]
)
def test_a_newline_ends_an_item_whatever_it_holds(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


@pytest.mark.parametrize(
    "text", ["{ a = [1,\n2] }", "{ a = (1\n+ 2) }", "{ a = f(\n1) }", "[\n1\n,\n2]", "{\nfor k in a :\n k => 1\n}"]
)
def test_newlines_are_free_inside_other_brackets(text: str) -> None:
    parse_expression(text)


def test_a_legacy_index_is_an_index() -> None:
    assert parse_expression("a.0") == parse_expression("a[0]")
    with pytest.raises(ExpressionError, match=r"like \[0\]\[1\]"):
        parse_expression("a.0.1")


def test_what_follows_a_full_splat_belongs_to_each_element() -> None:
    assert parse_expression("a[*].b[0]") == Splat(Variable("a"), Index(Attribute(Item(), "b"), Literal(0)), full=True)
    assert parse_expression("a.*.b[0]") == Index(Splat(Variable("a"), Attribute(Item(), "b"), full=False), Literal(0))


def test_a_heredoc_is_a_string() -> None:
    assert parse_expression("<<EOT\na\n  b\nEOT\n") == Literal("a\n  b\n")
    assert parse_expression("<<-EOT\n    a\n\n      b\n    EOT\n") == Literal("a\n\n  b\n")


def test_a_string_that_is_one_sequence_keeps_its_type() -> None:
    assert parse_template("${a.b}") == Interpolation(Attribute(Variable("a"), "b"))
    assert parse_template("${~ 1 ~}") == Interpolation(Literal(1))
    assert parse_template("${1}${2}") == Template((Literal(1), Literal(2)))


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("$${a}", "${a}"),
        ("%%{a}", "%{a}"),
        ("$$${1}", "$${1}"),
        ("a$", "a$"),
        ("100%", "100%"),
        ("\\n", "\\n"),
        ("$x", "$x"),
    ],
)
def test_escapes_of_outer_text(text: str, literal: str) -> None:
    assert parse_template(text) == Literal(literal)


def test_a_tilde_eats_white_space_up_to_the_end_of_the_line() -> None:
    assert parse_template("a \n  ${~ 1 ~} \n b") == Template(("a \n", Literal(1), " b"))


@pytest.mark.parametrize("escape", ["\\q", "\\u12", "\\U1234567", "\\ud800", "\\x41"])
def test_an_unknown_escape_is_refused_where_it_stands(escape: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(f'"ab{escape}"')
    assert caught.value.span is not None
    assert caught.value.span[0] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Missing expression"),
        ("1 +", "Missing expression"),
        ("(1", "closing parenthesis"),
        ("[1, 2", "comma"),
        ("f(1 2)", "comma"),
        ("f(a..., b)", "immediately"),
        ("a ? b", "false expression"),
        ("a.", "attribute name"),
        ("'a'", "double quotes"),
        ("1 & 2", "&&"),
        ("[for x in a : x => x]", "Key expression"),
        ("{for x in a : x}", "key => value"),
        ("{a}", "equals sign"),
        ('"a', "closing marker"),
        ('"a\nb"', "multiple lines"),
        ("1.2.3", "number literal"),
    ],
)
def test_a_syntax_error_says_what_was_expected(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert words in str(caught.value)
    assert caught.value.span is not None


def test_a_directive_is_suggested_for_a_misspelt_one() -> None:
    with pytest.raises(ExpressionError, match="endif"):
        parse_template("%{ if true }a%{ endfi }")


@pytest.mark.parametrize(
    "text", ["%{ if true }a", "%{ endfor }", "%{ for x in y }%{ endif }", "%{ if a }%{ else }%{ else }%{ endif }"]
)
def test_directives_have_to_balance(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_template(text)


# --- printing -------------------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b_c", "d-e", "é", "for_", "x1"])
literals = st.one_of(
    st.sampled_from([None, True, False]),
    st.integers(0, 10**40),
    st.sampled_from(["0.5", "1e-7", "3.25", "1e50"]).map(parse_number),
    st.text(max_size=6).map(nfc),
).map(Literal)


def operand(node: Node) -> Node:
    """In parentheses what would read otherwise beside an operator or before a step."""
    return Parentheses(node) if isinstance(node, Binary | Conditional | Unary) else node


def source(node: Node) -> Node:
    """What steps can follow: a splat would take them for its own."""
    number = isinstance(node, Literal) and not isinstance(node.value, str | bool | None)
    return Parentheses(node) if number or isinstance(node, Binary | Conditional | Unary | Splat) else node


def melted(parts: list[str | Node]) -> Template:
    result: list[str | Node] = []
    for part in parts:
        if isinstance(part, str) and (not part or (result and isinstance(result[-1], str))):
            continue
        result.append(part)
    return Template(tuple(result))


def whole_template(template: Template) -> Node:
    """A template that is only text reads as the text."""
    if all(isinstance(part, str) for part in template.parts):
        return Literal("".join(map(str, template.parts)))
    return template


def composite(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    texts = st.text(max_size=4).map(nfc)
    sequences = st.one_of(
        inner,
        st.builds(
            IfDirective,
            inner,
            st.lists(st.one_of(texts, inner), max_size=2).map(melted),
            texts.map(lambda t: melted([t])),
        ),
        st.builds(
            ForDirective, st.none() | names, names, inner, st.lists(st.one_of(texts, inner), max_size=2).map(melted)
        ),
    )
    keys = st.one_of(names.map(Key), inner.map(Parentheses), st.text(max_size=3).map(nfc).map(Literal))
    return st.one_of(
        st.builds(Attribute, inner.map(source), names),
        st.builds(Index, inner.map(source), inner),
        st.builds(Parentheses, inner),
        st.builds(Unary, st.sampled_from("-!"), inner.map(operand)),
        st.builds(Binary, st.sampled_from(["||", "==", "<=", "+", "%"]), inner.map(operand), inner.map(operand)),
        st.builds(Conditional, inner.map(operand), inner, inner),
        st.builds(
            Call,
            st.sampled_from(["f", "provider::a::b"]),
            st.lists(inner, min_size=1, max_size=2).map(tuple),
            st.booleans(),
        ),
        st.lists(inner, max_size=3).map(lambda items: Tuple(tuple(items))),
        st.lists(st.tuples(keys, inner), max_size=2).map(lambda items: Object(tuple(items))),
        st.builds(For, st.none() | names, names, inner, st.none(), inner, st.none() | inner),
        st.builds(For, st.none() | names, names, inner, inner, inner, st.none() | inner, st.booleans()),
        st.builds(
            Splat,
            inner.map(source),
            st.sampled_from([Item(), Attribute(Item(), "a"), Index(Item(), Literal(0))]),
            st.booleans(),
        ),
        st.builds(Interpolation, inner),
        st.lists(st.one_of(texts, sequences), min_size=1, max_size=3).map(melted).map(whole_template),
    )


trees: st.SearchStrategy[Node] = st.recursive(st.one_of(literals, names.map(Variable)), composite, max_leaves=12)


@given(trees)
def test_a_printed_tree_reads_as_itself(tree: Node) -> None:
    text = print_expression(tree)
    assert parse_expression(text) == tree, text


@given(st.text(alphabet="ab1\"'${}%[]().,*+-=?: \n\\~<_", max_size=30))
@example('"${"')
@example("<<-a\n ${ a ~}\n a\n")
def test_any_text_is_an_expression_or_an_expression_error(text: str) -> None:
    for parse in (parse_expression, parse_template):
        with suppress(ExpressionError):
            tree = parse(text)
            assert parse_expression(print_expression(tree)) == tree
