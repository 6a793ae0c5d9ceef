"""Going over syntax trees."""

from __future__ import annotations

from collections.abc import Iterator

from iacengine.lang.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    For,
    ForDirective,
    IfDirective,
    Index,
    Interpolation,
    Node,
    Object,
    Parentheses,
    Splat,
    Template,
    Tuple,
    Unary,
)


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside a node, in the order written."""
    match node:
        case Attribute():
            yield node.source
        case Index():
            yield node.source
            yield node.key
        case Splat():
            yield node.source
            yield node.each
        case Parentheses() | Interpolation():
            yield node.inner
        case Unary():
            yield node.operand
        case Binary():
            yield node.left
            yield node.right
        case Conditional() | IfDirective():
            yield node.condition
            yield node.yes
            yield node.no
        case Call():
            yield from node.arguments
        case Tuple():
            yield from node.items
        case Object():
            for key, value in node.items:
                yield key
                yield value
        case For():
            yield node.collection
            yield from (part for part in (node.result_key, node.result, node.condition) if part is not None)
        case ForDirective():
            yield node.collection
            yield node.body
        case Template():
            yield from (part for part in node.parts if not isinstance(part, str))
        case _:
            return


def contains(node: Node, kind: type[Node]) -> bool:
    """True when the node, or one inside it, is of the kind."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, kind):
            return True
        todo += children(current)
    return False
