"""Values of the root module's variables: what was given, and what a person is asked for."""

from __future__ import annotations

from dataclasses import replace

import click

from iacengine import engine
from iacengine.cli.options import VARIABLE_ORDER, Request
from iacengine.cli.prompts import ask_value
from iacengine.cli.terminal import Terminal
from iacengine.config.model import Variable
from iacengine.config.variables import VariableOption, parse_value
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.lang.errors import ExpressionError
from iacengine.lang.values import Value


def variable_sources(stack: engine.Engine, request: Request, terminal: Terminal) -> engine.VariableSources:
    """What the command line says of variables, and what a person answers for those that nothing gives.

    Asks on a terminal only, and neither with `--input=false` nor with `--json`. Raises DiagnosticsError for an answer
    that is no value; what is missing otherwise is found by the engine.
    """
    sources = variables_named()
    if not (terminal.interactive and request.ask and not request.as_json):
        return sources
    try:
        missing = engine.missing_variables(stack, sources)
    except DiagnosticsError:
        return sources  # planning tells it, beside what else is wrong
    if not missing:
        return sources
    answers = {variable.name: _asked(variable, terminal) for variable in missing}
    terminal.line()
    return replace(sources, values=answers)


def variables_named() -> engine.VariableSources:
    """What the command line alone says of variables."""
    given = click.get_current_context().meta.get(VARIABLE_ORDER, ())
    return engine.VariableSources(
        options=tuple(VariableOption(text, is_file=name == "variable_files") for name, text in given)
    )


def _asked(variable: Variable, terminal: Terminal) -> Value:
    try:
        text = ask_value(variable.name, variable.description, terminal, hidden=variable.sensitive)
    except EOFError:
        raise DiagnosticsError(error(f'No value for the variable "{variable.name}"', "The input ended.")) from None
    try:
        return parse_value(variable, text)
    except ExpressionError as failed:
        shown = "" if variable.sensitive else f" {failed.detail}"
        raise DiagnosticsError(
            error(
                f'Invalid value for the variable "{variable.name}"',
                f"The answer cannot be read as an expression.{shown}",
                remedy='Write values of this type as in a configuration: ["a", "b"], { key = "value" }.',
            )
        ) from None
