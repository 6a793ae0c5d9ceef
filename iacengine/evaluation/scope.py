"""What names mean: one scope a module instance, all of them over one table of resource objects.

A scope is asked for a subject (`("resource", "aws_vpc", "main")`) and answers with a value. Answers are remembered
per subject; what changes later (an object that was just made) is put in with `set_object`, which forgets what was
composed from it. Planning and applying use the same scopes: planning fills in planned objects, applying real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iacengine.addresses import InstanceKey, Mode, ModuleInstance, Resource, ResourceInstance, module_path_text
from iacengine.config.model import Configuration, Module, Origin
from iacengine.config.source import explain
from iacengine.evaluation.arguments import argument_value
from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_json
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.references import Subject
from iacengine.lang.values import EPHEMERAL, SENSITIVE, UNKNOWN, Unknown, Value, is_wholly_known, mark

_MODES = {"resource": Mode.MANAGED, "data": Mode.DATA, "ephemeral": Mode.EPHEMERAL}


@dataclass(slots=True)
class Expansion:
    """The instances of a block: `kind` single, count or for_each; what each.value is for every key."""

    kind: str
    values: dict[InstanceKey, Value]

    @property
    def keys(self) -> tuple[InstanceKey, ...]:
        return tuple(self.values)


SINGLE = Expansion("single", {None: None})


class Scope:
    """What names mean inside one module instance."""

    __slots__ = ("_working", "functions", "instance", "module", "table")

    def __init__(self, working: WorkingValues, module: Module, instance: ModuleInstance) -> None:
        self._working = working
        self.module = module
        self.instance = instance
        self.table: dict[Subject, Value] = {
            ("path", "module"): module.directory or ".",
            ("path", "root"): working.configuration.directory or ".",
            ("path", "cwd"): working.cwd,
            ("terraform", "workspace"): "default",
        }
        self.functions: FunctionContext = working.functions

    def lookup(self, subject: Subject) -> Value:
        """The value of a subject. Raises ExpressionError when it means nothing here, DiagnosticsError when what it
        means is itself in error."""
        try:
            return self.table[subject]
        except KeyError:
            value = self._working.compute(self, subject)
            if self._working.remembers_unknown or is_wholly_known(value):
                self.table[subject] = value
            return value

    def with_names(self, names: Mapping[Subject, Value]) -> InstanceScope:
        """The same scope with more names: each, count, self, or a dynamic block's iterator."""
        return InstanceScope(self, names)

    def for_instance(self, expansion: Expansion, key: InstanceKey) -> Scope | InstanceScope:
        """The scope of one instance of a block: with count.index, or each.key and each.value."""
        if key is None:
            return self
        if expansion.kind == "count":
            return InstanceScope(self, {("count", "index"): key})
        return InstanceScope(self, {("each", "key"): key, ("each", "value"): expansion.values[key]})


class InstanceScope:
    """A scope with some names in front of those of the module."""

    __slots__ = ("functions", "names", "outer")
    functions: FunctionContext

    def __init__(self, outer: Scope | InstanceScope, names: Mapping[Subject, Value]) -> None:
        self.outer = outer
        self.names = names
        self.functions = outer.functions

    def lookup(self, subject: Subject) -> Value:
        if subject in self.names:
            return self.names[subject]
        return self.outer.lookup(subject)

    def with_names(self, names: Mapping[Subject, Value]) -> InstanceScope:
        return InstanceScope(self, names)


AnyScope = Scope | InstanceScope


