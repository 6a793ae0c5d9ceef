"""A scope to evaluate in, and shorthands to make and read values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import settings

from iacengine.foundation.files import DiskFiles
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression, parse_json, parse_template
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.render import with_rendering
from iacengine.lang.values import Value, from_python

# a busy machine is no reason to fail
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


class DictScope:
    """Names such as `var.a` with their values."""

    def __init__(self, names: Mapping[str, Any], *, console: bool = False) -> None:
        self.names: dict[tuple[str, ...], Value] = {}
        for name, value in names.items():
            subject = tuple(name.split("."))
            if subject[0] not in ("var", "local", "each", "self", "module", "path", "data"):
                subject = ("resource", *subject)
            self.names[subject] = from_python(value)
        self.functions = with_rendering(FunctionContext(DiskFiles()))
        self.console = console

    def lookup(self, subject: tuple[str, ...]) -> Value:
        if subject not in self.names:
            raise ExpressionError("Undeclared", ".".join(subject))
        return self.names[subject]


Evaluate = Callable[..., Value]


@pytest.fixture(scope="session")
def scope() -> Callable[..., DictScope]:
    """`scope({"var.a": 1})`."""
    return DictScope


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """`evaluate("var.a + 1", {"var.a": 1})`: the value of one expression."""

    def run(text: str, names: Mapping[str, Any] | None = None) -> Value:
        return parse_expression(text).evaluate(DictScope(names or {}))

    return run


@pytest.fixture(scope="session")
def render() -> Evaluate:
    """`render("a ${var.b}", {"var.b": 1})`: the value of a string of a stack file."""

    def run(text: str, names: Mapping[str, Any] | None = None) -> Value:
        return parse_template(text).evaluate(DictScope(names or {}))

    return run


@pytest.fixture(scope="session")
def evaluate_data() -> Evaluate:
    """`evaluate_data({"a": "${var.b}"}, {"var.b": 1})`: the value of a structure of a stack file."""

    def run(data: Any, names: Mapping[str, Any] | None = None) -> Value:
        return parse_json(data).evaluate(DictScope(names or {}))

    return run


@pytest.fixture(scope="session")
def failure() -> Callable[..., ExpressionError]:
    """`failure("1 + null")`: the error of an expression that must have one."""

    def run(text: str, names: Mapping[str, Any] | None = None) -> ExpressionError:
        with pytest.raises(ExpressionError) as caught:
            parse_expression(text).evaluate(DictScope(names or {}))
        return caught.value

    return run
