"""The values of the root module's variables: collected from everywhere, the strongest taken, converted, marked.

From the weakest to the strongest, as in Terraform
(https://developer.hashicorp.com/terraform/language/values/variables#variable-definition-precedence): defaults,
`TF_VAR_name`, `IAC_VAR_name`, the fixed files, the automatic files, then options in the order given, then values that a
program gives. What `validation` blocks say is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iacengine.config.directory import Files
from iacengine.config.model import Module, Origin, Variable
from iacengine.config.source import locate, mistake, place_text
from iacengine.config.type_example import type_remedy
from iacengine.config.variable_files import automatic_files, constant_value, read_variables
from iacengine.foundation.diagnostics import Diagnostic, Findings, error, near_match, warning
from iacengine.foundation.files import DiskFiles
from iacengine.lang.convert import ConversionError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.types import is_primitive
from iacengine.lang.values import EPHEMERAL, SENSITIVE, Value, from_python, is_null, mark

PREFIXES = ("TF_VAR_", "IAC_VAR_")


@dataclass(frozen=True, slots=True)
class VariableOption:
    """`--var NAME=VALUE` or, when `is_file`, `--var-file PATH`."""

    text: str
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class RootVariables:
    """The values by name, marked sensitive and ephemeral as declared; `missing`: required, and given by nobody;
    `given`: whose value is not null and no default."""

    values: Mapping[str, Value]
    missing: tuple[Variable, ...] = ()
    given: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, and where it comes from: in words, and as a place in a file if there is one."""

    value: Value
    source: str
    origin: Origin | None = None
    is_text: bool = False


def collect_variables(
    module: Module,
    *,
    environment: Mapping[str, str],
    options: Iterable[VariableOption] = (),
    given: Mapping[str, Any] | None = None,
    findings: Findings,
    files: Files | None = None,
    automatic: bool = True,
) -> RootVariables:
    """The values of the module's variables. Mistakes and warnings are added to `findings`.

    `automatic` False: the files that are read without being named are left out.
    A variable whose value is wrong has none in the result. `given` are values of a program: plain data or values.
    """
    found: dict[str, _Given] = {}
    disk = files or DiskFiles()
    for prefix in PREFIXES:
        for name in module.variables:
            text = environment.get(prefix + name)
            if text is not None:
                found[name] = _Given(text, f"{prefix}{name} in the environment", is_text=True)
    if automatic and disk.kind(module.directory) == "directory":
        for path in automatic_files(module.directory, disk):
            _from_file(path, module, disk, found, findings)
    for option in options:
        if option.is_file:
            _from_file(option.text, module, disk, found, findings)
        else:
            _from_option(option.text, module, found, findings)
    for name, value in (given or {}).items():
        if name not in module.variables:
            findings.add(_undeclared(name, module, "It was given a value"))
        else:
            found[name] = _Given(from_python(value), "The value that was given")
    return _converted(module, found, findings)


def missing_variable(variable: Variable) -> Diagnostic:
    """The error for a required variable that nobody gave a value."""
    about = f" {variable.description}" if variable.description else ""
    return mistake(
        variable.origin,
        f'No value for the variable "{variable.name}"',
        f"It has no default, so that it needs one.{about}",
        key=True,
        remedy=f"Use --var '{variable.name}=…', --var-file, IAC_VAR_{variable.name}, or a file such as "
        "values.auto.iacvars.yaml.",
    )


def parse_value(variable: Variable, text: str) -> Value:
    """A value as it is written on a command line, not converted yet. Raises ExpressionError.

    For a variable without a type, or of a primitive one, the text itself; else an expression, without references and
    calls. An answer to a question is read the same way.
    """
    if variable.constraint is None or is_primitive(variable.constraint.type):
        return from_python(text)
    return constant_value(text)


def variable_value(variable: Variable, value: Value) -> Value:
    """A value as expressions see it: defaults filled in, converted, marked. Raises ConversionError."""
    if is_null(value) and not variable.nullable:
        if not variable.has_default:
            raise ConversionError("it cannot be null")
        value = from_python(variable.default)
    if variable.constraint is not None:
        value = variable.constraint.apply(value)
    marks = []
    if variable.sensitive:
        marks.append(SENSITIVE)
    if variable.ephemeral:
        marks.append(EPHEMERAL)
    return mark(value, marks)


