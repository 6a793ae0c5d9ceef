"""Reading one block's body: each property is asked for once, and what is left over was not expected.

Shapes are those of Terraform's JSON configuration syntax: a nested block is an object, a list of objects, or null; a
label is a level of objects (or a list of such); a property `//` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from iacengine.config.model import KeyPath, Origin, Raw, SourceFile
from iacengine.config.source import mistake, place_text
from iacengine.foundation.diagnostics import Diagnostic, Findings, near_match
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_template

COMMENT = "//"
MISSING: Any = object()
NAME_RULE = "A name begins with a letter or underscore and holds only letters, digits, underscores and dashes."


def is_name(text: str) -> bool:
    return text[:1] != "-" and text.replace("-", "_").isidentifier()


def name_remedy(text: str) -> str | None:
    """A name that the text could be written as."""
    name = re.sub(r"[^\w-]+", "_", text).lstrip("-0123456789").strip("_")
    return f'Write "{name}", for example.' if name and is_name(name) else None


def kind_of(value: Raw) -> str:
    """What a raw value is, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a bool"
        case str():
            return "a string"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return "a number"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    near = near_match(word, known)
    return f'Did you mean "{near}"?' if near else None


def has_template(text: str) -> bool:
    return "${" in text or "%{" in text


class BlockReader:
    """One block. `what` names it in messages, such as `variable "zones"`."""

    __slots__ = ("_left", "findings", "origin", "what")

    def __init__(self, body: Mapping[str, Raw], origin: Origin, what: str, findings: Findings) -> None:
        self._left = dict(body)
        self._left.pop(COMMENT, None)
        self.origin = origin
        self.what = what
        self.findings = findings

    def wrong(
        self, summary: str, detail: str = "", *path: str | int, key: bool = False, remedy: str | None = None
    ) -> None:
        """Note a mistake at a path below the block."""
        self.findings.add(mistake(self.origin, summary, detail, path=path, key=key, remedy=remedy))

    def take(self, name: str, default: Raw = None) -> Raw:
        """A property as the file has it; `MISSING` can be passed to tell null from absence."""
        return self._left.pop(name, default)

    def required(self, name: str, remedy: str | None = None) -> Raw:
        """A property that must be there; MISSING, and a mistake noted, when it is not."""
        value = self._left.pop(name, MISSING)
        if value is MISSING:
            self.wrong(
                f'Missing "{name}"',
                f'{self._article} block needs the argument "{name}".',
                key=True,
                remedy=remedy or f"Add {name}: …",
            )
        return value

    def text(self, name: str) -> str | None:
        """A property that is a string written out; None when absent (or wrong, and noted)."""
        value = self._left.pop(name, MISSING)
        return None if value is MISSING else self.literal_text(value, name)

    def literal_text(self, value: Raw, *path: str | int) -> str | None:
        """A raw value as the string it must be. Templates may stand in it only when they refer to nothing."""
        name = str(path[-1])
        if value.__class__ is str:
            if not has_template(value):
                return str(value)
            try:
                expression = parse_template(value)
                if not expression.references:
                    result = expression.evaluate(_NO_SCOPE)
                    if result.__class__ is str:
                        return str(result)
            except ExpressionError as error:
                self.wrong(error.summary, error.detail, *path, remedy=error.remedy)
                return None
            self.wrong(
                "Variables not allowed",
                f'The value of "{name}" must be known before anything is evaluated.',
                *path,
                remedy="Write the value out. A literal ${ is written $${.",
            )
        elif value.__class__ is int:
            return str(value)
        else:
            remedy = "Put it in quotes." if kind_of(value) in ("a number", "a bool") else None
            self.wrong("Wrong type", f'"{name}" must be a string, not {kind_of(value)}.', *path, remedy=remedy)
        return None

    def boolean(self, name: str, default: bool | None = False) -> Any:
        """A property that is true or false, written out."""
        value = self._left.pop(name, MISSING)
        if value is MISSING:
            return default
        if value.__class__ is bool:
            return value
        if value in ("true", "false"):
            return value == "true"
        detail = f'"{name}" must be true or false, not {kind_of(value)}.'
        if value.__class__ is str:
            detail = f'"{name}" must be true or false, written out; it cannot depend on anything.'
        self.wrong("Wrong type", detail, name, remedy="Write true or false, without quotes.")
        return default

    def items(self, name: str) -> list[Raw]:
        """A property that is a list; empty when absent or wrong."""
        value = self._left.pop(name, MISSING)
        if value is MISSING or value is None:
            return []
        if value.__class__ is list:
            return list(value)
        self.wrong(
            "Invalid expression",
            f'"{name}" must be a list written out, not {kind_of(value)}.',
            name,
            remedy=f"Write {name}: [ … ].",
        )
        return []

    def blocks(self, name: str) -> list[tuple[Mapping[str, Raw], KeyPath]]:
        """The nested blocks of a kind, each with its path below this block."""
        value = self._left.pop(name, None)
        if value is None:
            return []
        if value.__class__ is dict:
            return [(value, (name,))]
        if value.__class__ is list:
            found: list[tuple[Mapping[str, Raw], KeyPath]] = []
            for index, element in enumerate(value):
                if element.__class__ is dict:
                    found.append((element, (name, index)))
                elif element is not None:
                    self._no_block(name, element, name, index)
            return found
        self._no_block(name, value, name)
        return []

    def single(self, name: str) -> tuple[Mapping[str, Raw], KeyPath] | None:
        """The only nested block of a kind, or None."""
        found = self.blocks(name)
        if len(found) > 1:
            self.wrong(
                f"Duplicate {name} block",
                f"{self._article} block has at most one {name} block; the first one is at "
                f"{place_text(self.origin, found[0][1])}.",
                *found[1][1],
                remedy="Merge them into one.",
            )
        return found[0] if found else None

    def inner(self, body: Mapping[str, Raw], path: KeyPath, what: str) -> BlockReader:
        """A reader of a nested block."""
        return BlockReader(body, self.origin.at(*path), what, self.findings)

    def finish(self, known: Iterable[str]) -> None:
        """Note everything that nobody asked for. `known`: what may stand in such a block."""
        for name in self._left:
            self.wrong(
                f'Unknown argument "{name}"',
                f"{self._article} block has no argument or block of that name. It knows {_listed(sorted(known))}.",
                name,
                key=True,
                remedy=did_you_mean(name, known),
            )

    @property
    def _article(self) -> str:
        kind = self.what.partition(" ")[0]
        return f"{'An' if kind[0] in 'aeio' else 'A'} {kind}"

    @property
    def left(self) -> Mapping[str, Raw]:
        """What nobody asked for yet."""
        return self._left

    def _no_block(self, name: str, value: Raw, *path: str | int) -> None:
        self.wrong("Wrong type", f'"{name}" must be an object or a list of objects, not {kind_of(value)}.', *path)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class _NoScope:
    """Nothing can be referred to."""

    functions: Any = None

    def lookup(self, subject: tuple[str, ...]) -> Any:
        raise ExpressionError("Variables not allowed", f"{'.'.join(subject)} may not be used here.")