class WorkingValues:
    """All that is known during one walk: variables, how calls and blocks expanded, and resource objects.

    `remembers_unknown`: while planning every value is final when it is first asked for; while applying, a value that
    still holds unknown parts is computed anew the next time.
    """

    def __init__(
        self,
        configuration: Configuration,
        variables: Mapping[str, Value],
        functions: FunctionContext,
        *,
        remembers_unknown: bool = True,
    ) -> None:
        self.configuration = configuration
        self.variables = variables
        self.functions = functions
        self.remembers_unknown = remembers_unknown
        self.cwd = Path.cwd().as_posix()
        self.calls: dict[tuple[ModuleInstance, str], Expansion] = {}
        self.resources: dict[tuple[ModuleInstance, Resource], Expansion] = {}
        self.objects: dict[ResourceInstance, Value] = {}
        self._scopes: dict[ModuleInstance, Scope] = {}
        self._instances: dict[tuple[str, ...], list[ModuleInstance]] = {(): [ModuleInstance()]}

    # --- module instances ------------------------------------------------------------------------------------------

    def scope(self, instance: ModuleInstance) -> Scope:
        found = self._scopes.get(instance)
        if found is None:
            module = self.configuration.modules[instance.path]
            found = self._scopes[instance] = Scope(self, module, instance)
        return found

    def module_instances(self, path: tuple[str, ...]) -> list[ModuleInstance]:
        """The instances of a module, in order; those of its callers must have been expanded."""
        known = self._instances.get(path)
        if known is None:
            known = self._instances[path] = [
                parent.child(path[-1], key)
                for parent in self.module_instances(path[:-1])
                if (parent, path[-1]) in self.calls
                for key in self.calls[(parent, path[-1])].keys
            ]
        return known

    def expand_call(self, parent: ModuleInstance, name: str, expansion: Expansion) -> None:
        self.calls[(parent, name)] = expansion
        self._instances.pop((*parent.path, name), None)

    # --- resource objects ------------------------------------------------------------------------------------------

    def expand_resource(self, module: ModuleInstance, resource: Resource, expansion: Expansion) -> None:
        self.resources[(module, resource)] = expansion

    def set_object(self, address: ResourceInstance, value: Value) -> None:
        """Put in the object at an address, planned or real."""
        self.objects[address] = value
        scope = self._scopes.get(address.module)
        if scope is not None:
            scope.table.pop(_subject(address.resource), None)

    # --- computing -------------------------------------------------------------------------------------------------

    def compute(self, scope: Scope, subject: Subject) -> Value:
        match subject:
            case ("var", name) if name in scope.module.variables:
                return self._variable(scope, name)
            case ("local", name) if name in scope.module.locals:
                local = scope.module.locals[name]
                return evaluate(local.value, scope, local.origin)
            case ("module", name) if name in scope.module.calls:
                return self._module(scope, name)
            case (("resource" | "data" | "ephemeral") as kind, type_, name):
                return self._resource(scope, Resource(_MODES[kind], type_, name))
        raise undeclared(subject, scope.module)

    def _variable(self, scope: Scope, name: str) -> Value:
        if scope.instance.is_root:
            return self.variables.get(name, UNKNOWN)
        *_, (call_name, key) = scope.instance.steps
        parent = self.scope(scope.instance.parent)
        call = parent.module.calls[call_name]
        variable = scope.module.variables[name]
        if name not in call.arguments:
            return argument_value(variable, None, given=False, origin=call.origin)
        expansion = self.calls[(parent.instance, call_name)]
        origin = call.origin.at(name)
        value = evaluate(call.arguments[name], parent.for_instance(expansion, key), origin)
        return argument_value(variable, value, given=True, origin=origin)

    def _resource(self, scope: Scope, resource: Resource) -> Value:
        expansion = self.resources.get((scope.instance, resource))
        if expansion is None:
            if resource not in scope.module.resources and not _in_check(scope.module, resource):
                raise undeclared(_subject(resource), scope.module)
            return UNKNOWN
        objects = self.objects
        values = {key: objects.get(ResourceInstance(scope.instance, resource, key), UNKNOWN) for key in expansion.keys}
        return compose(expansion.kind, values)

    def _module(self, scope: Scope, name: str) -> Value:
        expansion = self.calls.get((scope.instance, name))
        if expansion is None:
            return UNKNOWN
        return compose(expansion.kind, {key: self._outputs(scope.instance.child(name, key)) for key in expansion.keys})

    def _outputs(self, instance: ModuleInstance) -> Value:
        scope = self.scope(instance)
        return {name: self.output(scope, name) for name in scope.module.outputs}

    def output(self, scope: Scope, name: str) -> Value:
        """A module's output, marked as it declares; remembered like any other name."""
        subject = ("output", name)
        if subject in scope.table:
            return scope.table[subject]
        output = scope.module.outputs[name]
        value = evaluate(output.value, scope, output.origin.at("value"))
        marks = [SENSITIVE] if output.sensitive and scope.instance.is_root else []
        if output.ephemeral:
            marks.append(EPHEMERAL)
        value = mark(value, marks)
        if self.remembers_unknown or is_wholly_known(value):
            scope.table[subject] = value
        return value


def compose(kind: str, values: Mapping[InstanceKey, Value]) -> Value:
    """What a reference to a whole block means: the one object, a tuple (count) or an object (for_each)."""
    if kind == "single":
        return values[None]
    if kind == "count":
        return tuple(values[index] for index in sorted(values, key=lambda key: key if isinstance(key, int) else -1))
    if kind == "unknown":
        return Unknown()
    return {str(key): values[key] for key in sorted(values, key=str)}


def evaluate(raw: object, scope: AnyScope, origin: Origin) -> Value:
    """The value of raw data in a scope. Raises DiagnosticsError that points into the file."""
    try:
        return parse_json(raw).evaluate(scope)
    except ExpressionError as found:
        raise DiagnosticsError(explain(found, origin)) from None


def guarded(compute: Callable[[], Value], origin: Origin) -> Value:
    """What `compute` gives; an ExpressionError out of it points into the file."""
    try:
        return compute()
    except ExpressionError as found:
        raise DiagnosticsError(explain(found, origin)) from None


def undeclared(subject: Subject, module: Module) -> Exception:
    where = f"module {module_path_text(module.path)}" if module.path else "the root module"
    return failure(
        "Reference to undeclared object",
        f"{'.'.join(part for part in subject if part != 'resource')} is not declared in {where}.",
    )


def _subject(resource: Resource) -> Subject:
    kind = "resource" if resource.mode is Mode.MANAGED else resource.mode.value
    return (kind, resource.type, resource.name)


def _in_check(module: Module, resource: Resource) -> bool:
    return any(check.data is not None and check.data.address == resource for check in module.checks.values())
