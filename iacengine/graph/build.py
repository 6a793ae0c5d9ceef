"""From a configuration to its dependency graph, in ordered passes, each adding one kind of edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from iacengine.addresses import Mode, ModulePath, Resource
from iacengine.config.model import Configuration, Module, ModuleCall, ProviderName, Repetition, ResourceBlock
from iacengine.config.provider_names import resolve_provider
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.graph.dag import DependencyGraph
from iacengine.graph.nodes import Kind, Node
from iacengine.lang.expression import parse_expression, parse_template
from iacengine.lang.references import Index, Reference, Subject

ConfigGraph = DependencyGraph[Node]


def build_graph(configuration: Configuration) -> ConfigGraph:
    """The graph of everything named in the configuration. Raises DiagnosticsError naming every cycle in full."""
    graph: ConfigGraph = DependencyGraph()
    for module in configuration.modules.values():
        _add_nodes(graph, module)
    for module in configuration.modules.values():
        _Edges(graph, configuration, module).connect()
    _refuse_cycles(graph)
    return graph


def _add_nodes(graph: ConfigGraph, module: Module) -> None:
    for kind, names in (
        (Kind.CALL, module.calls),
        (Kind.VARIABLE, module.variables),
        (Kind.LOCAL, module.locals),
        (Kind.PROVIDER, module.providers),
        (Kind.RESOURCE, module.resources),
        (Kind.OUTPUT, module.outputs),
        (Kind.CHECK, module.checks),
    ):
        for name in names:
            graph.add(Node(kind, module.path, name))
    for check in module.checks.values():
        if check.data is not None:
            graph.add(Node(Kind.RESOURCE, module.path, check.data.address))


def _refuse_cycles(graph: ConfigGraph) -> None:
    if len(graph.order()) == len(graph):
        return
    findings = []
    for cycle in graph.cycles():
        names = [str(node) for node in cycle]
        findings.append(
            error(
                "Dependency cycle",
                " -> ".join([*reversed(names), names[-1]]) + ": each needs the next, so none can come first.",
                remedy="Break the cycle: let one of them use a value that does not depend on the others.",
            )
        )
    raise DiagnosticsError(*findings)


def references_in(raw: Any) -> Iterator[Reference]:
    """Every reference in raw data, keys and `dynamic` blocks included; the names of dynamic iterators are left out."""
    if raw.__class__ is str:
        if "${" in raw or "%{" in raw:
            yield from parse_template(raw).references
    elif isinstance(raw, dict):
        for key, child in raw.items():
            if "${" in key or "%{" in key:
                yield from parse_template(key).references
            if key == "dynamic" and isinstance(child, dict | list):
                yield from _dynamic_references(child)
            else:
                yield from references_in(child)
    elif isinstance(raw, list | tuple):
        for child in raw:
            yield from references_in(child)


def _dynamic_references(raw: Any) -> Iterator[Reference]:
    for group in raw if isinstance(raw, list) else [raw]:
        if not isinstance(group, dict):
            continue
        for label, specs in group.items():
            for spec in specs if isinstance(specs, list) else [specs]:
                if isinstance(spec, dict):
                    hidden = ("resource", str(spec.get("iterator", label)))
                    yield from (found for found in references_in(spec) if found.subject[:2] != hidden)


def resource_node(path: ModulePath, subject: Subject) -> Node | None:
    """The node of a resource, data or ephemeral subject; None for any other kind."""
    match subject:
        case ("resource", type_, name):
            return Node(Kind.RESOURCE, path, Resource(Mode.MANAGED, type_, name))
        case ("data", type_, name):
            return Node(Kind.RESOURCE, path, Resource(Mode.DATA, type_, name))
        case ("ephemeral", type_, name):
            return Node(Kind.RESOURCE, path, Resource(Mode.EPHEMERAL, type_, name))
        case _:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """The passes that connect one module's nodes."""

    graph: ConfigGraph
    configuration: Configuration
    module: Module

    def connect(self) -> None:
        path = self.module.path
        for variable in self.module.variables.values():
            self._variable(Node(Kind.VARIABLE, path, variable.name), variable.name)
        for local in self.module.locals.values():
            self._refer(Node(Kind.LOCAL, path, local.name), references_in(local.value))
        for name, provider in self.module.providers.items():
            self._refer(Node(Kind.PROVIDER, path, name), references_in(dict(provider.body)))
        for block in self.module.resources.values():
            self._resource(block)
        for call in self.module.calls.values():
            self._call(call)
        for output in self.module.outputs.values():
            node = Node(Kind.OUTPUT, path, output.name)
            self._refer(node, references_in(output.value))
            self._refer(node, output.depends_on, waits=True)
            for condition in output.preconditions:
                self._refer(node, references_in([condition.condition, condition.error_message]))
        for check in self.module.checks.values():
            node = Node(Kind.CHECK, path, check.name)
            for condition in check.assertions:
                self._refer(node, references_in([condition.condition, condition.error_message]))
            if check.data is not None:
                self._resource(check.data)
                self.graph.need(node, Node(Kind.RESOURCE, path, check.data.address))
        self._imports()
        self._await_own_call()

    def _variable(self, node: Node, name: str) -> None:
        path = self.module.path
        if path:
            parent = self.configuration.modules[path[:-1]]
            arguments = parent.calls[path[-1]].arguments
            if name in arguments:
                _Edges(self.graph, self.configuration, parent)._refer(node, references_in(arguments[name]))
        for condition in self.module.variables[name].validations:
            references = references_in([condition.condition, condition.error_message])
            self._refer(node, (found for found in references if found.subject != ("var", name)))

    def _resource(self, block: ResourceBlock) -> None:
        node = Node(Kind.RESOURCE, self.module.path, block.address)
        self._repetition(node, block.repetition)
        self._refer(node, references_in(block.body))
        self._refer(node, block.depends_on, waits=True)
        lifecycle = block.lifecycle
        for trigger in lifecycle.replace_triggered_by:
            self._refer(node, _trigger_references(trigger))
        for condition in (*lifecycle.preconditions, *lifecycle.postconditions):
            self._refer(node, references_in([condition.condition, condition.error_message]))
        for connection in (block.connection, *(each.connection for each in block.provisioners)):
            if connection is not None:
                self._refer(node, references_in(connection.body))
        for provisioner in block.provisioners:
            self._refer(node, references_in(provisioner.body))
        self._provider(node, block.provider_name)

    def _provider(self, node: Node, name: ProviderName) -> None:
        resolved = resolve_provider(self.configuration, self.module.path, name, str)
        if resolved is not None and resolved.block is not None:
            self.graph.need(node, Node(Kind.PROVIDER, resolved.module, resolved.name))

    def _call(self, call: ModuleCall) -> None:
        node = Node(Kind.CALL, self.module.path, call.name)
        self._repetition(node, call.repetition)
        self._refer(node, call.depends_on, waits=True)

    def _repetition(self, node: Node, repetition: Repetition) -> None:
        self._refer(node, references_in([repetition.count, repetition.for_each]))

    def _imports(self) -> None:
        for block in self.module.imports:
            target = _import_target(block.to)
            if target is None:
                continue
            path, resource = target
            node = Node(Kind.RESOURCE, self.module.path + path, resource)
            if node in self.graph:
                self._refer(node, references_in([block.id, block.for_each]))

    def _await_own_call(self) -> None:
        path = self.module.path
        if not path:
            return
        call = Node(Kind.CALL, path[:-1], path[-1])
        for kind, names in (
            (Kind.VARIABLE, self.module.variables),
            (Kind.LOCAL, self.module.locals),
            (Kind.RESOURCE, self.module.resources),
            (Kind.OUTPUT, self.module.outputs),
            (Kind.CALL, self.module.calls),
            (Kind.CHECK, self.module.checks),
            (Kind.PROVIDER, self.module.providers),
        ):
            for name in names:
                self.graph.need(Node(kind, path, name), call)

    def _refer(self, node: Node, references: Iterable[Reference], *, waits: bool = False) -> None:
        for reference in references:
            for needed in self._needed(reference, waits):
                if needed in self.graph:
                    self.graph.need(node, needed)

    def _needed(self, reference: Reference, waits: bool) -> Iterator[Node]:
        """The nodes a reference needs; with `waits` (depends_on) a module means everything in it.

        So does a reference to a module as a whole, as in `[for each in module.m : each.id]`.
        """
        path, subject = self.module.path, reference.subject
        match subject:
            case ("var", name):
                yield Node(Kind.VARIABLE, path, name)
            case ("local", name):
                yield Node(Kind.LOCAL, path, name)
            case ("module", name):
                yield Node(Kind.CALL, path, name)
                child = self.module.children.get(name)
                if child is not None:
                    yield from self._module_parts(child, name, reference, waits)
            case _:
                node = resource_node(path, subject)
                if node is not None:
                    yield node

    def _module_parts(self, child: Module, name: str, reference: Reference, waits: bool) -> Iterator[Node]:
        attribute = next((step for step in reference.remaining if not isinstance(step, Index)), None)
        if attribute is not None and attribute in child.outputs:
            yield Node(Kind.OUTPUT, child.path, attribute)
            return
        for output in child.outputs:
            yield Node(Kind.OUTPUT, child.path, output)
        if waits or attribute is None:
            close = Node(Kind.CLOSE, self.module.path, name)
            if close not in self.graph:
                self.graph.add(close)
                for module in child.walk():
                    for resource in module.resources:
                        self.graph.need(close, Node(Kind.RESOURCE, module.path, resource))
            yield close


def _trigger_references(trigger: Any) -> Iterable[Reference]:
    if isinstance(trigger, str) and "${" not in trigger:
        return parse_expression(trigger).references
    return references_in(trigger)


def _import_target(text: str) -> tuple[ModulePath, Resource] | None:
    """The block an import's `to` names, whatever its keys are (they may use each.key)."""
    references = parse_expression(text.removeprefix("${").removesuffix("}")).references
    if not references:
        return None
    reference = references[0]
    match reference.subject:
        case ("resource", type_, name):
            return (), Resource(Mode.MANAGED, type_, name)
        case ("module", name):
            names = [step for step in reference.remaining if not isinstance(step, Index)]
            path = [name]
            while len(names) >= 2 and names[0] == "module":
                path.append(names[1])
                names = names[2:]
            return (tuple(path), Resource(Mode.MANAGED, names[0], names[1])) if len(names) >= 2 else None
        case _:
            return None
