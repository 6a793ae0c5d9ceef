"""The console for programs: JSON Lines in, JSON Lines out.

A request is `{"id", "expr" | "template", "vars"}`, where `expr` is what would stand inside `${…}`, `template` a string
or a whole structure as a stack file has it, and `vars` holds `var` and `local` (data, nothing in it a template) and
`types` (constraints of some variables). An answer is `{"id", "result", "type"}` or `{"id", "error"}`. Numbers are exact
decimals both ways, types in `cty`'s JSON notation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.constraints import ANY, parse_type_constraint
from iacengine.lang.convert import ConversionError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import Expression, parse_json, parse_template
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.references import Reference, Subject
from iacengine.lang.text import number_text, parse_number
from iacengine.lang.types import type_to_json, without_optional
from iacengine.lang.values import (
    UNKNOWN,
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
    from_python,
    type_of,
)


class RequestError(Exception):
    """A line that is no request, or a variable that does not fit its type."""


class _Scope:
    """The names a request gives a meaning to."""

    __slots__ = ("functions", "names")

    def __init__(self, names: Mapping[Subject, Value], functions: FunctionContext) -> None:
        self.names = names
        self.functions = functions

    def lookup(self, subject: Subject) -> Value:
        return self.names[subject]


def answer_lines(lines: Iterable[str], functions: FunctionContext) -> Iterator[str]:
    """One answer for each request that is not blank, as soon as it is known."""
    for line in lines:
        if not line.strip():
            continue
        reply = answer(line, functions)
        try:
            yield write_json(reply)
        except ValueError as error:
            yield write_json({"id": reply["id"], "error": str(error)})


def answer(line: str, functions: FunctionContext) -> dict[str, Any]:
    """The answer to one request, as data (numbers of the language stand for themselves)."""
    try:
        request = json.loads(line, parse_float=parse_number, parse_int=parse_number)
    except (ValueError, RecursionError) as error:
        return {"id": None, "error": f"The line is not JSON: {error}"}
    if not isinstance(request, dict) or ("expr" not in request and "template" not in request):
        return {"id": None, "error": 'A request is an object with "expr" or "template".'}
    ident = request.get("id")
    try:
        value = _evaluate(request, functions)
        return {"id": ident, "result": value, "type": type_to_json(type_of(value))}
    except (ExpressionError, ConversionError, RequestError) as error:
        return {"id": ident, "error": str(error)}


def _evaluate(request: Mapping[str, Any], functions: FunctionContext) -> Value:
    names = _names(request.get("vars") or {})
    expression = _parse(request)
    for reference in expression.references:
        if reference.subject not in names:
            raise _undeclared(reference, names)
    if expression.references:
        # as Terraform validates a configuration: before the values of its variables are known
        expression.evaluate(_Scope(_unknown(names, request.get("vars") or {}), functions))
    return expression.evaluate(_Scope(names, functions))


def _unknown(names: Mapping[Subject, Value], variables: Mapping[str, Any]) -> dict[Subject, Value]:
    """The same names with nothing known of their values but the types that constrain them."""
    types = variables.get("types") or {}
    hidden: dict[Subject, Value] = {}
    for subject, value in names.items():
        root, name = subject
        if root == "path":
            hidden[subject] = value
        elif root == "var" and name in types:
            hidden[subject] = Unknown(without_optional(parse_type_constraint(types[name]).type))
        else:
            hidden[subject] = UNKNOWN
    return hidden


def _parse(request: Mapping[str, Any]) -> Expression:
    template = request.get("template")
    if template is None:
        return parse_template("${" + str(request["expr"]) + "}")
    return parse_json(template)


def _names(variables: Mapping[str, Any]) -> dict[Subject, Value]:
    """What `var.*`, `local.*` and `path.*` mean."""
    types = variables.get("types") or {}
    names: dict[Subject, Value] = {("path", "module"): ".", ("path", "root"): "."}
    for name, data in (variables.get("var") or {}).items():
        constraint = parse_type_constraint(types[name]) if name in types else ANY
        try:
            names["var", name] = constraint.apply(from_python(data))
        except ConversionError as error:
            raise RequestError(f"Invalid value for variable: var.{name}: {error}") from None
    for name, data in (variables.get("local") or {}).items():
        names["local", name] = from_python(data)
    return names


def _undeclared(reference: Reference, names: Mapping[Subject, Value]) -> ExpressionError:
    text = ".".join(reference.subject[1:] if reference.subject[0] == "resource" else reference.subject)
    near = near_match(text, [".".join(subject) for subject in names])
    return ExpressionError(
        "Reference to undeclared name",
        f"Nothing named {text} has been declared.",
        remedy=f"Did you mean {near}?" if near else None,
        span=reference.span,
        path=reference.path,
    )


# --- writing --------------------------------------------------------------------------------------------------------


def write_json(value: Value) -> str:
    """JSON of data that may hold values of the language: marks dropped, numbers as exact decimals.

    An unknown value is null, as Terraform records one in its state (`format("%s", null)` gives one). Raises ValueError
    for infinities.
    """
    kind = value.__class__
    if kind is str:
        return json.dumps(value, ensure_ascii=False)
    if value is None or kind is Null:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Fraction or kind is float:
        if value in (float("inf"), float("-inf")):
            raise ValueError("the result is infinite, which JSON has no number for")
        return number_text(value)
    if kind is dict or kind is MapValue:
        entries = value if kind is dict else value.items
        return "{" + ", ".join([f"{write_json(key)}: {write_json(child)}" for key, child in entries.items()]) + "}"
    if kind is tuple or kind is list:
        return "[" + ", ".join(map(write_json, value)) + "]"
    if kind is ListValue or kind is SetValue:
        return "[" + ", ".join(map(write_json, value.items)) + "]"
    if kind is Marked:
        return write_json(value.value)
    return "null"


def _main() -> None:
    # lazy: only this entry touches the world
    import sys

    from iacengine.foundation.files import DiskFiles
    from iacengine.lang.render import with_rendering

    for line in answer_lines(sys.stdin, with_rendering(FunctionContext(DiskFiles()))):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    _main()
