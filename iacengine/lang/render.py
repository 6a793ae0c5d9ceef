"""Rendering template files: the engine behind `templatefile` and `templatestring`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.environment import Run
from iacengine.lang.errors import ExpressionError, Span
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import FunctionError
from iacengine.lang.references import Subject
from iacengine.lang.values import Value

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def with_rendering(context: FunctionContext) -> FunctionContext:
    """The context with a template engine, whose templates see the same files and clock but render no further files."""
    inside = replace(context, inside_template=True)

    def render(text: str, variables: Mapping[str, Value], name: str) -> Value:
        return render_template(text, variables, name, inside)

    inside = replace(inside, render=render)
    return replace(context, render=render)


def render_template(text: str, variables: Mapping[str, Value], name: str, context: FunctionContext) -> Value:
    """What a template gives for its variables: a string, or the value of the one `${…}` it consists of.

    Raises FunctionError, with `name` for the template, when the template is malformed or asks for other variables.
    """
    for key in variables:
        if not _NAME.fullmatch(key):
            raise FunctionError(
                f'invalid template variable name "{key}": must start with a letter, followed by zero or more letters, '
                "digits, and underscores",
                1,
            )
    try:
        run, size, wanted = _compiled(text)
        for used, span in wanted:
            if used not in variables:
                raise _missing(used, variables, name, text, span)
        return run(_Variables(variables, context), [None] * size)
    except ExpressionError as error:
        line, column = position(text, error.span)
        raise FunctionError(f"{name}:{line},{column}: {error}") from None
    except RecursionError:
        raise FunctionError(f"{name}: the template is nested too deep") from None


@lru_cache(maxsize=256)
def _compiled(text: str) -> tuple[Run, int, tuple[tuple[str, Span], ...]]:
    from iacengine.lang.compile import compile_expression  # lazy: most stacks render no files
    from iacengine.lang.mentions import free_roots
    from iacengine.lang.template import parse_template

    node = parse_template(text)
    run, found = compile_expression(node, plain=True)
    return run, found.size, tuple([(root.name, root.span) for root, _ in free_roots(node)])


def _missing(used: str, variables: Mapping[str, Value], name: str, text: str, span: Span) -> FunctionError:
    line, column = position(text, span)
    near = near_match(used, variables)
    hint = f'; did you mean "{near}"?' if near else ""
    return FunctionError(f'vars map does not contain key "{used}", referenced at {name}:{line},{column}{hint}', 1)


def position(text: str, span: Span | None) -> tuple[int, int]:
    """Line and column, from 1, of the start of a span."""
    start = span[0] if span else 0
    line_start = text.rfind("\n", 0, start) + 1
    return text.count("\n", 0, start) + 1, start - line_start + 1


class _Variables:
    """The scope of a template: its variables and nothing else."""

    __slots__ = ("functions", "variables")

    def __init__(self, variables: Mapping[str, Value], functions: FunctionContext) -> None:
        self.variables = variables
        self.functions = functions

    def lookup(self, subject: Subject) -> Value:
        return self.variables[subject[0]]
