"""What compiling an expression needs to know of its surroundings, and what running it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.references import Reference, Subject
from iacengine.lang.values import Value

if TYPE_CHECKING:
    from iacengine.lang.syntax import Node


class Scope(Protocol):
    """Where references get their values from.

    A scope may also have `console = True`, which admits the function `type`, and
    `provider_function(name) -> Function | None` for names such as `provider::aws::arn_parse`.
    """

    @property
    def functions(self) -> FunctionContext: ...

    def lookup(self, subject: Subject) -> Value:
        """The value of a subject. May raise ExpressionError, for what is not declared among others."""
        ...


Frame: TypeAlias = list[Value]
"""The variables of `for` and the items of splats, each in the slot that compiling gave it."""

Run: TypeAlias = Callable[[Scope, Frame], Value]
"""A compiled expression. Raises ExpressionError."""


class _Found:
    """What all environments of one expression share."""

    __slots__ = ("calls", "references", "slots")

    def __init__(self) -> None:
        self.slots = 0
        self.calls = 0
        self.references: list[Reference] = []


class Environment:
    """The names an expression can see besides those of its scope, and what compiling it found so far.

    `references` are in the order written; `calls` counts function calls. With `plain` every other name is looked up by
    itself, as in template files, not as a reference. `trying` is true inside `try` and `can`.
    """

    __slots__ = ("_compile", "_found", "item", "names", "plain", "trying")

    def __init__(
        self,
        compile_: Callable[[Node, Environment], Run],
        *,
        plain: bool = False,
        names: dict[str, int] | None = None,
        item: int = -1,
        found: _Found | None = None,
        trying: bool = False,
    ) -> None:
        self._compile = compile_
        self._found = _Found() if found is None else found
        self.plain = plain
        self.names = names or {}
        self.item = item
        self.trying = trying

    @property
    def size(self) -> int:
        """How many slots a frame needs."""
        return self._found.slots

    @property
    def references(self) -> list[Reference]:
        return self._found.references

    @property
    def calls(self) -> int:
        return self._found.calls

    def compile(self, node: Node) -> Run:
        return self._compile(node, self)

    def slot(self) -> int:
        """A slot no other name uses."""
        self._found.slots += 1
        return self._found.slots - 1

    def called(self) -> None:
        """Count a function call."""
        self._found.calls += 1

    def binding(self, names: dict[str, int]) -> Environment:
        """The environment inside a `for`, which sees its variables."""
        inner = {**self.names, **names}
        return self._inner(names=inner, item=self.item)

    def looking_at(self, item: int) -> Environment:
        """The environment inside a splat, whose current item is in the slot."""
        return self._inner(names=self.names, item=item)

    def attempting(self) -> Environment:
        """The environment inside `try` or `can`."""
        return self._inner(names=self.names, item=self.item, trying=True)

    def _inner(self, *, names: dict[str, int], item: int, trying: bool = False) -> Environment:
        return Environment(
            self._compile, plain=self.plain, names=names, item=item, found=self._found, trying=trying or self.trying
        )
