"""Terraform's own provider functions: values as the text of a variables file or expression, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iacengine.lang.functions.arguments import go_quote, text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter
from iacengine.lang.text import graphemes, number_text, quote
from iacengine.lang.types import DYNAMIC, STRING
from iacengine.lang.values import MapValue, Null, Unknown, Value, is_wholly_known

_NAME = "<decode_tfvars argument>"


def expression_text(value: Value) -> str:
    """The expression of a wholly known, unmarked value; objects over several lines, as in `terraform fmt`."""
    kind = value.__class__
    if kind is str:
        return quote(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None or kind is Null:
        return "null"
    if kind is dict or kind is MapValue:
        entries = value.items if kind is MapValue else value
        if not entries:
            return "{}"
        lines = _attributes({_key_text(key): entries[key] for key in sorted(entries)})
        return "{\n" + "".join(f"  {line}\n" for line in "\n".join(lines).split("\n")) + "}"
    if hasattr(value, "__len__"):
        return f"[{', '.join(map(expression_text, value))}]"
    return number_text(value)


def _key_text(key: str) -> str:
    return key if _is_identifier(key) else quote(key)


def _is_identifier(name: str) -> bool:
    return name.replace("-", "_").isidentifier() and name[0] not in "_-"


def _attributes(entries: Mapping[str, Value]) -> list[str]:
    """`key = value` for each entry; the equals signs of neighbours that take one line stand below each other."""
    lines: list[str] = []
    group: list[tuple[str, str]] = []

    def close_group() -> None:
        width = max((len(graphemes(key)) for key, _ in group), default=0)
        lines.extend(f"{key}{' ' * (width - len(graphemes(key)))} = {shown}" for key, shown in group)
        group.clear()

    for key, value in entries.items():
        shown = expression_text(value)
        if "\n" in shown:
            close_group()
            lines.append(f"{key} = {shown}")
        else:
            group.append((key, shown))
    close_group()
    return lines


def _encode_expr(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value = arguments[0]
    return expression_text(value) if is_wholly_known(value) else Unknown(STRING)


def _encode_tfvars(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    value: Any = arguments[0]
    if value.__class__ is not dict and value.__class__ is not MapValue:
        raise FunctionError("invalid value to encode: must be an object whose attribute names are variable names", 0)
    if not is_wholly_known(value):
        return Unknown(STRING)
    entries: Any = value.items if value.__class__ is MapValue else value
    for name in entries:
        if not _is_identifier(name):
            raise FunctionError(f"invalid variable name {go_quote(name)}: must be a valid identifier", 0)
    return "".join(f"{line}\n" for line in _attributes({name: entries[name] for name in sorted(entries)}))


def _decode_tfvars(arguments: Sequence[Value], context: FunctionContext) -> Value:
    from iacengine.lang.errors import ExpressionError  # lazy: the lexer is not a function's business elsewhere

    body = f"{{\n{arguments[0]}\n}}"
    try:
        _check_body(body)
    except ExpressionError as error:
        raise FunctionError(f"invalid tfvars syntax: {error}") from None
    decoded = context.render(f"${{{body}}}", {}, _NAME)
    if decoded.__class__ is not dict:
        raise FunctionError("invalid tfvars syntax: a sequence of name = value is required")
    return decoded


def _check_body(body: str) -> None:
    """Raise FunctionError unless the inside of the braces is a sequence of `name = constant`, one on a line.

    As an object the text is read afterwards; objects allow more: other keys, commas, colons, calls.
    """
    from iacengine.lang.lexer import tokenize  # lazy: see above

    depth = 0
    names: set[str] = set()
    tokens = tokenize(body, template=False)
    expected = "{"
    for index, token in enumerate(tokens[:-1]):
        kind = token.kind
        line = body.count("\n", 0, token.start)
        if depth == 0 and index > 0:
            raise FunctionError(f"invalid tfvars syntax: an unexpected }} on line {line}")
        if kind == "(" and tokens[index - 1].kind == "name":
            raise FunctionError(f"invalid tfvars syntax: a function call on line {line}; only constants are allowed")
        if depth == 1 and expected == "name" and kind not in ("newline", "}"):
            name = str(token.value)
            if kind != "name" or tokens[index + 1].kind != "=":
                raise FunctionError(f"invalid tfvars syntax: name = value is expected on line {line}")
            if name in names:
                raise FunctionError(f"invalid tfvars syntax: {name} is given a second time on line {line}")
            names.add(name)
            expected = "value"
        elif depth == 1 and kind == ",":
            raise FunctionError(f"invalid tfvars syntax: an unexpected comma on line {line}")
        if kind in ("{", "[", "(", "${", "%{"):
            depth += 1
        elif kind in ("}", "]", ")", "sequence end"):
            depth -= 1
        if depth == 1 and kind in ("newline", "{"):
            expected = "name"


FUNCTIONS = (
    Function("provider::terraform::decode_tfvars", (text("src"),), None, DYNAMIC, _decode_tfvars),
    Function("provider::terraform::encode_expr", (Parameter("value", DYNAMIC),), None, STRING, _encode_expr),
    Function("provider::terraform::encode_tfvars", (Parameter("value", DYNAMIC),), None, STRING, _encode_tfvars),
)
