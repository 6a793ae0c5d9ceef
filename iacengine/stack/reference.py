"""References to what a stack declares, for use in Python: attributes, indexes, f-strings and function calls.

A reference stands for a value that is not known while the program runs. In a string it becomes a token, which holds a
number that only this process knows: so text that merely looks like a template, wherever it comes from, stays text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.text import escape, number_text, quote
from iacengine.lang.values import number
from iacengine.stack.call_site import mistake_here

_SECRET = os.urandom(8).hex()
_TOKEN = re.compile(rf"\$\{{iac:{_SECRET}:(.*?):{_SECRET}\}}", re.DOTALL)
_PLAIN = re.compile(r'[^\W\d][\w-]*(?:\.[^\W\d][\w-]*|\[(?:\d+|"[^"\\]*")\])*')


class Reference:
    """A value of the language: `vpc.id`, `servers["a"].ip_address`, `f"{vpc.id}-suffix"`.

    Every name is taken as an attribute of the object; one that Python cannot write is reached as `vpc["class"]`.
    """

    __slots__ = ("_expression",)

    _expression: str

    def __init__(self, expression: str) -> None:
        self._expression = expression

    def __getattr__(self, name: str) -> Reference:
        if name.startswith("__"):  # what Python itself looks for, when it copies for example
            raise AttributeError(name)
        return Reference(f"{self._expression}.{name}")

    def __getitem__(self, key: str | int | Reference | slice) -> Reference:
        if isinstance(key, slice):
            self._refuse("be sliced", "Use fn.slice(value, start, end) or fn.substr(text, offset, length).")
        return Reference(f"{self._expression}[{expression_of(key)}]")

    def __str__(self) -> str:
        return f"${{iac:{_SECRET}:{self._expression}:{_SECRET}}}"

    def __format__(self, spec: str) -> str:
        if spec:
            self._refuse(f'be formatted with "{spec}"', 'Use fn.format("%05d", value).')
        return str(self)

    def __repr__(self) -> str:
        return f"${{{self._expression}}}"

    def __add__(self, other: object) -> str:
        return str(self) + other if isinstance(other, str) else NotImplemented

    def __radd__(self, other: object) -> str:
        return other + str(self) if isinstance(other, str) else NotImplemented

    def __bool__(self) -> NoReturn:  # noqa: PLE0304 - it raises
        self._refuse("decide an if", 'Use expr(f"{value} ? … : …"), or count and for_each.')

    def __iter__(self) -> Iterator[Reference]:
        self._refuse("be walked over", 'Use for_each, or expr(f"[for item in {value} : …]").')

    def __len__(self) -> NoReturn:  # noqa: PLE0303 - it raises
        self._refuse("be measured", "Use fn.length(value).")

    def __contains__(self, item: object) -> NoReturn:
        self._refuse("be searched", "Use fn.contains(value, item).")

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        raise mistake_here(
            f"A reference cannot {what} in Python",
            f"{self!r} is known only when the stack is planned or applied, not while the program runs.",
            remedy=remedy,
        )


class Functions:
    """The functions of the language: `fn.cidrsubnet(vpc.cidr_block, 8, 1)`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Function:
        if name.startswith("__"):
            raise AttributeError(name)
        return Function(name)


class Function:
    """One function of the language. Calling it gives a reference to its result; nothing is computed."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: object) -> Reference:
        return Reference(f"{self._name}({', '.join(map(expression_of, arguments))})")


def expr(text: str) -> Reference:
    """An expression of the language, such as `expr("var.zones[0]")` or `expr(f"[for s in {servers} : s.id]")`."""
    bare = bare_text(text)
    return Reference(bare if _PLAIN.fullmatch(bare) else f"({bare})")


fn = Functions()
each = Reference("each")
count = Reference("count")
path = Reference("path")
self_ = Reference("self")


# --- text -----------------------------------------------------------------------------------------------------------


def bare_text(text: str) -> str:
    """Text of an expression: the references in it stand as they are, without `${}`."""
    return "".join([piece for _, piece in _pieces(text)])


def template_of(text: str) -> str:
    """A Python string as a template: what came from references is evaluated, all else is literal."""
    if "{" not in text and _SECRET not in text:
        return text
    result: list[str] = []
    pieces = list(_pieces(text))
    for index, (is_literal, piece) in enumerate(pieces):
        if not is_literal:
            result.append(f"${{{piece}}}")
        elif index + 1 < len(pieces) and piece[-1:] == "$":
            plain = piece.rstrip("$")  # dollars would make an escape of what follows
            result.append(f'{_escaped(plain)}${{"{piece[len(plain) :]}"}}')
        else:
            result.append(_escaped(piece))
    return "".join(result)


def expression_of(value: object) -> str:
    """A Python value as it stands in an expression. Raises DiagnosticsError for what the language has no value for."""
    match value:
        case Reference():
            return value._expression
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(value)
        case str():
            if "{" not in value and _SECRET not in value:
                return quote(value)
            pieces = list(_pieces(value))
            if len(pieces) == 1 and not pieces[0][0]:
                return pieces[0][1]  # the reference alone keeps its type
            return '"' + "".join(_quoted(pieces)) + '"'
        case os.PathLike():
            return quote(os.fspath(value))
        case Mapping():
            return "{" + ", ".join(f"{quote(_key(key))} = {expression_of(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return f"[{', '.join(map(expression_of, value))}]"
        case set() | frozenset():
            return f"[{', '.join(map(expression_of, sorted(value)))}]"
        case _:
            raise no_value(value)


def holds_reference(text: str) -> bool:
    """True when a reference was put into the text."""
    return _SECRET in text


def no_value(value: Any, argument: str | None = None) -> DiagnosticsError:
    """The error for a Python value that the language has no value for."""
    return mistake_here(
        "Not a value of the language",
        f"{type(value).__name__} cannot stand in a stack; str, int, float, bool, None, lists, sets, mappings with "
        "string keys, paths and references can.",
        remedy="Convert it first, with str(…) for example.",
        argument=argument,
    )


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """The literal parts of a text (True), and the expressions that references left in it (False)."""
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            yield True, _whole(text[end : match.start()])
        yield False, match[1]
        end = match.end()
    if end < len(text):
        yield True, _whole(text[end:])


def _whole(literal: str) -> str:
    """The literal, which must hold no part of a token."""
    if _SECRET in literal.lower():
        raise mistake_here(
            "A reference was changed as text",
            "A string that holds a reference was cut or rewritten, so that the reference can no longer be read.",
            remedy="Use functions of the language instead, such as fn.upper(value) or fn.substr(value, 0, 8).",
        )
    return literal


def _escaped(literal: str) -> str:
    return literal.replace("${", "$${").replace("%{", "%%{")


def _quoted(pieces: list[tuple[bool, str]]) -> Iterator[str]:
    for is_literal, piece in pieces:
        if not is_literal:
            yield f"${{{piece}}}"
        elif piece.endswith("$"):
            yield escape(piece[:-1]) + "\\u0024"
        else:
            yield escape(piece)


def _number(value: float) -> str:
    try:
        return number_text(number(value))
    except ValueError:
        raise no_value(value) from None


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise no_value(key)
    return key
