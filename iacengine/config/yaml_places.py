"""Places in a YAML text: composes it again, with marks, only when an error asks."""

from __future__ import annotations

from typing import Any

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from iacengine.config.places import Place, Span
from iacengine.config.scalar_offsets import scalar_offsets
from iacengine.config.yaml_source import make_parser


class YamlPlaces:
    """The node tree of one text, with an index of every mapping that was looked into."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root: Node | None = make_parser(text).get_single_node()
        self._members: dict[int, dict[str, tuple[Node, Node]]] = {}

    def find(self, path: tuple[str | int, ...]) -> Place:
        """The place at the path, or the nearest one above it that is there."""
        node = self._root
        if node is None:
            return Place(None, (0, 0), 0)
        key: Span | None = None
        steps = 0
        for step in path:
            following = self._step(node, step)
            if following is None:
                break
            key, node = following
            steps += 1
        value = (node.start_mark.index, node.end_mark.index)
        if isinstance(node, ScalarNode):
            scalar = node
            return Place(key, value, steps, True, lambda: scalar_offsets(self._text, scalar.value, value, scalar.style))
        return Place(key, value, steps)

    def first_of_duplicates(self, second: int) -> int | None:
        """Where the key that is repeated at an offset stood first."""
        todo: list[Any] = [self._root]
        seen: set[int] = set()
        while todo:
            node = todo.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, MappingNode):
                for key, _ in node.value:
                    if key.start_mark.index == second:
                        return next(
                            (other.start_mark.index for other, _ in node.value if other.value == key.value), None
                        )
                todo.extend(child for _, child in node.value)
            elif isinstance(node, SequenceNode):
                todo.extend(node.value)
        return None

    def _step(self, node: Node, step: str | int) -> tuple[Span, Node] | None:
        if isinstance(node, MappingNode):
            member = self._index(node).get(str(step))
            return None if member is None else (_span(member[0]), member[1])
        if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            element = node.value[step]
            return _span(element), element
        return None

    def _index(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        found = self._members.get(id(node))
        if found is None:
            found = {}
            for key, value in node.value:
                if key.value == "<<" and not key.style:
                    sources = value.value if isinstance(value, SequenceNode) else [value]
                    for source in sources:
                        if isinstance(source, MappingNode):
                            for name, member in self._index(source).items():
                                found.setdefault(name, member)
            for key, value in node.value:
                if isinstance(key, ScalarNode) and not (key.value == "<<" and not key.style):
                    found[key.value] = (key, value)
            self._members[id(node)] = found
        return found


def _span(node: Node) -> Span:
    return node.start_mark.index, node.end_mark.index
