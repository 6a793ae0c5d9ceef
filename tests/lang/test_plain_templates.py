"""Templates of text and plain references, which are read without the parser, mean what the parser says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.compile import compile_expression
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_template
from iacengine.lang.references import Reference
from iacengine.lang.template import parse_template as read_template
from iacengine.lang.values import UNKNOWN, sensitive

REFERENCES = ("${var.a}", "${ var.b }", "${aws_vpc.main.id}", "${var.none}", "${var.no}", "${local.u}", "${var.s}")
TEXTS = ("$", "$$", "$${", "%%{", "%", "{", "}", "~", " ", "\n", "\r\n", "\r", '"', "\\", "\\n", "web-", "é", "e\u0301")
OTHERS = ("${var.a", "${~ var.a ~}", "${var}", "${var.o.x}", "${each.key}", "${self}", "${null}", "${1}")
PIECES = st.sampled_from((*REFERENCES, *TEXTS, *OTHERS))
NAMES: dict[str, Any] = {
    "var.a": "A",
    "var.b": 7,
    "aws_vpc.main": {"id": "vpc-1"},
    "var.none": None,
    "local.u": UNKNOWN,
    "var.s": sensitive("secret"),
    "var.o": {"y": True},
    "each.key": "k",
    "self": [1, 2],
}


def by_the_parser(text: str, scope: Any) -> tuple[Any, tuple[Reference, ...]]:
    run, found = compile_expression(read_template(text))
    return run(scope, [None] * found.size), tuple(found.references)


def by_the_engine(text: str, scope: Any) -> tuple[Any, tuple[Reference, ...]]:
    expression = parse_template(text)
    return expression.evaluate(scope), expression.references


def outcome(read: Callable[[str, Any], tuple[Any, tuple[Reference, ...]]], text: str, scope: Any) -> object:
    try:
        value, references = read(text, scope)
    except ExpressionError as error:
        return (str(error), error.span, repr(error.result), [(str(other), other.span) for other in error.others])
    return repr(value), references


@given(st.lists(PIECES, min_size=2, max_size=5).map("".join))
def test_text_with_plain_references_means_what_the_parser_says(scope: Callable[..., Any], text: str) -> None:
    world = scope(NAMES)
    assert outcome(by_the_engine, text, world) == outcome(by_the_parser, text, world)
