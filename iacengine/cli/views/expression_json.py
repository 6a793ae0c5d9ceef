"""Expressions as plan JSON shows them: a constant, or what they refer to; and bodies of blocks made of them.

https://developer.hashicorp.com/terraform/internals/json-format#expression-representation. Of a file in JSON Terraform
gives the text of every expression as its `constant_value`, beside the references, and leaves `dynamic` blocks out; with
`literal` so do we. Of a YAML file we say what Terraform says of its native syntax: a constant or the references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iacengine.addresses import quote
from iacengine.cli.views.value_json import ABSENT, json_of
from iacengine.config.model import Raw
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_json
from iacengine.lang.references import Index, Reference
from iacengine.lang.values import from_python
from iacengine.schema import Block, Nesting, written_as_block


def body_json(body: Mapping[str, Raw], block: Block, *, literal: bool) -> dict[str, Any]:
    """The expressions of a body; nested blocks as bodies of their own."""
    entries: dict[str, Any] = {}
    for name in sorted(body):
        raw, nested = body[name], block.blocks.get(name)
        if name == "dynamic" and isinstance(raw, Mapping) and name not in block.attributes:
            continue  # below, beside what stands there without it
        if nested is None:
            entries[name] = expression_json(raw, literal=literal)
        elif nested.nesting is Nesting.MAP and isinstance(raw, Mapping):
            entries[name] = {
                key: body_json(child, nested.block, literal=literal)
                for key, child in raw.items()
                if isinstance(child, Mapping)
            }
        else:
            bodies = [
                body_json(child, nested.block, literal=literal) for child in _as_list(raw) if isinstance(child, Mapping)
            ]
            if bodies:
                entries[name] = bodies[0] if nested.nesting in (Nesting.SINGLE, Nesting.GROUP) else bodies
    if not literal and "dynamic" not in block.attributes and isinstance(body.get("dynamic"), Mapping):
        for name, bodies in _dynamic(body["dynamic"], block).items():
            present = entries.setdefault(name, [])
            if isinstance(present, list):
                present.extend(bodies)
    return entries


def _dynamic(raw: Mapping[str, Raw], block: Block) -> dict[str, list[Any]]:
    """What `dynamic` blocks repeat, once each."""
    entries: dict[str, list[Any]] = {}
    for name, blocks in raw.items():
        nested = written_as_block(block, name)
        for one in _as_list(blocks):
            for content in _as_list(one.get("content")) if isinstance(one, Mapping) else ():
                if nested is not None and isinstance(content, Mapping):
                    entries.setdefault(name, []).append(body_json(content, nested.block, literal=False))
    return entries


def _as_list(raw: Raw) -> list[Raw]:
    if raw is None:
        return []
    return list(raw) if isinstance(raw, list | tuple) else [raw]


def attributes_json(arguments: Mapping[str, Raw], *, literal: bool) -> dict[str, Any]:
    """A body without nested blocks."""
    return {name: expression_json(arguments[name], literal=literal) for name in sorted(arguments)}


def expression_json(raw: Raw, *, literal: bool) -> dict[str, Any]:
    """One expression. Without `literal` one that calls functions on constants says nothing."""
    if raw.__class__ is str and "${" not in raw and "%{" not in raw:
        return {"constant_value": raw}
    shown = {"constant_value": constant_json(raw)} if literal else {}
    try:
        expression = parse_json(raw)
    except ExpressionError:
        return shown
    references = [text for reference in expression.references for text in _prefixes(reference)]
    if literal:
        return shown | {"references": references} if references else shown
    if references:
        return {"references": list(dict.fromkeys(references))}
    return {} if _has_template(raw) else {"constant_value": constant_json(raw)}


def _has_template(raw: Raw) -> bool:
    if isinstance(raw, str):
        return "${" in raw or "%{" in raw
    if isinstance(raw, Mapping):
        return any(_has_template(key) or _has_template(child) for key, child in raw.items())
    return isinstance(raw, list | tuple) and any(map(_has_template, raw))


def constant_json(raw: Raw) -> Any:
    """Raw data as JSON; text in it stays as it is written."""
    known = json_of(from_python(raw))
    return None if known is ABSENT else known


def depends_on_json(references: Iterable[Reference]) -> list[str]:
    """The whole blocks or instances that `depends_on` names."""
    return [_prefixes(reference)[0] for reference in references]


def _prefixes(reference: Reference) -> list[str]:
    """`aws_vpc.main.id` and `aws_vpc.main`: a reference, and all it goes through, longest first."""
    subject, steps = reference.subject, reference.remaining
    text = ".".join(subject[1:] if subject[0] == "resource" else subject)
    texts = [text]
    for step in steps:
        if isinstance(step, Index):
            text += f"[{step.key}]" if isinstance(step.key, int) else f"[{quote(step.key)}]"
        else:
            text += f".{step}"
        texts.append(text)
    if subject[0] == "module" and len(steps) > 1 and isinstance(steps[0], Index):
        del texts[0]  # what is asked of one instance is not asked of the whole call
    return texts[::-1]
