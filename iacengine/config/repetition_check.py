"""`count` and `for_each` as far as they are written out."""

from __future__ import annotations

from iacengine.config.block_reader import has_template, kind_of
from iacengine.config.declared import Problem
from iacengine.config.model import Raw
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.types import NUMBER
from iacengine.lang.values import from_python


def count_problem(value: Raw) -> Problem | None:
    """What is wrong with a literal count, or None."""
    if value.__class__ is str and has_template(value):
        return None
    if value is None or value.__class__ in (dict, list, bool):
        return _not_a_count(kind_of(value))
    try:
        number = convert(from_python(value), NUMBER)
    except ConversionError:
        return _not_a_count(kind_of(value))
    if number.__class__ is not int or number < 0:
        return _not_a_count("a negative number" if number < 0 else "a fraction")
    return None


def _not_a_count(found: str) -> Problem:
    return Problem(
        "Invalid count",
        f'"count" is the number of instances, a whole number from 0 on, not {found}.',
        "For one instance or none, write ${CONDITION ? 1 : 0}.",
    )


def for_each_problem(value: Raw) -> Problem | None:
    """What is wrong with a for_each whose kind is plain to see, or None."""
    if value.__class__ is dict or (value.__class__ is str and has_template(value)):
        return None
    remedy = 'Write an object whose keys name the instances, or a set of strings such as ${toset(["a", "b"])}.'
    if value.__class__ is list:
        texts = [f'"{item}"' for item in value if item.__class__ is str and not has_template(item)]
        if texts and len(texts) == len(value) and len(texts) <= 6:
            remedy = f"For one instance a name, write ${{toset([{', '.join(texts)}])}}."
    return Problem(
        "Invalid for_each", f'"for_each" goes over an object, a map, or a set of strings, not {kind_of(value)}.', remedy
    )
