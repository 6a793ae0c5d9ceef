"""Files with values of variables: which are read by themselves, and how each kind is read.

`*.iacvars.yaml` (`.yml`, `.json`) and `*.tfvars.json` hold an object of names and literal values: nothing in
them is a template. `*.tfvars`, also known from Terraform, hold `name = value` lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iacengine.config.block_reader import COMMENT, kind_of
from iacengine.config.directory import Files, join
from iacengine.config.model import Origin, SourceFile
from iacengine.config.source import explain, mistake, parse, source_file
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, error, near_match
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.values import Value, from_python

FIXED = ("terraform.tfvars", "terraform.tfvars.json", "iac.iacvars.yaml", "iac.iacvars.yml", "iac.iacvars.json")
"""Read when they are there, a later one winning."""

AUTOMATIC = (".auto.tfvars", ".auto.tfvars.json", ".auto.iacvars.yaml", ".auto.iacvars.yml", ".auto.iacvars.json")
"""Read in the order of their names, after the fixed ones."""


def automatic_files(directory: str, files: Files) -> list[str]:
    """The files that are read without being named, in the order in which they win."""
    names = [name for name, is_directory in files.entries(directory) if not is_directory]
    fixed = [name for name in FIXED if name in names]
    found = sorted(name for name in names if name.endswith(AUTOMATIC) and not name.startswith("."))
    return [join(directory, name) for name in (*fixed, *found)]


def read_variables(path: str, files: Files, findings: Findings) -> Iterator[tuple[str, Value, Origin]]:
    """Name, value and place of everything in a file. Mistakes are noted."""
    try:
        text = files.read(path)
    except OSError as failure:
        findings.add(_unreadable(path, failure, files))
        return
    if path.endswith(".tfvars"):
        yield from _native(SourceFile(path, text, "hcl", ""), findings)
        return
    file = source_file(path, text)
    try:
        data = parse(file)
    except DiagnosticsError as failure:
        findings.extend(failure.diagnostics)
        return
    if data is None:
        return
    if data.__class__ is not dict:
        findings.add(
            mistake(Origin(file), "Not a variables file", f"Names and values are expected, not {kind_of(data)}.")
        )
        return
    for name, value in data.items():
        if name != COMMENT:
            yield name, from_python(value), Origin(file, (name,))


def _unreadable(path: str, failure: OSError, files: Files) -> Any:
    folder, _, name = path.rpartition("/")
    near = None
    if isinstance(failure, FileNotFoundError) and files.kind(folder or ".") == "directory":
        near = near_match(name, [entry for entry, _ in files.entries(folder or ".")])
    return error(
        "Cannot read a variables file",
        f"{path}: {failure.strerror or failure}.",
        remedy=f"Did you mean {join(folder, near)}?" if near else None,
    )


def _native(file: SourceFile, findings: Findings) -> Iterator[tuple[str, Value, Origin]]:
    """A `.tfvars` file: its lines are those of an object of the language."""
    try:
        text = file.text.decode()
    except UnicodeDecodeError:
        findings.add(error("Not UTF-8", f"{file.path} is no UTF-8 text.", remedy="Save the file as UTF-8."))
        return
    # Positions count from the text of the file, so what goes around it has to be known: "{" and a line break.
    around = SourceFile(file.path, file.text, "text", "")
    try:
        values = constant_value("{\n" + text + "\n}")
    except ExpressionError as problem:
        if problem.span is not None:
            problem.span = (max(problem.span[0] - 2, 0), max(problem.span[1] - 2, 0))
        findings.add(explain(problem, Origin(around)))
        return
    for name, value in values.items():
        yield name, value, Origin(around, (name,))


def constant_value(text: str) -> Any:
    """The value of an expression that may refer to nothing and call nothing. Raises ExpressionError."""
    try:
        expression = parse_expression(text)
    except ExpressionError as problem:
        if problem.summary == "Invalid reference":  # a bare word
            raise _not_literal(problem.span) from None
        raise
    if expression.references:
        raise _not_literal(expression.references[0].span)
    if not expression.constant:
        raise ExpressionError("Functions not allowed", "A value of a variable is literal: it cannot call functions.")
    return expression.evaluate(_NO_SCOPE)


_NO_SCOPE: Any = None  # a constant expression looks nothing up


def _not_literal(span: tuple[int, int] | None) -> ExpressionError:
    return ExpressionError(
        "Variables not allowed",
        "A value of a variable is literal: it cannot refer to anything.",
        remedy="Put texts in quotes.",
        span=span,
    )
