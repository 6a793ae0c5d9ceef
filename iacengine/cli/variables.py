"""Values of the root module's variables: what was given, and what a person is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from iacengine import engine
from iacengine.cli.options import Request
from iacengine.cli.terminal import Terminal
from iacengine.lang.values import Value


def variable_sources(stack: engine.Engine, request: Request, terminal: Terminal) -> engine.VariableSources:
    """What the command line says of variables, and what a person answers for those that nothing gives."""
    return engine.VariableSources(assignments=request.variables, files=request.variable_files)


def root_variables(stack: engine.Engine, request: Request, terminal: Terminal) -> Mapping[str, Value]:
    return {}
