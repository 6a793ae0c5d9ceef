"""Custom conditions: validations, preconditions, postconditions and assertions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from iacengine.config.model import Condition, Origin
from iacengine.config.source import explain
from iacengine.evaluation.scope import AnyScope, with_values
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Severity, error
from iacengine.lang.convert import ConversionError, convert
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_json
from iacengine.lang.types import BOOL, STRING
from iacengine.lang.values import EPHEMERAL, SENSITIVE, Value, is_null, is_unknown, is_wholly_known, unmark, unmark_deep


class Status(Enum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a condition came out. `message` is the author's, for a failed one; `diagnostic` tells it to the user."""

    status: Status
    message: str = ""
    diagnostic: Diagnostic | None = None


_REMEDY = "Change what the condition looks at, or the condition."
_TEXT = "Write a text that says what was expected; join makes one of a list."
_TEST = "Write a test that is true or false, such as self.size > 0."
PASSED = Verdict(Status.PASS)
UNDECIDED = Verdict(Status.UNKNOWN)


def judge(condition: Condition, scope: AnyScope, what: str, *, severity: Severity = Severity.ERROR) -> Verdict:
    """Evaluate one condition. `what` names it in the diagnostic: `Resource precondition failed`."""
    try:
        result = _condition(condition, scope)
    except DiagnosticsError as found:
        return Verdict(Status.ERROR, "", found.diagnostics[0])
    if result is None:
        return UNDECIDED
    if result:
        return PASSED
    message, problem = _message(condition, scope)
    if problem is not None:
        return Verdict(Status.ERROR, "", problem)
    told = Diagnostic(severity, what, message, _REMEDY)
    told = with_values(told, condition.condition, scope, condition.origin.at("condition"))
    return Verdict(Status.FAIL, message, told)


def unreadable(failure: DiagnosticsError) -> tuple[Verdict, ...]:
    """The verdicts of a `check` block whose data source cannot be read: failed, told as warnings."""
    return tuple(
        Verdict(Status.FAIL, f"{found.summary}: {found.detail}", replace(found, severity=Severity.WARNING))
        for found in failure.diagnostics
        if found.is_error
    )


def _condition(condition: Condition, scope: AnyScope) -> bool | None:
    origin, raw = condition.origin.at("condition"), condition.condition
    value, _ = unmark(_evaluate(raw, scope, origin))
    if is_unknown(value):
        return None
    if is_null(value):
        raise _invalid(origin, raw, scope, "The condition is null; it must come to true or false.", _TEST)
    try:
        result, _ = unmark(convert(value, BOOL))
    except ConversionError as found:
        raise _invalid(origin, raw, scope, f"The condition must come to true or false: {found}.", _TEST) from None
    return bool(result)


def _message(condition: Condition, scope: AnyScope) -> tuple[str, Diagnostic | None]:
    origin, raw = condition.origin.at("error_message"), condition.error_message
    try:
        value: Value = _evaluate(raw, scope, origin)
        if not is_wholly_known(value):
            return "The error message is not known yet.", None
        value, marks = unmark_deep(value)
        if SENSITIVE in marks:
            return "The error message holds a sensitive value, so it is not shown.", None
        if EPHEMERAL in marks:
            return "The error message holds an ephemeral value, so it is not shown.", None
        if is_null(value):
            raise _invalid(origin, raw, scope, "The error message is null; a text is needed.", _TEXT)
        return str(convert(value, STRING)).strip(), None
    except ConversionError as found:
        return "", _invalid(origin, raw, scope, f"The error message must be a text: {found}.", _TEXT).diagnostics[0]
    except DiagnosticsError as found:
        return "", found.diagnostics[0]


def _evaluate(raw: object, scope: AnyScope, origin: Origin) -> Value:
    try:
        return parse_json(raw).evaluate(scope)
    except ExpressionError as found:
        raise DiagnosticsError(explain(found, origin)) from None


def _invalid(origin: Origin, raw: object, scope: AnyScope, detail: str, remedy: str) -> DiagnosticsError:
    return DiagnosticsError(with_values(error("Invalid condition", detail, remedy=remedy), raw, scope, origin))
