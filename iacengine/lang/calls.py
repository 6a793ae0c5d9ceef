"""Function calls; and `try`, `can`, `templatestring` and `type`, which look at the expression they are given."""

from __future__ import annotations

from collections.abc import Callable

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.environment import Environment, Frame, Run, Scope
from iacengine.lang.errors import ExpressionError, Span, join
from iacengine.lang.functions import registry
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.secrets import hide, secrets_of
from iacengine.lang.syntax import Attribute, Call, Index, Item, Node, Splat, Variable
from iacengine.lang.types import BOOL, DYNAMIC, STRING, ListType, SetType, TupleType
from iacengine.lang.typetext import type_text
from iacengine.lang.values import (
    UNKNOWN,
    ListValue,
    MapValue,
    Marked,
    Null,
    SetValue,
    Unknown,
    Value,
    is_null,
    is_wholly_known,
    mark,
    type_of,
)

_UNKNOWN_BOOL = Unknown(BOOL)
_PARAMETERS = {"can": "expression", "templatestring": "template, vars", "type": "value"}


def compile_call(node: Call, environment: Environment) -> Run:
    environment.called()
    special = _SPECIAL.get(node.name.removeprefix("core::"))
    if special is not None:
        return special(node, environment)
    return _ordinary(node, environment)


def _ordinary(node: Call, environment: Environment) -> Run:
    name, name_span, span, expand = node.name, node.name_span, node.span, node.expand
    arguments = [environment.compile(argument) for argument in node.arguments]
    spans = [argument.span for argument in node.arguments]
    found: Function | None = None

    def call(scope: Scope, frame: Frame) -> Value:
        nonlocal found
        if found is None:
            found = registry.lookup(name)
        function = found or _provider_function(name, scope)
        values: list[Value] = []
        failure: ExpressionError | None = None
        if function is None:
            failure = _unknown_function(name, name_span)
        for argument in arguments:
            try:
                values.append(argument(scope, frame))
            except ExpressionError as error:
                failure = join(failure, error)
        if failure is not None:
            raise failure.giving(UNKNOWN)
        assert function is not None
        if expand:
            final = _expanded(values.pop(), spans[-1])
            if final is None:
                return UNKNOWN
            values += final
        try:
            return registry.call(function, values, scope.functions)
        except FunctionError as error:
            raise _call_error(error, function, spans, span, values) from None

    return call


def _provider_function(name: str, scope: Scope) -> Function | None:
    if not name.startswith("provider::"):
        return None
    find: Callable[[str], Function | None] | None = getattr(scope, "provider_function", None)
    return None if find is None else find(name)


def _unknown_function(name: str, span: Span) -> ExpressionError:
    namespace, separator, plain = name.rpartition("::")
    if separator and namespace != "core":
        return ExpressionError(
            "Call to unknown function",
            f'There is no function named "{plain}" in namespace {namespace}::.',
            remedy="Does the provider offer it, and is the provider named in required_providers?",
            span=span,
        )
    near = near_match(plain, registry.names())
    return ExpressionError(
        "Call to unknown function",
        f'There is no function named "{name}".',
        remedy=f'Did you mean "{near}"?' if near else None,
        span=span,
    )


def _call_error(
    error: FunctionError, function: Function, spans: list[Span], span: Span, values: list[Value]
) -> ExpressionError:
    from iacengine.lang.remedies import remedy_of_call, usage  # lazy: wanted for mistakes alone

    where = span
    if error.argument is not None and spans:
        where = spans[min(error.argument, len(spans) - 1)]
    detail = hide(error.detail(function), secrets_of(*values))
    counted = error.summary in ("Not enough function arguments", "Too many function arguments")
    remedy = usage(function) if counted else remedy_of_call(function, error.message)
    return ExpressionError(error.summary, detail, remedy=remedy, span=where)


def _expanded(value: Value, span: Span) -> list[Value] | None:
    """The arguments that `value...` stands for; None while their number is unknown."""
    marks: frozenset[str] = frozenset()
    if value.__class__ is Marked:
        value, marks = value.value, value.marks
    kind = value.__class__
    summary = "Invalid expanding argument value"
    if value is None or (kind is Null and isinstance(value.type, TupleType | ListType | SetType)):
        raise ExpressionError(summary, "The expanding argument (indicated by ...) must not be null.", span=span)
    if kind is Unknown and (value.type is DYNAMIC or isinstance(value.type, TupleType | ListType | SetType)):
        return None
    if kind not in (tuple, ListValue, SetValue):
        raise ExpressionError(
            summary, "The expanding argument (indicated by ...) must be of a tuple, list, or set type.", span=span
        )
    return [mark(item, marks) for item in value]


# --- functions that look at the expression --------------------------------------------------------------------------


def _attempts(node: Call, environment: Environment) -> Callable[[Scope, Frame], list[Run]]:
    """The arguments as what can be run one by one; a last one with `...` is run to know how many it stands for."""
    inside = environment.attempting()
    runs = [inside.compile(argument) for argument in node.arguments]
    if not node.expand:
        return lambda _scope, _frame: runs
    *first, last = runs
    span = node.arguments[-1].span

    def expand(scope: Scope, frame: Frame) -> list[Run]:
        values = _expanded(last(scope, frame), span)
        return [*first, *(_constant(value) for value in ([UNKNOWN] if values is None else values))]

    return expand


