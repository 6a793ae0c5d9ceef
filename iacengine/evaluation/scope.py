"""What names mean: one scope a module instance, all of them over one table of resource objects.

A scope is asked for a subject (`("resource", "aws_vpc", "main")`) and answers with a value. Answers are remembered
per subject; what changes later (an object that was just made) is put in with `set_object`, which forgets what was
composed from it. Planning and applying use the same scopes: planning fills in planned objects, applying real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from iacengine.addresses import InstanceKey, Mode, ModuleInstance, Resource, ResourceInstance, module_path_text
from iacengine.config.model import Configuration, Module, Origin, Variable
from iacengine.config.source import explain, locate
from iacengine.evaluation.arguments import argument_value
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, failure
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_json
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function
from iacengine.lang.references import Subject
from iacengine.lang.values import EPHEMERAL, SENSITIVE, UNKNOWN, Unknown, Value, has_mark, is_wholly_known, mark

_NAMES = ("var", "local", "module")
_DEEP = 20
"""How many names may be on the way, each for the sake of the one before, until their chain is followed in a loop."""

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

    __slots__ = ("_working", "functions", "instance", "module", "provisional", "table")

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
        self.provisional: dict[Subject, tuple[int, Value]] = {}
        """While applying: values that still hold unknown parts, and the age at which they were computed."""
        self.functions: FunctionContext = working.functions

    def lookup(self, subject: Subject) -> Value:
        """The value of a subject. Raises ExpressionError when it means nothing here, DiagnosticsError when what it
        means is itself in error."""
        try:
            return self.table[subject]
        except KeyError:
            return self._working.answer(self, subject)

    def provider_function(self, name: str) -> Function | None:
        """The function `provider::NAMESPACE::NAME` of a provider, under the module's name for the provider."""
        return self._working.find_function(self.module, name)

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

    def provider_function(self, name: str) -> Function | None:
        return self.outer.provider_function(name)

    def with_names(self, names: Mapping[Subject, Value]) -> InstanceScope:
        return InstanceScope(self, names)


AnyScope = Scope | InstanceScope


