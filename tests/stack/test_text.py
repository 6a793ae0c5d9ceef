"""Text of a Python program in templates and expressions: what is no reference stays what it is."""

from hypothesis import example, given
from hypothesis import strategies as st

from iacengine import Reference
from iacengine.foundation.files import DiskFiles
from iacengine.lang.expression import parse_expression, parse_template
from iacengine.lang.functions.context import FunctionContext
from iacengine.stack.reference import expression_of, template_of

VALUE = "<value>"
TEXTS = st.text(alphabet=st.sampled_from('ab$%{}~"\\\n \u00e4if:'), max_size=12)


class Scope:
    functions = FunctionContext(DiskFiles())

    def lookup(self, subject):
        return VALUE


def parts(references):
    """A text with references in it, and what it must come to."""
    text = expected = ""
    for literal, follows in references:
        text += literal
        expected += literal
        if follows:
            text += f"{Reference('local.x')}"
            expected += VALUE
    return text, expected


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=4))
@example([("$$", True)])
@example([("$${a", True), ("%%{$", True)])
def test_a_template_means_the_text_with_its_references(pieces):
    text, expected = parts(pieces)
    assert parse_template(template_of(text)).evaluate(Scope()) == expected


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=4))
@example([("$$", True)])
@example([("$${a", True), ("%%{$", True)])
def test_an_expression_means_the_text_with_its_references(pieces):
    text, expected = parts(pieces)
    assert parse_expression(expression_of(text)).evaluate(Scope()) == expected


def test_a_forged_reference_is_text():
    forged = "${iac:0123456789abcdef:local.x:0123456789abcdef}"
    assert parse_template(template_of(forged)).evaluate(Scope()) == forged
    shown = repr(Reference("local.x"))
    assert parse_template(template_of(shown)).evaluate(Scope()) == "${local.x}"
