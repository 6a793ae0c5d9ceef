"""A dependency graph as DOT, Mermaid or JSON. Edges go from what depends to what it depends on."""

from __future__ import annotations

from collections.abc import Iterable

from iacengine.cli.views.value_json import dumps

Edge = tuple[str, str]


def dot(nodes: Iterable[str], edges: Iterable[Edge]) -> str:
    """The DOT language of Graphviz."""
    lines = ["digraph G {", '  rankdir = "RL";', '  node [shape = rect, fontname = "sans-serif"];']
    lines += [f"  {_dot_name(node)} [label={_dot_name(node)}];" for node in sorted(set(nodes))]
    lines += [f"  {_dot_name(source)} -> {_dot_name(target)};" for source, target in sorted(set(edges))]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(nodes: Iterable[str], edges: Iterable[Edge]) -> str:
    """A Mermaid flowchart, as GitHub and GitLab draw it in Markdown."""
    names = sorted(set(nodes))
    numbers = {name: f"n{number}" for number, name in enumerate(names)}
    lines = ["flowchart RL"]
    lines += [f'  {numbers[name]}["{_mermaid_label(name)}"]' for name in names]
    lines += [f"  {numbers[source]} --> {numbers[target]}" for source, target in sorted(set(edges))]
    return "\n".join(lines) + "\n"


def as_json(nodes: Iterable[str], edges: Iterable[Edge]) -> str:
    """`{"format_version": "1.0", "nodes": [...], "edges": [{"source", "target"}]}`."""
    document = {
        "format_version": "1.0",
        "nodes": sorted(set(nodes)),
        "edges": [{"source": source, "target": target} for source, target in sorted(set(edges))],
    }
    return dumps(document, indent=True).decode() + "\n"


def _dot_name(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid_label(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def only(kept: Iterable[str], edges: Iterable[Edge]) -> tuple[list[str], list[Edge]]:
    """The graph of some nodes alone: an edge for every way between two of them that meets no other of them.

    Each node that is left out hands on what it needs; what is handed on is shared, so common shapes stay cheap.
    """
    nodes = list(kept)
    wanted = set(nodes)
    needs: dict[str, list[str]] = {}
    for source, target in edges:
        needs.setdefault(source, []).append(target)
    reached: dict[str, frozenset[str]] = {}

    def reach(start: str) -> frozenset[str]:
        """The kept nodes that a node needs, through others only."""
        stack = [start]
        while stack:
            node = stack[-1]
            waiting = [other for other in needs.get(node, ()) if other not in wanted and other not in reached]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if node not in reached:
                found: set[str] = set()
                for other in needs.get(node, ()):
                    if other in wanted:
                        found.add(other)
                    else:
                        found |= reached[other]
                reached[node] = frozenset(found)
        return reached[start]

    return nodes, [(node, needed) for node in nodes for needed in sorted(reach(node)) if needed != node]
