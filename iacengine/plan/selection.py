"""What `--target` and `--exclude` leave in a plan."""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.addresses import Resource, ResourceInstance, Target
from iacengine.graph.build import ConfigGraph
from iacengine.graph.nodes import Kind, Node


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The nodes of the graph that are planned (None: all), and which instances of blocks named with a key."""

    nodes: frozenset[Node] | None
    named: frozenset[Node]
    targets: tuple[Target, ...]
    excludes: tuple[Target, ...]

    def has_node(self, node: Node) -> bool:
        return self.nodes is None or node in self.nodes

    def has_instance(self, node: Node, address: ResourceInstance) -> bool:
        """True when the instance is planned: a dependency of a target whole, a target as far as it is named."""
        if any(target.contains(address) for target in self.excludes):
            return False
        if not self.targets or node not in self.named:
            return self.has_node(node)
        return any(target.contains(address) for target in self.targets)

    def has_stored(self, address: ResourceInstance, node: Node) -> bool:
        """True when an object that is only in state is planned (deleted): it must be named itself."""
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
    found: set[Node] = set()
    for node in graph:
        if node.kind is Kind.OUTPUT and not node.module:
            needed = graph.closure([node], graph.needs)
            resources = [other for other in needed if other.kind is Kind.RESOURCE]
            if resources and all(other in nodes for other in resources):
                found |= needed
    return found