# --- sources --------------------------------------------------------------------------------------------------------


def _from_file(path: str, module: Module, files: Files, found: dict[str, _Given], findings: Findings) -> None:
    unknown: list[tuple[str, Origin]] = []
    for name, value, origin in read_variables(path, files, findings):
        if name in module.variables:
            found[name] = _Given(value, path, origin)
        else:
            unknown.append((name, origin))
    if unknown:
        name, origin = unknown[0]
        near = near_match(name, module.variables)
        rest = f" The same goes for {', '.join(other for other, _ in unknown[1:])}." if len(unknown) > 1 else ""
        notice = warning(
            "Value for an undeclared variable",
            f'The root module declares no variable "{name}", so that its value has no effect.{rest}',
            remedy=f'Did you mean "{near}"?' if near else f"Declare it under variable: {name}, or remove it.",
        )
        findings.add(notice.at(*locate(origin, key=True)) if origin.file.syntax != "text" else notice)


def _from_option(text: str, module: Module, found: dict[str, _Given], findings: Findings) -> None:
    name, equals, value = text.partition("=")
    if not equals or not name:
        findings.add(error("Invalid --var", "A name and a value are expected.", remedy="Write --var 'name=value'."))
    elif name not in module.variables:
        findings.add(_undeclared(name, module, "--var gives it a value"))
    else:
        found[name] = _Given(value, "--var", is_text=True)


def _undeclared(name: str, module: Module, why: str) -> Diagnostic:
    near = name.strip() if name.strip() in module.variables else near_match(name, module.variables)
    return error(
        f'Value for the undeclared variable "{name}"',
        f"{why}, but the root module declares no variable of that name.",
        remedy=f'Did you mean "{near}"?' if near else f"Declare it under variable: {name}.",
    )


# --- values ---------------------------------------------------------------------------------------------------------


def _converted(module: Module, found: Mapping[str, _Given], findings: Findings) -> RootVariables:
    values: dict[str, Value] = {}
    missing: list[Variable] = []
    for name, variable in module.variables.items():
        given = found.get(name)
        if given is None:
            if not variable.has_default:
                missing.append(variable)
                continue
            given = _Given(from_python(variable.default), "The default", variable.origin.at("default"))
        try:
            value = parse_value(variable, given.value) if given.is_text else given.value
            values[name] = variable_value(variable, value)
        except ExpressionError as problem:
            findings.add(_unreadable(variable, given, problem))
        except ConversionError as problem:
            findings.add(_unsuitable(variable, given, problem))
    return RootVariables(values, tuple(missing), frozenset(name for name in found if not is_null(found[name].value)))


def _unreadable(variable: Variable, given: _Given, problem: ExpressionError) -> Diagnostic:
    """The text is not shown: it may be a secret."""
    at = f" at column {problem.span[0] + 1}" if problem.span else ""
    return error(
        f'Invalid value for the variable "{variable.name}"',
        f"The text given by {given.source} is read as an expression, because the type at "
        f"{place_text(variable.origin)} is not string, number or bool{at and ', and fails' + at}: "
        f"{problem.summary}. {problem.detail}".rstrip(),
        remedy=f"Put a text in quotes of its own, as in --var '{variable.name}=\"text\"'.",
    )


def _unsuitable(variable: Variable, given: _Given, problem: ConversionError) -> Diagnostic:
    secret = variable.sensitive or variable.ephemeral
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem.path if not secret)
    found = error(
        f'Invalid value for the variable "{variable.name}"',
        f"{given.source} does not fit var.{variable.name}{path}, declared at "
        f"{place_text(variable.origin)}: {problem.message}.",
        remedy=type_remedy(variable.constraint.type) if variable.constraint else None,
    )
    if given.origin is None or given.origin.file.syntax == "text":
        return found
    if secret:  # the line of the file would show the value
        return found.at(locate(given.origin, key=True)[0])
    return found.at(*locate(given.origin, problem.path))
