"""References are found without evaluating anything."""

from __future__ import annotations

import pytest

from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression, parse_json, parse_template
from iacengine.lang.references import Index, Reference


def found(text: str) -> list[tuple[tuple[str, ...], tuple[object, ...]]]:
    return [(reference.subject, reference.remaining) for reference in parse_expression(text).references]


@pytest.mark.parametrize(
    ("text", "subject", "remaining"),
    [
        ("var.a", ("var", "a"), ()),
        ("local.a.b", ("local", "a"), ("b",)),
        ("aws_vpc.main", ("resource", "aws_vpc", "main"), ()),
        ("aws_vpc.main[0].id", ("resource", "aws_vpc", "main"), (Index(0), "id")),
        ('aws_vpc.main["a"].id', ("resource", "aws_vpc", "main"), (Index("a"), "id")),
        ("aws_vpc.main.0.id", ("resource", "aws_vpc", "main"), (Index(0), "id")),
        ("aws_vpc.main[*].id", ("resource", "aws_vpc", "main"), ()),
        ("resource.aws_vpc.main.id", ("resource", "aws_vpc", "main"), ("id",)),
        ("data.aws_ami.x.id", ("data", "aws_ami", "x"), ("id",)),
        ("ephemeral.token.t.value", ("ephemeral", "token", "t"), ("value",)),
        ("module.net.subnets[0]", ("module", "net"), ("subnets", Index(0))),
        ('module.net["a"].id', ("module", "net"), (Index("a"), "id")),
        ("each.value.name", ("each", "value"), ("name",)),
        ("count.index", ("count", "index"), ()),
        ("path.module", ("path", "module"), ()),
        ("terraform.workspace", ("terraform", "workspace"), ()),
        ("self", ("self",), ()),
        ("self.id", ("self",), ("id",)),
    ],
)
def test_a_reference_is_a_subject_and_the_steps_after_it(
    text: str, subject: tuple[str, ...], remaining: tuple[object, ...]
) -> None:
    assert found(text) == [(subject, remaining)]
    assert [(one.subject, one.remaining) for one in parse_template("${" + text + "}").references] == [
        (subject, remaining)
    ]


def test_steps_end_where_evaluation_begins() -> None:
    assert found("aws_vpc.main[var.i].id") == [(("resource", "aws_vpc", "main"), ()), (("var", "i"), ())]


def test_variables_of_for_are_no_references() -> None:
    assert found("[for x in var.a : x.y.z + var.b]") == [(("var", "a"), ()), (("var", "b"), ())]
    assert found("[for x in x.y : x]") == [(("resource", "x", "y"), ())]


def test_bare_keys_are_no_references() -> None:
    assert found("{a = 1, (var.k) = 2}") == [(("var", "k"), ())]


def test_references_hide_in_templates_and_branches() -> None:
    expression = parse_template("%{ if var.a }${f(var.b)}%{ else }%{ for x in var.c }${x}%{ endfor }%{ endif }")
    assert [reference.subject for reference in expression.references] == [("var", "a"), ("var", "b"), ("var", "c")]


def test_a_reference_knows_where_it_stands() -> None:
    expression = parse_json({"a": ["x", {"b": "see ${var.x.y}"}], "${var.k}": 1})
    assert expression.references == (
        Reference(("var", "x"), ("y",), (6, 13), ("a", 1, "b")),
        Reference(("var", "k"), (), (2, 7), ("${var.k}",)),
    )


@pytest.mark.parametrize(
    "text", ["var", 'var["a"]', "local", "data.x", "data", "aws_vpc", 'aws_vpc["main"]', "module", "each", "each.kye",
             "count.idx", "path", "template.x", "resource.a", "1 + aws_vpc"]
)  # fmt: skip
def test_a_malformed_reference_is_an_error_at_once(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert caught.value.span is not None


def test_only_what_depends_on_nothing_is_constant() -> None:
    assert parse_template("plain").constant
    assert parse_template("${1 + 1}").constant
    assert parse_json({"a": [1, "x"]}).constant
    assert not parse_template("${var.a}").constant
    assert not parse_template("${timestamp()}").constant
    assert not parse_json({"a": ["${var.a}"]}).constant
