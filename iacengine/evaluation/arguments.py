"""The value of a module's variable from what its caller gives: default, type, null, marks."""

from __future__ import annotations

from iacengine.config.model import Origin, Variable
from iacengine.config.source import explain, locate
from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.lang.convert import ConversionError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.types import friendly_name
from iacengine.lang.values import EPHEMERAL, SENSITIVE, Null, Value, from_python, has_mark, is_null, mark


def argument_value(variable: Variable, value: Value, *, given: bool, origin: Origin) -> Value:
    """The variable's value: `value` converted to its type, or its default when nothing (or null) is given.

    Raises DiagnosticsError, pointing at `origin` (the argument), when the value does not fit.
    """
    if variable.has_default and (not given or (is_null(value) and not variable.nullable)):
        value, origin = from_python(variable.default), variable.origin.at("default")
    elif not given:
        raise _error(variable, origin, "is required, but nothing is given for it.")
    if not variable.ephemeral and has_mark(value, EPHEMERAL):
        diagnostic = error(
            "Ephemeral value not allowed",
            f'The variable "{variable.name}" is not declared ephemeral, so it cannot be set to an ephemeral value.',
            remedy="Add `ephemeral: true` to the variable.",
        )
        raise DiagnosticsError(diagnostic.at(*locate(origin)))
    try:
        if variable.constraint is not None:
            value = variable.constraint.apply(value)
    except ConversionError as found:
        where = origin.at(*found.path)
        raise _error(variable, where, f"has a type that does not fit: {found}.") from None
    except ExpressionError as found:
        raise DiagnosticsError(explain(found, origin)) from None
    if is_null(value) and not variable.nullable:
        raise _error(variable, origin, "is not nullable, but the value is null.")
    if value is None and variable.constraint is not None:
        value = Null(variable.constraint.type)
    marks = [name for name, wanted in ((SENSITIVE, variable.sensitive), (EPHEMERAL, variable.ephemeral)) if wanted]
    return mark(value, marks)


def _error(variable: Variable, origin: Origin, what: str) -> DiagnosticsError:
    type_ = friendly_name(variable.constraint.type) if variable.constraint is not None else "any value"
    diagnostic = error(
        "Invalid value for input variable",
        f'The variable "{variable.name}" {what}',
        remedy=f"Give it a value of this type: {type_}.",
    )
    return DiagnosticsError(diagnostic.at(*locate(origin)))