def _constant(value: Value) -> Run:
    return lambda _scope, _frame: value


def _compile_try(node: Call, environment: Environment) -> Run:
    attempts = _attempts(node, environment)
    span = node.span

    def attempt(scope: Scope, frame: Frame) -> Value:
        runs = attempts(scope, frame)
        if not runs:
            raise ExpressionError(
                "Error in function call",
                'Call to function "try" failed: no arguments.',
                remedy="Write try(EXPRESSION, DEFAULT).",
                span=span,
            )
        failures: list[ExpressionError] = []
        for run in runs:
            try:
                value = run(scope, frame)
            except ExpressionError as error:
                failures += error.all
                continue
            # what is unknown may yet turn out to fail, and another attempt be taken
            return value if is_wholly_known(value) else UNKNOWN
        told = "\n".join(f"- {failure}" for failure in failures)
        raise ExpressionError(
            "Error in function call",
            f'Call to function "try" failed: no expression succeeded:\n{told}',
            remedy="At least one expression must produce a successful result.",
            span=span,
        )

    return attempt


def _compile_can(node: Call, environment: Environment) -> Run:
    attempts = _attempts(node, environment)

    def attempt(scope: Scope, frame: Frame) -> Value:
        runs = attempts(scope, frame)
        _check_count("can", "expression", node, len(runs), 1)
        try:
            value = runs[0](scope, frame)
        except ExpressionError:
            return False
        return True if is_wholly_known(value) else _UNKNOWN_BOOL

    return attempt


def _compile_type(node: Call, environment: Environment) -> Run:
    arguments = [environment.compile(argument) for argument in node.arguments]

    def show(scope: Scope, frame: Frame) -> Value:
        if not getattr(scope, "console", False):
            raise _unknown_function("type", node.name_span)
        _check_count("type", "value", node, len(arguments), 1)
        return type_text(type_of(arguments[0](scope, frame)))

    return show


def _check_count(name: str, parameter: str, node: Call, given: int, wanted: int) -> None:
    if given < wanted:
        raise ExpressionError(
            "Not enough function arguments",
            f'Function "{name}" expects {wanted} argument(s). Missing value for "{parameter}".',
            remedy=f"Write {name}({_PARAMETERS[name]}).",
            span=node.span,
        )
    if given > wanted:
        raise ExpressionError(
            "Too many function arguments",
            f'Function "{name}" expects only {wanted} argument(s).',
            remedy=f"Write {name}({_PARAMETERS[name]}).",
            span=node.arguments[min(wanted, len(node.arguments) - 1)].span,
        )


def _compile_templatestring(node: Call, environment: Environment) -> Run:
    arguments = [environment.compile(argument) for argument in node.arguments]

    def render(scope: Scope, frame: Frame) -> Value:
        _check_count("templatestring", "template" if not arguments else "vars", node, len(arguments), 2)
        values: list[Value] = []
        failure: ExpressionError | None = None
        for argument in arguments:
            try:
                values.append(argument(scope, frame))
            except ExpressionError as error:
                failure = join(failure, error)
        if failure is not None:
            raise failure.giving(UNKNOWN)
        return _render_string(node, values[0], values[1], scope)

    return render


def _render_string(node: Call, template: Value, variables: Value, scope: Scope) -> Value:
    template_span, variables_span = node.arguments[0].span, node.arguments[1].span
    if not _is_reference(node.arguments[0]):
        raise _invalid(
            "template",
            "must be a direct reference to a string holding a template",
            template_span,
            remedy="Assign the template to a local value and refer to that. A template known here needs no function.",
        )
    marks: frozenset[str] = frozenset()
    if template.__class__ is Marked:
        template, marks = template.value, template.marks
    if variables.__class__ is Marked:
        variables, marks = variables.value, marks | variables.marks
    if is_null(template):
        raise _invalid("template", "argument must not be null", template_span)
    if is_null(variables):
        raise _invalid("vars", "argument must not be null", variables_span)
    if template.__class__ is Unknown and template.type in (STRING, DYNAMIC):
        return mark(UNKNOWN, marks)
    if template.__class__ is not str:
        raise _invalid("template", "a string is required", template_span)
    if variables.__class__ is Unknown:
        return mark(UNKNOWN, marks)
    if variables.__class__ is not dict and variables.__class__ is not MapValue:
        raise _invalid("vars", "must be a map or object", variables_span)
    entries: dict[str, Value] = variables.items if isinstance(variables, MapValue) else variables
    try:
        return mark(scope.functions.render(template, entries, "<templatestring argument>"), marks)
    except FunctionError as error:
        blamed = variables_span if error.argument == 1 else template_span
        raise _invalid("vars" if error.argument == 1 else "template", str(error), blamed) from None


def _invalid(parameter: str, reason: str, span: Span, remedy: str | None = None) -> ExpressionError:
    return ExpressionError(
        "Invalid function argument", f'Invalid value for "{parameter}" parameter: {reason}.', remedy=remedy, span=span
    )


def _is_reference(node: Node) -> bool:
    """True for a name and what is taken of it: what can stand for a template written elsewhere."""
    while isinstance(node, Attribute | Index | Splat):
        node = node.source
    return isinstance(node, Variable | Item)


_SPECIAL: dict[str, Callable[[Call, Environment], Run]] = {
    "try": _compile_try,
    "can": _compile_can,
    "type": _compile_type,
    "templatestring": _compile_templatestring,
}
