"""Variables of a saved plan: it holds all but the ephemeral ones, which whoever applies it gives again.

As Terraform does it: what was given while planning has to be given, what was not must not be. Other variables are
part of the plan; giving them again is fine as long as it says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from iacengine.addresses import ModuleInstance
from iacengine.config.model import Variable
from iacengine.config.source import mistake
from iacengine.config.variables import RootVariables, VariableOption, collect_variables
from iacengine.evaluation.conditions import judge
from iacengine.evaluation.scope import WorkingValues
from iacengine.foundation.diagnostics import Diagnostic, Findings, error
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.values import Value, same, unmark_deep
from iacengine.plan.model import Plan


def with_variables(
    plan: Plan,
    environment: Mapping[str, str],
    options: Iterable[VariableOption],
    values: Mapping[str, object],
) -> Plan:
    """The plan with its ephemeral variables. Raises DiagnosticsError with everything that is missing, or is not as it
    was when the plan was made."""
    root = plan.configuration.root
    ephemeral = {name: variable for name, variable in root.variables.items() if variable.ephemeral}
    findings = Findings()
    options = tuple(options)
    if not (ephemeral or options or values):
        return plan
    named = collect_variables(root, environment={}, options=options, given=values, findings=findings, automatic=False)
    findings.raise_errors()
    _compare(plan, named, findings)
    if not ephemeral:
        findings.raise_errors()
        return plan
    # Files and the environment may hold values for other stacks, and for this one as it will be: only what is
    # ephemeral is taken from them.
    wanted = {name: text for name, text in environment.items() if name.partition("_VAR_")[2] in ephemeral}
    every = collect_variables(root, environment=wanted, options=options, given=values, findings=findings)
    findings.raise_errors()
    for name, variable in ephemeral.items():
        if name in plan.ephemeral_variables and name not in every.given:
            findings.add(_missing(variable))
        elif name in every.given and name not in plan.ephemeral_variables:
            findings.add(_unexpected(variable))
    findings.raise_errors()
    again: dict[str, Value] = {name: every.values[name] for name in ephemeral if name in every.values}
    return replace(plan, variables={**plan.variables, **again})


def _compare(plan: Plan, named: RootVariables, findings: Findings) -> None:
    for name in sorted(named.given):
        variable = plan.configuration.root.variables[name]
        if variable.ephemeral or name not in plan.variables or name not in named.values:
            continue
        if not same(unmark_deep(named.values[name])[0], unmark_deep(plan.variables[name])[0]):
            findings.add(
                error(
                    f'Another value for the variable "{name}"',
                    f"The plan was made with another value of var.{name}, and it is applied as it is.",
                    remedy=f"Leave out --var {name}=… (or what a file says of it), or make a new plan with it.",
                )
            )


def _missing(variable: Variable) -> Diagnostic:
    name = variable.name
    return mistake(
        variable.origin,
        f'No value for the ephemeral variable "{name}"',
        "It was given when the plan was made. A plan file does not hold ephemeral values, so it has to be given again.",
        key=True,
        remedy=f"Use --var '{name}=…', --var-file, or IAC_VAR_{name}.",
    )


def _unexpected(variable: Variable) -> Diagnostic:
    return mistake(
        variable.origin,
        f'The ephemeral variable "{variable.name}" was not given when the plan was made',
        "The plan was made with its default, so it cannot have another value now.",
        key=True,
        remedy="Leave it out, or make a new plan with it.",
    )


def judged(plan: Plan, functions: FunctionContext) -> Plan:
    """The plan itself. Raises DiagnosticsError when an ephemeral variable is not what its validations ask for."""
    root = plan.configuration.root
    findings = Findings()
    scope = WorkingValues(plan.configuration, plan.variables, functions).scope(ModuleInstance())
    for name in plan.ephemeral_variables:
        for condition in root.variables[name].validations:
            verdict = judge(condition, scope, "Invalid value for variable")
            if verdict.diagnostic is not None:
                findings.add(verdict.diagnostic)
    findings.raise_errors()
    return plan
