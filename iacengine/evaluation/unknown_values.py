"""What names mean when nothing is given and nothing exists yet: variables of their types, objects of any.

As in Terraform's validation: what a module says can then be judged by itself, whatever it is used for. Objects are
unknown without a type, since a block with `count` may have no instance that a reference could be wrong about.
"""

from __future__ import annotations

from iacengine.config.model import Configuration, Module, Repetition, Variable
from iacengine.evaluation.scope import AnyScope, Scope, WorkingValues, evaluate, undeclared
from iacengine.foundation.diagnostics import DiagnosticsError, Findings
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.references import Subject
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, ObjectType
from iacengine.lang.values import EPHEMERAL, SENSITIVE, UNKNOWN, Unknown, Value, mark


class UnknownValues(WorkingValues):
    """Scopes over a configuration alone. A local value in error is noted once, and then any value."""

    def __init__(self, configuration: Configuration, functions: FunctionContext, findings: Findings) -> None:
        super().__init__(configuration, {}, functions)
        self._findings = findings

    def compute(self, scope: Scope, subject: Subject) -> Value:
        match subject:
            case ("var", name) if name in scope.module.variables:
                return unknown_variable(scope.module.variables[name])
            case ("local", name) if name in scope.module.locals:
                local = scope.module.locals[name]
                try:
                    return evaluate(local.value, scope, local.origin)
                except DiagnosticsError as found:
                    self._findings.add(*found.diagnostics)
                    return UNKNOWN
            case ("module", name) if name in scope.module.calls:
                return _unknown_module(scope.module, name)
            case ("output", name):
                return self._output(scope, name)
            case ("resource" | "data", _, _):
                return UNKNOWN
            case ("terraform", "applying"):
                return mark(Unknown(BOOL), (EPHEMERAL,))
            case ("ephemeral", _, _):
                return mark(UNKNOWN, (EPHEMERAL,))
        raise undeclared(subject, scope.module)


def unknown_variable(variable: Variable) -> Value:
    """Any value that a variable may have."""
    type_ = variable.constraint.type if variable.constraint is not None else DYNAMIC
    marks = [name for name, wanted in ((SENSITIVE, variable.sensitive), (EPHEMERAL, variable.ephemeral)) if wanted]
    return mark(Unknown(type_), marks)


def _unknown_module(module: Module, name: str) -> Value:
    child = module.children.get(name)
    if child is None:
        return UNKNOWN
    repetition = module.calls[name].repetition
    if repetition.is_single:
        return dict.fromkeys(child.outputs, UNKNOWN)
    outputs = ObjectType(dict.fromkeys(child.outputs, DYNAMIC))
    return Unknown(ListType(outputs) if repetition.has_count else MapType(outputs))


def any_instance(repetition: Repetition, scope: Scope) -> AnyScope:
    """The scope of any instance of a block: its count.index, or each.key and each.value, are not known."""
    if repetition.is_single:
        return scope
    names: dict[Subject, Value] = {("count", "index"): Unknown(NUMBER)}
    if repetition.has_for_each:
        names = {("each", "key"): Unknown(STRING), ("each", "value"): UNKNOWN}
    return scope.with_names(names)
