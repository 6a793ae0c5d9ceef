"""What `--target` and `--exclude` leave in a plan."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from iacengine.addresses import ModuleInstance, Resource, ResourceInstance, Target
from iacengine.graph.build import ConfigGraph
from iacengine.graph.nodes import Kind, Node
from iacengine.state.model import State


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The nodes of the graph that are planned (None: all), and which instances of blocks named with a key."""

    nodes: frozenset[Node] | None
    named: frozenset[Node]
    targets: tuple[Target, ...]
    excludes: tuple[Target, ...]
    destroyed: frozenset[ResourceInstance] | None = None
    """In a destroy plan: the stored objects that are deleted (None: all)."""

    def has_node(self, node: Node) -> bool:
        return self.nodes is None or node in self.nodes

    def names(self, address: ResourceInstance) -> bool:
        """True when the targets themselves name the address (all are named where there are none)."""
        if any(target.contains(address) for target in self.excludes):
            return False
        return not self.targets or any(target.contains(address) for target in self.targets)

    def has_instance(self, node: Node, address: ResourceInstance) -> bool:
        """True when the instance is planned: a dependency of a target whole, a target as far as it is named."""
        if any(target.contains(address) for target in self.excludes):
            return False
        if not self.targets or node not in self.named:
            return self.has_node(node)
        return any(target.contains(address) for target in self.targets)

    def has_stored(self, address: ResourceInstance, node: Node) -> bool:
        """True when an object that is only in state is planned (deleted): it must be named itself."""
        if self.destroyed is not None:
            return address in self.destroyed
        if any(target.contains(address) for target in self.excludes):
            return False
        if not self.targets:
            return True
        return any(target.contains(address) for target in self.targets) or (
            self.nodes is not None and node in self.nodes and node not in self.named
        )


def select(graph: ConfigGraph, targets: tuple[Target, ...], excludes: tuple[Target, ...]) -> Selection:
    """Targets with all they need; all but the excluded and what needs them."""
    if not targets and not excludes:
        return Selection(None, frozenset(), (), ())
    nodes: set[Node] = set(graph)
    named: set[Node] = set()
    if targets:
        named = {node for node in graph if node.kind is Kind.RESOURCE and _names(targets, node)}
        nodes = graph.closure(named, graph.needs)
        nodes |= _whole_outputs(graph, nodes)
    if excludes:
        whole = {node for node in graph if node.kind is Kind.RESOURCE and _names(_unkeyed(excludes), node)}
        nodes -= graph.closure(whole, graph.needed_by)
    return Selection(frozenset(nodes), frozenset(named), targets, excludes)


def _unkeyed(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    return tuple(
        target for target in targets if not target.keyed and all(key is None for _, key in target.module.steps)
    )


def _names(targets: tuple[Target, ...], node: Node) -> bool:
    assert isinstance(node.name, Resource)
    for target in targets:
        path = target.module.path
        if target.resource is None:
            if node.module[: len(path)] == path:
                return True
        elif node.module == path and target.resource == node.name:
            return True
    return False


def _whole_outputs(graph: ConfigGraph, nodes: set[Node]) -> set[Node]:
    """Root outputs that refer to resources, all of which are planned."""
    whole: dict[Node, bool | None] = {}  # None: no resource is behind it
    for node in graph.order():
        behind = {whole[needed] for needed in graph.needs(node)} - {None}
        if node.kind is Kind.RESOURCE:
            behind.add(node in nodes)
        whole[node] = all(behind) if behind else None
    outputs = [node for node in graph if node.kind is Kind.OUTPUT and not node.module and whole[node]]
    return graph.closure(outputs, graph.needs)


_Neighbours = dict[str, set[str]]
"""Blocks, and those they need (or are needed by)."""


def select_destroyed(state: State, targets: tuple[Target, ...], excludes: tuple[Target, ...]) -> Selection:
    """For a destroy plan: targets with all that depends on them; all but the excluded and what they depend on."""
    if not targets and not excludes:
        return Selection(None, frozenset(), (), ())
    users: _Neighbours = {}
    needs: _Neighbours = {}
    for found in state.objects.values():
        block = str(found.address.config)
        for needed in found.dependencies:
            users.setdefault(needed, set()).add(block)
            needs.setdefault(block, set()).add(needed)
    everything = {found.address for found in state.objects.values()}
    chosen = everything
    if targets:
        named = {address for address in everything if any(target.contains(address) for target in targets)}
        chosen = named | _spread(named, users, everything)
    if excludes:
        named = {address for address in everything if any(target.contains(address) for target in excludes)}
        chosen = chosen - named - _spread(named, needs, everything)
    return Selection(None, frozenset(), targets, excludes, frozenset(chosen))


def _spread(
    start: Set[ResourceInstance], neighbours: _Neighbours, everything: Set[ResourceInstance]
) -> set[ResourceInstance]:
    """The objects reached from those of the start, which are not in the result by themselves.

    As in Terraform, objects in different instances of one module have nothing to do with each other directly. A place
    is a block in one instance of its module.
    """
    places: dict[str, dict[ModuleInstance, list[ResourceInstance]]] = {}
    for address in everything:
        places.setdefault(str(address.config), {}).setdefault(address.module, []).append(address)
    seen: set[tuple[str, ModuleInstance]] = set()
    whole: set[str] = set()
    todo = [(str(address.config), address.module) for address in start]
    entered = set(todo)
    while todo:
        block, module = todo.pop()
        for other in neighbours.get(block, ()):
            there = places.get(other)
            if not there or other in whole:
                continue
            if next(iter(there)).path == module.path:
                reached = [(other, module)] if module in there else []
            else:
                whole.add(other)
                reached = [(other, instance) for instance in there]
            seen.update(reached)
            todo.extend(place for place in reached if place not in entered)
            entered.update(reached)
    return {address for block, module in seen for address in places[block][module]}
