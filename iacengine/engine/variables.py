"""The variables of the root module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from iacengine.config.model import Variable
from iacengine.config.variables import RootVariables, VariableOption, collect_variables, missing_variable
from iacengine.engine.model import Engine, VariableSources
from iacengine.foundation.diagnostics import Findings
from iacengine.lang.values import Value

if TYPE_CHECKING:
    pass


def missing_variables(engine: Engine, variables: VariableSources) -> tuple[Variable, ...]:
    """The variables that need a value and have none."""
    return _collect(engine, variables, Findings()).missing


def root_variables(engine: Engine, sources: VariableSources, findings: Findings) -> dict[str, Value]:
    """The values of the root module's variables. Raises with everything that is missing or does not fit."""
    return dict(collected_variables(engine, sources, findings).values)


def collected_variables(engine: Engine, sources: VariableSources, findings: Findings) -> RootVariables:
    found = _collect(engine, sources, findings)
    findings.extend(missing_variable(variable) for variable in found.missing)
    findings.raise_errors()
    return found


def _collect(engine: Engine, sources: VariableSources, findings: Findings) -> RootVariables:
    return collect_variables(
        engine.configuration.root,
        environment=os.environ,
        options=variable_options(sources),
        given=sources.values,
        findings=findings,
    )


def variable_options(sources: VariableSources) -> list[VariableOption]:
    options = [VariableOption(path, is_file=True) for path in sources.files]
    options += [VariableOption(text) for text in sources.assignments]
    return [*options, *sources.options]
