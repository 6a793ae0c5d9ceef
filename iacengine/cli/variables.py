"""Values of variables that a person is asked for."""

from __future__ import annotations

from iacengine import engine
from iacengine.cli.options import Request
from iacengine.cli.terminal import Terminal


def variable_sources(stack: engine.Engine, request: Request, terminal: Terminal) -> engine.VariableSources:
    """What the command line says of variables, and what a person answers for those that nothing gives."""
    return engine.VariableSources(assignments=request.variables, files=request.variable_files)
