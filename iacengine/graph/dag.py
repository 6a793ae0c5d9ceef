"""A directed acyclic graph on networkx (the only module that imports it).

Edges run from what is needed to what needs it, so that a topological order is an order of work. Everything here is
linear in nodes and edges; networkx's quadratic algorithms (transitive reduction, reversed copies) are not used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

import networkx as nx

N = TypeVar("N", bound=Hashable)


class DependencyGraph(Generic[N]):
    """Nodes, and which of them need which others."""

    def __init__(self) -> None:
        self.digraph: nx.DiGraph[N] = nx.DiGraph()

    def __len__(self) -> int:
        return len(self.digraph)

    def __contains__(self, node: object) -> bool:
        return node in self.digraph

    def __iter__(self) -> Iterator[N]:
        return iter(self.digraph)

    def add(self, node: N) -> None:
        self.digraph.add_node(node)

    def need(self, node: N, needed: N) -> None:
        """Say that `node` needs `needed` first. A node never needs itself."""
        if node != needed:
            self.digraph.add_edge(needed, node)

    def needs(self, node: N) -> Iterator[N]:
        """What the node needs directly."""
        return self.digraph.predecessors(node)

    def needed_by(self, node: N) -> Iterator[N]:
        """What needs the node directly."""
        return self.digraph.successors(node)

    def edges(self) -> Iterator[tuple[N, N]]:
        """Pairs of a node and one that it needs."""
        return ((node, needed) for needed, node in self.digraph.edges())

    def order(self) -> list[N]:
        """The nodes, each after all it needs; ties in the order in which they were added.

        Kahn's algorithm (1962). The result is shorter than the graph when there is a cycle: see `cycle`.
        """
        successors = self.digraph.successors  # `succ` would make an object for each node
        waiting = dict(self.digraph.in_degree())
        ready = deque(node for node, count in waiting.items() if not count)
        done: list[N] = []
        while ready:
            node = ready.popleft()
            done.append(node)
            for dependent in successors(node):
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    ready.append(dependent)
        return done

    def cycles(self) -> list[list[N]]:
        """One cycle out of each knot of nodes that need each other, each node needing the one before it."""
        found = []
        for component in nx.strongly_connected_components(self.digraph):
            if len(component) > 1:
                first = min(component, key=str)
                edges = nx.find_cycle(self.digraph.subgraph(component), first)
                found.append([edge[0] for edge in edges])
        return sorted(found, key=lambda cycle: sorted(map(str, cycle)))

    def closure(self, roots: Iterable[N], step: Callable[[N], Iterable[N]]) -> set[N]:
        """The roots and everything reached from them; `step` is `needs` or `needed_by`."""
        seen = set(roots)
        todo = list(seen)
        while todo:
            for node in step(todo.pop()):
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
        return seen
