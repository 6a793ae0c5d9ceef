"""Which resource blocks an object depends on: what is stored with it, so that it can be destroyed in order later."""

from __future__ import annotations

from iacengine.addresses import ConfigResource, Mode, Resource
from iacengine.graph.build import ConfigGraph
from iacengine.graph.nodes import Kind, Node


class Dependencies:
    """The resource blocks that a block refers to directly: through locals, variables, outputs, but no other resource.

    Ephemeral resources are looked through as well: they are never stored, so what is behind them is what counts.

    Transitive ones are not listed (they would grow with the square); a walk over stored objects finds them.
    """

    def __init__(self, graph: ConfigGraph) -> None:
        self._graph = graph
        self._through: dict[Node, frozenset[str]] = {}
        self._of: dict[Node, tuple[str, ...]] = {}

    def of(self, node: Node) -> tuple[str, ...]:
        """Texts of the blocks, sorted."""
        found = self._of.get(node)
        if found is None:
            found = self._of[node] = tuple(sorted(self._direct(node) - {_text(node)}))
        return found

    def _direct(self, node: Node) -> frozenset[str]:
        texts: set[str] = set()
        for needed in self._graph.needs(node):
            if _is_stored(needed):
                texts.add(_text(needed))
            else:
                texts |= self._behind(needed)
        return frozenset(texts)

    def _behind(self, start: Node) -> frozenset[str]:
        """The blocks behind a node that is no resource. Iterative, so that long chains of locals do no harm."""
        stack = [start]
        while stack:
            node = stack[-1]
            if node in self._through:
                stack.pop()
                continue
            missing = [
                needed for needed in self._graph.needs(node) if not _is_stored(needed) and needed not in self._through
            ]
            if missing:
                stack.extend(missing)
                continue
            texts: set[str] = set()
            for needed in self._graph.needs(node):
                texts |= {_text(needed)} if _is_stored(needed) else self._through[needed]
            self._through[node] = frozenset(texts)
            stack.pop()
        return self._through[start]


def _is_stored(node: Node) -> bool:
    return node.kind is Kind.RESOURCE and isinstance(node.name, Resource) and node.name.mode is not Mode.EPHEMERAL


def _text(node: Node) -> str:
    assert isinstance(node.name, Resource)
    return str(ConfigResource(node.module, node.name))


def is_managed(node: Node) -> bool:
    return node.kind is Kind.RESOURCE and isinstance(node.name, Resource) and node.name.mode is Mode.MANAGED
