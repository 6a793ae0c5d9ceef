"""`iac graph`."""

from __future__ import annotations

import click

from iacengine.cli.group import Command
from iacengine.cli.options import path_argument
from iacengine.cli.terminal import Terminal


@click.command("graph", cls=Command)
@path_argument
@click.option("--format", "format_", type=click.Choice(["dot", "mermaid", "json"]), default="dot", help="Default: dot.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--all", "everything", is_flag=True, help="Not only resources and data sources.")
@click.pass_obj
def command(terminal: Terminal, path: str, format_: str, as_json: bool, everything: bool) -> None:
    """Print the dependency graph of a stack: `iac graph | dot -Tsvg > graph.svg`."""
    from iacengine import engine  # lazy: help needs none of it
    from iacengine.cli.views.graph_text import as_json as json_text
    from iacengine.cli.views.graph_text import dot, mermaid, only

    graph = engine.dependency_graph(engine.open_stack(path))
    edges = [(str(node), str(needed)) for node, needed in graph.edges()]
    nodes = [str(node) for node in graph]
    if not everything:
        nodes, edges = only([str(node) for node in graph if _is_resource(node)], edges)
    write = json_text if as_json else {"dot": dot, "mermaid": mermaid, "json": json_text}[format_]
    terminal.write(write(nodes, edges))


def _is_resource(node: object) -> bool:
    from iacengine.graph.nodes import Kind, Node  # lazy: networkx comes with it

    return isinstance(node, Node) and node.kind is Kind.RESOURCE
