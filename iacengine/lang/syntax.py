"""The syntax tree of expressions and templates.

Every node knows its `span`, a pair of character offsets in the text it was read from; two trees are equal when they
mean the same, wherever they stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from iacengine.lang.errors import Span
from iacengine.lang.values import Number

NOWHERE: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, bool, null, or a quoted string without any template in it."""

    value: str | Number | bool | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        # Python says True == 1 == 1.0 and 0 == -0.0
        return (
            type(other) is Literal
            and type(self.value) is type(other.value)
            and self.value == other.value
            and (type(self.value) is not float or repr(self.value) == repr(other.value))
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Variable:
    """A bare name: the start of a reference, or a variable of `for`."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """What a splat is looking at; never written."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`source.name`."""

    source: Node
    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`source[key]`. `legacy` when it was written `source.0`."""

    source: Node
    key: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    legacy: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Splat:
    """`source[*]` (`full`) or `source.*`: `each` is applied to every `Item`."""

    source: Node
    each: Node
    full: bool
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Parentheses:
    """`(inner)`."""

    inner: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-operand` or `!operand`."""

    operator: str
    operand: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? yes : no`."""

    condition: Node
    yes: Node
    no: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`. With `expand` the last argument was followed by `...`. A name may hold `::`."""

    name: str
    arguments: tuple[Node, ...]
    expand: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Tuple:
    """`[items]`."""

    items: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """A bare name as the key of an object: it means itself, not a reference."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Object:
    """`{key = value}`: pairs of a key and a value."""

    items: tuple[tuple[Node, Node], ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class For:
    """`[for key, value in collection : result if condition]`, or with `result_key` an object; `group` for `...`."""

    key: str | None
    value: str
    collection: Node
    result_key: Node | None
    result: Node
    condition: Node | None = None
    group: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Template:
    """Text with sequences in it; gives a string. No part is empty text, no two texts are neighbours."""

    parts: tuple[str | Node, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Interpolation:
    """A template that is nothing but one `${…}`: it gives what the expression gives, of whatever type."""

    inner: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class IfDirective:
    """`%{if condition}…%{else}…%{endif}`."""

    condition: Node
    yes: Template
    no: Template
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ForDirective:
    """`%{for key, value in collection}…%{endfor}`."""

    key: str | None
    value: str
    collection: Node
    body: Template
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Node: TypeAlias = (
    Literal
    | Variable
    | Item
    | Attribute
    | Index
    | Splat
    | Parentheses
    | Unary
    | Binary
    | Conditional
    | Call
    | Tuple
    | Key
    | Object
    | For
    | Template
    | Interpolation
    | IfDirective
    | ForDirective
)
