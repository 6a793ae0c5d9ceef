"""Whether the attributes that a reference names are there, by the schema of what it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.references import Index, Step
from iacengine.lang.types import DYNAMIC, ListType, MapType, ObjectType, SetType, TupleType, Type, friendly_name
from iacengine.schema import Block, NestedBlock, Nesting


class SchemaPathError(Exception):
    """A step that leads nowhere."""

    def __init__(self, summary: str, detail: str, remedy: str | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.remedy = remedy


def check_steps(block: Block, steps: Sequence[Step], what: str) -> None:
    """Follow the steps through the block. Raises SchemaPathError at the first that is not there."""
    name = _name(steps[0])
    if name is None:
        return
    attribute = block.attributes.get(name)
    if attribute is not None:
        _check_type(attribute.type, steps[1:], f"{what}.{name}")
        return
    nested = block.blocks.get(name)
    if nested is None:
        raise _unsupported(name, (*block.attributes, *block.blocks), what)
    _check_nested(nested, steps[1:], f"{what}.{name}")


def _check_nested(nested: NestedBlock, steps: Sequence[Step], what: str) -> None:
    if not steps:
        return
    if nested.nesting in (Nesting.SINGLE, Nesting.GROUP):
        check_steps(nested.block, steps, what)
        return
    first = steps[0]
    if nested.nesting is Nesting.MAP or (isinstance(first, Index) and isinstance(first.key, int)):
        if len(steps) > 1:
            check_steps(nested.block, steps[1:], what)
        return
    raise SchemaPathError(
        "Missing index",
        f"There may be several {what} blocks, so that {_text(first)} belongs to one of them.",
        f"Write {what}[0].{_text(first)} for one, or {what}[*].{_text(first)} for all.",
    )


def _check_type(type_: Type, steps: Sequence[Step], what: str) -> None:
    for step in steps:
        name = _name(step)
        if type_ is DYNAMIC:
            return
        if isinstance(type_, ObjectType):
            if name is None:
                return
            if name not in type_.attributes:
                raise _unsupported(name, type_.attributes, what)
            type_ = type_.attributes[name]
        elif isinstance(type_, MapType) or (isinstance(type_, ListType) and isinstance(step, Index)):
            type_ = type_.element
        elif isinstance(type_, TupleType | ListType | SetType):
            if isinstance(step, Index) or step.isdigit():
                return
            raise SchemaPathError(
                "Unsupported attribute",
                f"{what} is a {friendly_name(type_)}, which has no attributes.",
                f"Write {what}[0].{step} for one of its elements, or {what}[*].{step} for all.",
            )
        else:
            raise SchemaPathError(
                "Unsupported attribute",
                f"{what} is a {friendly_name(type_)}, which has nothing inside.",
                f"Use {what} as it is.",
            )
        what = f"{what}.{_text(step)}"


def _name(step: Step) -> str | None:
    if isinstance(step, Index):
        return step.key if isinstance(step.key, str) else None
    return step


def _text(step: Step) -> str:
    return str(step.key) if isinstance(step, Index) else step


def _unsupported(name: str, known: Iterable[str], what: str) -> SchemaPathError:
    names = sorted(known)
    near = near_match(name, names)
    if near:
        remedy: str | None = f'Did you mean "{near}"?'
    elif names and len(names) <= 12:
        remedy = f"It has {', '.join(names)}."
    else:
        remedy = None
    return SchemaPathError("Unsupported attribute", f'{what} has no attribute or block "{name}".', remedy)