class WorkingValues:
    """All that is known during one walk: variables, how calls and blocks expanded, and resource objects.

    `remembers_unknown`: while planning every value is final when it is first asked for; while applying, a value that
    still holds unknown parts is computed anew after the next object became real.
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
        self.find_function: Callable[[Module, str], Function | None] = _no_function
        self.judge_variable: Callable[[Scope, Variable, Value], None] = _accept
        self.expand_anew: Callable[[Scope, str], Expansion] | None = None
        """While applying: the instances of a module call with their values, of which a plan holds the keys alone."""
        self.open_ephemeral: Callable[[Scope, Resource], None] | None = None
        """While applying: puts in the objects of an ephemeral block, as far as it can be opened by now."""
        self.calls: dict[tuple[ModuleInstance, str], Expansion] = {}
        self.resources: dict[tuple[ModuleInstance, Resource], Expansion] = {}
        self.objects: dict[ResourceInstance, Value] = {}
        self._scopes: dict[ModuleInstance, Scope] = {}
        self._instances: dict[tuple[str, ...], list[ModuleInstance]] = {(): [ModuleInstance()]}
        self._age = 0
        self._depth = 0
        self._early = 0
        """How often something was asked for that is not there yet; what is made of it must not be remembered.

        It happens when one output of a module is used, and others of it, which are not used there, are not ready."""

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
        self._age += 1
        self.calls[(parent, name)] = expansion
        self._instances.pop((*parent.path, name), None)

    # --- resource objects ------------------------------------------------------------------------------------------

    def expand_resource(self, module: ModuleInstance, resource: Resource, expansion: Expansion) -> None:
        self._age += 1
        self.resources[(module, resource)] = expansion

    def set_object(self, address: ResourceInstance, value: Value) -> None:
        """Put in the object at an address, planned or real."""
        self._age += 1
        self.objects[address] = value
        scope = self._scopes.get(address.module)
        if scope is not None:
            scope.table.pop(_subject(address.resource), None)

    # --- computing -------------------------------------------------------------------------------------------------

    def answer(self, scope: Scope, subject: Subject) -> Value:
        """The value of a subject that its scope does not remember; remembered from now on, as far as it may be."""
        known = scope.provisional.get(subject)
        if known is not None and known[0] == self._age:
            self._early += self.remembers_unknown
            return known[1]
        self._depth += 1
        early = self._early
        try:
            if self._depth > _DEEP:
                self._answer_what_it_needs(scope, subject)
            value = self.compute(scope, subject)
        finally:
            self._depth -= 1
        if self._early == early and (self.remembers_unknown or is_wholly_known(value)):
            scope.table[subject] = value
        else:
            scope.provisional[subject] = (self._age, value)
        return value

    def _answer_what_it_needs(self, scope: Scope, subject: Subject) -> None:
        """Compute what a subject refers to, the farthest first, so that a long chain of names needs no deep stack."""
        stack = [(scope, subject)]
        opened: set[tuple[ModuleInstance, Subject]] = set()
        while stack:
            inner, name = stack[-1]
            if (inner.instance, name) not in opened:
                opened.add((inner.instance, name))
                stack.extend(
                    (there, needed) for there, needed in self._needed(inner, name) if needed not in there.table
                )
                continue
            stack.pop()
            if stack and name not in inner.table:
                self.answer(inner, name)

    def _needed(self, scope: Scope, subject: Subject) -> list[tuple[Scope, Subject]]:
        """The names that the value of a subject is made of; objects are none of them, they are just there."""
        module = scope.module
        raw: object = None
        match subject:
            case ("local", name) if name in module.locals:
                raw = module.locals[name].value
            case ("output", name):
                raw = module.outputs[name].value
            case ("var", name) if scope.instance.steps:
                scope = self.scope(scope.instance.parent)
                raw = scope.module.calls[module.path[-1]].arguments.get(name)
            case ("module", name):
                expansion = self.calls.get((scope.instance, name))
                children = [self.scope(scope.instance.child(name, key)) for key in expansion.keys] if expansion else []
                return [(child, ("output", output)) for child in children for output in child.module.outputs]
        return [(scope, found.subject) for found in parse_json(raw).references if found.subject[0] in _NAMES]

    def compute(self, scope: Scope, subject: Subject) -> Value:
        match subject:
            case ("var", name) if name in scope.module.variables:
                return self._variable(scope, name)
            case ("local", name) if name in scope.module.locals:
                local = scope.module.locals[name]
                return evaluate(local.value, scope, local.origin)
            case ("module", name) if name in scope.module.calls:
                return self._module(scope, name)
            case ("output", name):
                return self._output(scope, name)
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
        if expansion.kind == "for_each" and self.expand_anew is not None:
            expansion = self.expand_anew(parent, call_name)
        origin = call.origin.at(name)
        value = evaluate(call.arguments[name], parent.for_instance(expansion, key), origin)
        value = argument_value(variable, value, given=True, origin=origin)
        self.judge_variable(scope, variable, value)
        return value

    def _resource(self, scope: Scope, resource: Resource) -> Value:
        if resource.mode is Mode.EPHEMERAL and self.open_ephemeral is not None and resource in scope.module.resources:
            self.open_ephemeral(scope, resource)
        expansion = self.resources.get((scope.instance, resource))
        if expansion is None:
            if resource not in scope.module.resources and not _in_check(scope.module, resource):
                raise undeclared(_subject(resource), scope.module)
            self._early += 1
            return UNKNOWN
        values = {key: self.objects.get(ResourceInstance(scope.instance, resource, key)) for key in expansion.keys}
        if None in values.values():
            self._early += 1
            values = {key: UNKNOWN if value is None else value for key, value in values.items()}
        return compose(expansion.kind, values)

    def _module(self, scope: Scope, name: str) -> Value:
        expansion = self.calls.get((scope.instance, name))
        if expansion is None:
            self._early += 1
            return UNKNOWN
        return compose(expansion.kind, {key: self._outputs(scope.instance.child(name, key)) for key in expansion.keys})

    def _outputs(self, instance: ModuleInstance) -> Value:
        scope = self.scope(instance)
        return {name: self.output(scope, name) for name in scope.module.outputs}

    def output(self, scope: Scope, name: str) -> Value:
        """A module's output, marked as it declares; remembered like any other name."""
        return scope.lookup(("output", name))

    def _output(self, scope: Scope, name: str) -> Value:
        output = scope.module.outputs[name]
        value = evaluate(output.value, scope, output.origin.at("value"))
        if not output.ephemeral and not scope.instance.is_root and has_mark(value, EPHEMERAL):
            diagnostic = error(
                "Ephemeral value not allowed",
                f'The output "{name}" holds ephemeral values, so that it must be declared ephemeral itself.',
                remedy="Add `ephemeral: true` to the output.",
            )
            raise DiagnosticsError(diagnostic.at(*locate(output.origin.at("value"))))
        marks = [SENSITIVE] if output.sensitive and scope.instance.is_root else []
        if output.ephemeral:
            marks.append(EPHEMERAL)
        return mark(value, marks)


def _no_function(module: Module, name: str) -> Function | None:
    """Functions of providers are found once there are providers (`ProviderSetup`)."""
    del module, name
    return None


def _accept(scope: Scope, variable: Variable, value: Value) -> None:
    """While planning, variables are judged when they are visited."""
    del scope, variable, value


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


def with_values(diagnostic: Diagnostic, raw: object, scope: AnyScope, origin: Origin) -> Diagnostic:
    """The diagnostic at the place of raw data that was evaluated, with what its references are."""
    range_, snippet = locate(origin)
    return diagnostic.at(range_, replace(snippet, values=parse_json(raw).values(scope)))


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
