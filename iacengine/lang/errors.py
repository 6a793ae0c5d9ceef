"""The one error of expressions, from a misplaced comma to a missing map element."""

from __future__ import annotations

from iacengine.lang.values import UNKNOWN, Value

Span = tuple[int, int]


class ExpressionError(Exception):
    """An expression that cannot be read or has no value.

    `span` is a pair of character offsets in the string that held the expression; `path` leads to that string inside a
    structure (keys and indexes, with `key_of` true when the key itself is to blame). `values` describes what the
    references of the expression were, never showing a sensitive value. `others` are further errors of the same
    evaluation. `result` is what the failed expression counts as for a conditional that does not choose it.
    """

    def __init__(
        self,
        summary: str,
        detail: str = "",
        *,
        remedy: str | None = None,
        span: Span | None = None,
        path: tuple[str | int, ...] = (),
        result: Value = UNKNOWN,
        others: tuple[ExpressionError, ...] = (),
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.remedy = remedy
        self.span = span
        self.path = path
        self.key_of = False
        self.values: tuple[tuple[str, str], ...] = ()
        self.result = result
        self.others = others

    @property
    def all(self) -> tuple[ExpressionError, ...]:
        """This error and the others of the same evaluation, in the order found."""
        return (self, *self.others)

    def giving(self, result: Value) -> ExpressionError:
        """The same error, seen from an enclosing expression whose own result would have been of this kind."""
        self.result = result
        return self

    def under(self, key: str | int) -> ExpressionError:
        """The same error seen from the structure that holds the string under `key`."""
        for error in self.all:
            error.path = (key, *error.path)
        return self

    def __str__(self) -> str:
        text = f"{self.summary}: {self.detail}" if self.detail else self.summary
        return f"{text} {self.remedy}" if self.remedy else text


def join(first: ExpressionError | None, second: ExpressionError) -> ExpressionError:
    """Both errors in one; the first leads."""
    if first is None or first is second:
        return second
    first.others += second.all
    return first
