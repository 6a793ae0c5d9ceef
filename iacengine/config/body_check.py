"""A resource's body against the schema of its type: what is unknown, missing, read-only, or of the wrong type.

Only what is written out is compared with types; an expression's type is known when it is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iacengine.config.block_reader import COMMENT, did_you_mean, has_template, kind_of
from iacengine.config.model import KeyPath, Origin, Raw
from iacengine.config.source import mistake
from iacengine.config.type_example import type_remedy
from iacengine.foundation.diagnostics import Findings
from iacengine.foundation.duration import DURATION_REMEDY, parse_duration
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.types import BOOL, NUMBER, STRING, Type
from iacengine.lang.values import from_python
from iacengine.schema import Attribute, Block, NestedBlock, Nesting, written_as_block

_SCALARS: dict[Type, type] = {STRING: str, NUMBER: int, BOOL: bool}
_META = ("count", "for_each", "depends_on", "provider", "lifecycle", "dynamic")
_TIMEOUTS = "timeouts"
_DYNAMIC = ("for_each", "iterator", "labels", "content")


def is_literal(value: Raw) -> bool:
    """True when no expression stands anywhere in a raw value."""
    kind = value.__class__
    if kind is str:
        return not has_template(value)
    if kind is dict:
        return all(is_literal(child) and not has_template(key) for key, child in value.items())
    if kind is list:
        return all(map(is_literal, value))
    return True


class BodyCheck:
    """The checker of one block of the configuration. `what` names it: `resource.aws_vpc.main`."""

    def __init__(self, origin: Origin, what: str, findings: Findings) -> None:
        self._origin = origin
        self._what = what
        self._findings = findings

    def block(self, body: Mapping[str, Raw], block: Block, path: KeyPath = (), *, top: bool = True) -> None:
        """Check a body against a block of the schema."""
        attributes, blocks = block.attributes, block.blocks
        dynamic: frozenset[str] = frozenset()
        for name, value in body.items():
            attribute = attributes.get(name)
            if attribute is not None:
                if value.__class__ is not _SCALARS.get(attribute.type):
                    self._attribute(name, value, attribute, (*path, name))
                elif not (attribute.optional or attribute.required):
                    self._read_only(name, (*path, name))
            elif name in blocks:
                self._blocks(name, value, blocks[name], (*path, name))
                if top and name == _TIMEOUTS:
                    self._durations(value, (*path, name))
            elif name == "dynamic":
                dynamic = self._dynamic(value, block, body, (*path, name))
            elif name == COMMENT:
                continue
            elif top and name == _TIMEOUTS:
                self._no_timeouts((*path, name))
            else:
                self._unknown(name, attributes, blocks, path, top=top)
        for name, attribute in attributes.items():
            if attribute.required and body.get(name) is None and name not in dynamic:
                self._missing(name, attribute, path, present=name in body)
        for name, nested in blocks.items():
            if nested.min_items and name not in dynamic and not _count(body.get(name)):
                self._wrong(
                    f'Missing block "{name}"',
                    f"{self._what} needs at least {nested.min_items} of it.",
                    path,
                    key=True,
                    remedy=f"Add {name}: {{ … }}.",
                )

    def _attribute(self, name: str, value: Raw, attribute: Attribute, path: KeyPath) -> None:
        if not (attribute.optional or attribute.required):
            if value is not None:
                self._read_only(name, path)
            return
        if value is None or not is_literal(value):
            return
        try:
            convert(from_python(value), attribute.type)
        except ConversionError as error:
            if attribute.nested is not None and error.message.startswith("attribute"):
                return  # members that may be left out are the provider's to tell
            self._wrong(
                "Wrong type",
                f'"{path_text(path)}" of {self._what}: {error.message}.',
                (*path, *error.path),
                remedy=None if error.path else type_remedy(attribute.type),
            )

    def _blocks(self, name: str, value: Raw, nested: NestedBlock, path: KeyPath) -> None:
        found = list(_bodies(value, path))
        if nested.nesting is Nesting.MAP:
            found = [(child, (*where, key)) for body, where in found for key, child in _items(body)]
        for body, where in found:
            if body.__class__ is dict:
                self.block(body, nested.block, where, top=False)
            elif not (body.__class__ is str and has_template(body)):
                self._wrong(
                    "Wrong type",
                    f'"{name}" is a block: an object or a list of objects, not {kind_of(body)}.',
                    where,
                    remedy=f"Write {name}: {{ … }}.",
                )
            else:
                self._wrong(
                    "A block cannot be an expression",
                    f'"{name}" is a block of {self._what}, and blocks are written out.',
                    where,
                    remedy=f"Use dynamic: {{{name}: {{for_each: …, content: {{ … }}}}}}.",
                )
        limit = 1 if nested.nesting in (Nesting.SINGLE, Nesting.GROUP) else nested.max_items
        if limit and len(found) > limit and nested.nesting is not Nesting.MAP:
            self._wrong(
                f'Too many blocks "{name}"',
                f"{self._what} has at most {limit} of it.",
                found[limit][1],
                key=True,
                remedy="Remove it.",
            )

    def _dynamic(self, value: Raw, block: Block, beside: Mapping[str, Raw], path: KeyPath) -> frozenset[str]:
        """Check `dynamic` blocks; the names of the blocks that they make."""
        names: set[str] = set()
        for group, where in _bodies(value, path):
            for name, inner in _items(group):
                nested = written_as_block(block, name)
                if nested is None:
                    self._wrong(
                        f'Unknown block "{name}"',
                        f"{self._what} has no block of that name to be made dynamically.",
                        (*where, name),
                        key=True,
                        remedy=did_you_mean(name, block.blocks)
                        or ("Give the attribute a list." if name in block.attributes else None),
                    )
                    continue
                if name in block.attributes and beside.get(name) is not None:
                    self._wrong(
                        f'"{name}" is given twice',
                        f"{self._what} has a value for it, so that no dynamic block can make another.",
                        (*where, name),
                        key=True,
                        remedy="Put all of it into one of the two.",
                    )
                names.add(name)
                for body, place in _bodies(inner, (*where, name)):
                    self._dynamic_body(body, nested, place)
        return frozenset(names)

    def _dynamic_body(self, body: Raw, nested: NestedBlock, path: KeyPath) -> None:
        if body.__class__ is not dict:
            return
        for required in ("for_each", "content"):
            if required not in body:
                self._wrong(f'Missing "{required}"', f'A dynamic block needs "{required}".', path, key=True)
        for name in body:
            if name not in _DYNAMIC and name != COMMENT:
                self._wrong(
                    f'Unknown argument "{name}"',
                    f"A dynamic block has {', '.join(_DYNAMIC)}.",
                    (*path, name),
                    key=True,
                    remedy=did_you_mean(name, _DYNAMIC),
                )
        for content, where in _bodies(body.get("content"), (*path, "content")):
            if content.__class__ is dict:
                self.block(content, nested.block, where, top=False)

    def _at(self, path: KeyPath) -> str:
        return f"{path_text(path)} of {self._what}" if path else self._what

    # --- findings ---------------------------------------------------------------------------------------------------

    def _wrong(self, summary: str, detail: str, path: KeyPath, *, key: bool = False, remedy: str | None = None) -> None:
        self._findings.add(mistake(self._origin, summary, detail, path=path, key=key, remedy=remedy))

    def _read_only(self, name: str, path: KeyPath) -> None:
        self._wrong(
            f'"{name}" is read-only',
            f"The provider sets it, once {self._what} is made.",
            path,
            key=True,
            remedy="Remove it.",
        )

    def _no_timeouts(self, path: KeyPath) -> None:
        self._wrong(
            'Unknown block "timeouts"',
            f"{self._what} has no timeouts: its type offers none.",
            path,
            key=True,
            remedy="Remove it.",
        )

    def _durations(self, value: Raw, path: KeyPath) -> None:
        for body, where in _bodies(value, path):
            for operation, text in _items(body):
                if text.__class__ is str and not has_template(text):
                    try:
                        parse_duration(text)
                    except ValueError as problem:
                        detail = f"{path_text((*where, operation))} of {self._what}: {problem}."
                        self._wrong("Invalid duration", detail, (*where, operation), remedy=DURATION_REMEDY)

    def _missing(self, name: str, attribute: Attribute, path: KeyPath, *, present: bool) -> None:
        about = f" {attribute.description}" if attribute.description else ""
        self._wrong(
            f'Missing "{name}"',
            f"{self._at(path)} needs it{', and it cannot be null' if present else ''}.{about}",
            (*path, name) if present else path,
            key=True,
            remedy=f"Add {name}: …" if not present else None,
        )

    def _unknown(
        self, name: str, attributes: Iterable[str], blocks: Iterable[str], path: KeyPath, *, top: bool
    ) -> None:
        known = [*attributes, *blocks, *(_META if top else ())]
        listed = ", ".join(sorted((*attributes, *blocks))[:12])
        near = did_you_mean(name, known)
        self._wrong(
            f'Unknown argument "{name}"',
            f"{self._at(path)} has no argument or block of that name.",
            (*path, name),
            key=True,
            remedy=near or (f"It knows {listed}{', …' if len(known) > 12 + len(_META) else ''}." if listed else None),
        )


def path_text(path: KeyPath) -> str:
    """A path as one would write it: `disk[0].size`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _items(value: Any) -> Iterable[tuple[str, Raw]]:
    return [(key, child) for key, child in value.items() if key != COMMENT] if value.__class__ is dict else []


def _bodies(value: Raw, path: KeyPath) -> Iterable[tuple[Raw, KeyPath]]:
    """The blocks behind a value: an object, or each element of a list."""
    if value is None:
        return []
    if value.__class__ is list:
        return [(child, (*path, index)) for index, child in enumerate(value) if child is not None]
    return [(value, path)]


def _count(value: Raw) -> int:
    return len(value) if value.__class__ is list else int(value is not None)