_NO_SCOPE: Any = _NoScope()

Labelled = tuple[tuple[str, ...], Mapping[str, Raw], KeyPath]


def labelled(
    value: Raw, file: SourceFile, path: KeyPath, labels: tuple[str, ...], findings: Findings
) -> Iterator[Labelled]:
    """The blocks under a top-level key whose kind has labels, such as `("type", "name")`: labels, body, path."""
    yield from _levels(value, file, path, labels, (), findings)


def _levels(
    value: Raw, file: SourceFile, path: KeyPath, labels: tuple[str, ...], used: tuple[str, ...], findings: Findings
) -> Iterator[Labelled]:
    if not labels:
        if value.__class__ is dict:
            yield used, value, path
        elif value.__class__ is list:
            for index, element in enumerate(value):
                if element.__class__ is dict:
                    yield used, element, (*path, index)
                else:
                    findings.add(_wrong_level(file, (*path, index), element, f"{_kind(path)} block"))
        elif value is not None or used:
            findings.add(_wrong_level(file, path, value, f"{_kind(path)} block"))
        return
    label = labels[0]
    if value.__class__ is dict:
        for name, inner in value.items():
            if name != COMMENT:
                yield from _levels(inner, file, (*path, name), labels[1:], (*used, name), findings)
    elif value.__class__ is list:
        for index, element in enumerate(value):
            if element.__class__ is dict:
                for name, inner in element.items():
                    if name != COMMENT:
                        yield from _levels(inner, file, (*path, index, name), labels[1:], (*used, name), findings)
            else:
                findings.add(_wrong_level(file, (*path, index), element, f"{_kind(path)} {label}"))
    else:
        findings.add(_wrong_level(file, path, value, f"{_kind(path)} {label}"))


def _kind(path: KeyPath) -> str:
    return str(next(step for step in path if step.__class__ is str))


def _wrong_level(file: SourceFile, path: KeyPath, value: Raw, what: str) -> Diagnostic:
    found = kind_of(value)
    if what.endswith("block"):
        detail = f"An object with the arguments of the {what} is expected here, not {found}."
        remedy = "Write {} for a block without arguments." if value is None else "Write the arguments below the name."
    else:
        detail = f"An object is expected here, whose keys are each a {what}, not {found}."
        remedy = f"Put the {what.partition(' ')[2]} below, and the arguments below that."
    return mistake(Origin(file), "Wrong type", detail, path=path, remedy=remedy)
