"""Syntax trees as text. Reading the text gives the tree again."""

from __future__ import annotations

from typing import assert_never

from iacengine.lang.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    For,
    ForDirective,
    IfDirective,
    Index,
    Interpolation,
    Item,
    Key,
    Literal,
    Node,
    Object,
    Parentheses,
    Splat,
    Template,
    Tuple,
    Unary,
    Variable,
)
from iacengine.lang.text import escape, number_text, quote


def print_expression(node: Node) -> str:
    """The expression as it would stand inside `${…}`."""
    match node:
        case Literal(value=value):
            return _literal(value)
        case Variable(name=name) | Key(name=name):
            return name
        case Item():
            return ""
        case Attribute():
            return f"{print_expression(node.source)}.{node.name}"
        case Index():
            return f"{print_expression(node.source)}[{print_expression(node.key)}]"
        case Splat():
            return f"{print_expression(node.source)}{'[*]' if node.full else '.*'}{_each(node.each, node.full)}"
        case Parentheses():
            return f"({print_expression(node.inner)})"
        case Unary():
            return node.operator + print_expression(node.operand)
        case Binary():
            return f"{print_expression(node.left)} {node.operator} {print_expression(node.right)}"
        case Conditional():
            parts = [print_expression(part) for part in (node.condition, node.yes, node.no)]
            return f"{parts[0]} ? {parts[1]} : {parts[2]}"
        case Call():
            arguments = ", ".join(map(print_expression, node.arguments))
            return f"{node.name}({arguments}{'...' if node.expand else ''})"
        case Tuple():
            return f"[{', '.join(map(print_expression, node.items))}]"
        case Object():
            items = [f"{print_expression(key)} = {print_expression(value)}" for key, value in node.items]
            return f"{{{', '.join(items)}}}"
        case For():
            return _for(node)
        case Interpolation():
            return f'"${{{print_expression(node.inner)}}}"'
        case Template():
            return f'"{_template(node)}"'
        case IfDirective() | ForDirective():
            return f'"{_part(node, "")}"'
        case _:
            assert_never(node)


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    return number_text(value)  # type: ignore[arg-type]


def _each(node: Node, full: bool) -> str:
    """What follows the splat. After `.*` an index can only be written `.0`."""
    match node:
        case Item():
            return ""
        case Index(key=Literal(value=int() as number)) if not full:
            return f"{_each(node.source, full)}.{number}"
        case Attribute():
            return f"{_each(node.source, full)}.{node.name}"
        case Index():
            return f"{_each(node.source, full)}[{print_expression(node.key)}]"
        case Splat():
            return f"{_each(node.source, full)}{'[*]' if node.full else '.*'}{_each(node.each, node.full)}"
        case _:
            raise TypeError(f"no step of a splat: {node!r}")


def _for(node: For) -> str:
    names = f"{node.key}, {node.value}" if node.key is not None else node.value
    result = print_expression(node.result)
    if node.result_key is not None:
        result = f"{print_expression(node.result_key)} => {result}"
    group = "..." if node.group else ""
    condition = f" if {print_expression(node.condition)}" if node.condition is not None else ""
    inner = f"for {names} in {print_expression(node.collection)} : {result}{group}{condition}"
    return f"[{inner}]" if node.result_key is None else f"{{{inner}}}"


# --- templates ------------------------------------------------------------------------------------------------------


def _template(node: Template) -> str:
    """The inside of the quotes. One lone sequence gets a blank that its `~` eats: without, it would keep its type."""
    parts = node.parts
    if len(parts) == 1 and not isinstance(parts[0], str | IfDirective | ForDirective):
        return " " + _part(parts[0], "~")
    return "".join([_part(part, "") for part in parts])


def _part(part: str | Node, strip: str) -> str:
    match part:
        case str():
            return _text(part)
        case IfDirective():
            no = f"%{{ else }}{_inside(part.no)}" if part.no.parts else ""
            return f"%{{ if {print_expression(part.condition)} }}{_inside(part.yes)}{no}%{{ endif }}"
        case ForDirective():
            names = f"{part.key}, {part.value}" if part.key is not None else part.value
            collection = print_expression(part.collection)
            return f"%{{ for {names} in {collection} }}{_inside(part.body)}%{{ endfor }}"
        case _:
            return f"${{{strip}{print_expression(part)}}}"


def _text(text: str) -> str:
    """Literal text between sequences. A `$` or `%` at its end would make an escape of the sequence that follows."""
    if text[-1:] in ("$", "%"):
        return escape(text[:-1]) + ("\\u0024" if text[-1] == "$" else "\\u0025")
    return escape(text)


def _inside(node: Template) -> str:
    return "".join([_part(part, "") for part in node.parts])
