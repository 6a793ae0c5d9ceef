"""Finding what a syntax tree refers to, without evaluating it."""

from __future__ import annotations

from collections.abc import Iterator

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.errors import ExpressionError, Span
from iacengine.lang.references import RESERVED_ROOTS, ROOT_ATTRIBUTES, SUBJECT_NAMES, Index, Reference, Step, Subject
from iacengine.lang.syntax import Attribute, For, ForDirective, Literal, Node, Variable
from iacengine.lang.syntax import Index as IndexNode
from iacengine.lang.walk import children


def chain(node: Attribute | IndexNode) -> tuple[Node, list[Attribute | IndexNode]]:
    """What attributes and indexes are taken of, and those steps from the first on."""
    steps: list[Attribute | IndexNode] = []
    current: Node = node
    while isinstance(current, Attribute | IndexNode):
        steps.append(current)
        current = current.source
    steps.reverse()
    return current, steps


def resolve(root: Variable, steps: list[Attribute | IndexNode]) -> tuple[Subject, int]:
    """The subject of a reference that starts with a name, and how many steps belong to it.

    Raises ExpressionError for what cannot be a reference (`var`, `data.x`, `aws_vpc["main"]`).
    """
    name = root.name
    if name in RESERVED_ROOTS:
        raise ExpressionError(
            "Reserved symbol name",
            f'The symbol name "{name}" is reserved for use in a future version of the language.',
            remedy='For a resource type of this name, write "resource." before it.',
            span=root.span,
        )
    count = SUBJECT_NAMES.get(name, -1)
    wanted = 1 if count < 0 else count
    names: list[str] = []
    for step in steps[:wanted]:
        if not isinstance(step, Attribute):
            raise _malformed(name, count, step.span, indexed=True)
        names.append(step.name)
    if len(names) < wanted:
        raise _malformed(name, count, steps[-1].span if steps else root.span, indexed=False)
    if name in ROOT_ATTRIBUTES and names[0] not in ROOT_ATTRIBUTES[name]:
        known = ROOT_ATTRIBUTES[name]
        near = near_match(names[0], known) or known[0]
        raise ExpressionError(
            f'Invalid "{name}" attribute',
            f'The "{name}" object does not have an attribute named "{names[0]}". It has: {", ".join(known)}.',
            remedy=f"Did you mean {name}.{near}?",
            span=steps[0].span,
        )
    return (("resource", name, *names) if count < 0 else (name, *names)), wanted


def _malformed(name: str, count: int, span: Span, *, indexed: bool) -> ExpressionError:
    summary = "Invalid reference"
    if count < 0:
        return ExpressionError(
            summary,
            "A reference to a resource type must be followed by at least one attribute access, "
            "specifying the resource name.",
            remedy=f"Write {name}.NAME for a resource; a string has to be quoted.",
            span=span,
        )
    if count == 2:
        noun = {"data": "data source", "ephemeral": "ephemeral resource", "resource": "resource"}[name]
        return ExpressionError(
            summary,
            f'The "{name}" object must be followed by two attribute names: the {noun} type and the resource name.',
            remedy=f"Write {name}.TYPE.NAME.",
            span=span,
        )
    if indexed:
        detail = f'The "{name}" object does not support this operation.'
    else:
        detail = f'The "{name}" object cannot be accessed directly. Instead, access one of its attributes.'
    return ExpressionError(summary, detail, remedy=f"Write {name}.NAME.", span=span)


def static_step(step: Attribute | IndexNode) -> Step | None:
    """The step as data, or None when only evaluation can tell."""
    if isinstance(step, Attribute):
        return step.name
    key = step.key
    if isinstance(key, Literal) and (key.value.__class__ is str or key.value.__class__ is int):
        return Index(key.value)
    return None


def free_roots(
    node: Node, bound: frozenset[str] = frozenset()
) -> Iterator[tuple[Variable, list[Attribute | IndexNode]]]:
    """Every name that no `for` around it binds, with the attributes and indexes taken of it, in the order written."""
    match node:
        case Variable():
            if node.name not in bound:
                yield node, []
        case Attribute() | IndexNode():
            root, steps = chain(node)
            if not isinstance(root, Variable):
                yield from free_roots(root, bound)
            elif root.name not in bound:
                yield root, steps
            for step in steps:
                if isinstance(step, IndexNode) and not isinstance(step.key, Literal):
                    yield from free_roots(step.key, bound)
        case For():
            yield from free_roots(node.collection, bound)
            inner = bound | {node.value} | ({node.key} if node.key is not None else frozenset())
            for child in (node.result_key, node.result, node.condition):
                if child is not None:
                    yield from free_roots(child, inner)
        case ForDirective():
            yield from free_roots(node.collection, bound)
            inner = bound | {node.value} | ({node.key} if node.key is not None else frozenset())
            yield from free_roots(node.body, inner)
        case _:
            for child in children(node):
                yield from free_roots(child, bound)


def reference_of(root: Variable, steps: list[Attribute | IndexNode]) -> tuple[Reference, int, Span]:
    """The reference that a name and its steps make, how many steps the subject takes, and the subject's own span.

    Raises ExpressionError for what cannot be a reference.
    """
    subject, used = resolve(root, steps)
    remaining: list[Step] = []
    end = root.span[1] if used == 0 else steps[used - 1].span[1]
    for step in steps[used:]:
        static = static_step(step)
        if static is None:
            break
        remaining.append(static)
        end = step.span[1]
    subject_end = root.span[1] if used == 0 else steps[used - 1].span[1]
    return Reference(subject, tuple(remaining), (root.span[0], end)), used, (root.span[0], subject_end)
