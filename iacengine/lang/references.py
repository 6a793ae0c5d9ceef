"""What an expression refers to, as data; `lang.mentions` finds it in a syntax tree."""

from __future__ import annotations

from dataclasses import dataclass

from iacengine.lang.errors import Span

Subject = tuple[str, ...]
"""What a reference points at: `("var", "zones")`, `("resource", "aws_vpc", "main")`, `("each", "key")`, `("self",)`."""


@dataclass(frozen=True, slots=True)
class Index:
    """A step of a reference in brackets: `["a"]`, `[0]`."""

    key: str | int


Step = str | Index


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention of something declared elsewhere.

    `remaining` are the steps after the subject, up to the first that is known only by evaluation. `span` covers the
    text from the root on, as far as it is static; `path` leads to the string inside a structure. `tried` is true
    inside `try` and `can`, which bear that something is not there.
    """

    subject: Subject
    remaining: tuple[Step, ...] = ()
    span: Span = (0, 0)
    path: tuple[str | int, ...] = ()
    tried: bool = False


# How many names follow the root of a reference before the subject is complete.
SUBJECT_NAMES = {
    "var": 1,
    "local": 1,
    "module": 1,
    "path": 1,
    "terraform": 1,
    "each": 1,
    "count": 1,
    "self": 0,
    "data": 2,
    "ephemeral": 2,
    "resource": 2,
}
RESERVED_ROOTS = ("template", "lazy", "arg")
ROOT_ATTRIBUTES = {"each": ("key", "value"), "count": ("index",), "path": ("module", "root", "cwd")}


def subject_size(names: list[str]) -> int | None:
    """How many of dotted names make the subject, -2 for a resource by its type; None when they need a closer look."""
    root = names[0]
    if root in RESERVED_ROOTS or root in ("true", "false", "null"):
        return None
    count = SUBJECT_NAMES.get(root)
    if count is None:
        return -2 if len(names) > 1 else None
    if len(names) <= count or (root in ROOT_ATTRIBUTES and names[1] not in ROOT_ATTRIBUTES[root]):
        return None
    return count + 1
