"""`variable`, `locals` and `output` blocks."""

from __future__ import annotations

from iacengine.config.block_reader import (
    COMMENT,
    MISSING,
    NAME_RULE,
    BlockReader,
    did_you_mean,
    is_name,
    kind_of,
    name_remedy,
)
from iacengine.config.decode_condition import conditions
from iacengine.config.decode_reference import bare, depends_on
from iacengine.config.fragment import Fragment
from iacengine.config.model import KeyPath, Local, Origin, Output, Raw, SourceFile, Variable
from iacengine.config.source import explain, mistake
from iacengine.config.type_example import type_remedy
from iacengine.foundation.diagnostics import Findings
from iacengine.lang.constraints import TypeConstraint, parse_type_constraint
from iacengine.lang.convert import ConversionError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.values import from_python, is_null

RESERVED_VARIABLES = frozenset(
    ("source", "version", "providers", "count", "for_each", "lifecycle", "depends_on", "locals")
)
_VARIABLE = ("type", "default", "description", "sensitive", "nullable", "ephemeral", "validation")
_OUTPUT = ("value", "description", "sensitive", "ephemeral", "depends_on", "precondition")
_TYPES = ("string", "number", "bool", "any", "list", "set", "map", "object", "tuple")


def decode_variable(name: str, body: Raw, origin: Origin, fragment: Fragment, findings: Findings) -> None:
    reader = BlockReader(body, origin, f'variable "{name}"', findings)
    if not is_name(name):
        reader.wrong("Invalid variable name", NAME_RULE, key=True, remedy=name_remedy(name))
    elif name in RESERVED_VARIABLES:
        reader.wrong(
            f'The variable name "{name}" is reserved',
            "It has a meaning of its own in module blocks.",
            key=True,
            remedy="Choose another name.",
        )
    constraint = _constraint(reader)
    default = reader.take("default", MISSING)
    nullable = reader.boolean("nullable", True)
    variable = Variable(
        name=name,
        origin=origin,
        constraint=constraint,
        default=None if default is MISSING else default,
        has_default=default is not MISSING,
        nullable=nullable,
        sensitive=reader.boolean("sensitive"),
        ephemeral=reader.boolean("ephemeral"),
        description=reader.text("description") or "",
        validations=conditions(reader, "validation"),
    )
    reader.finish(_VARIABLE)
    if variable.has_default:
        _check_default(reader, variable)
    fragment.variables.append(variable)


def _constraint(reader: BlockReader) -> TypeConstraint | None:
    value = reader.take("type", MISSING)
    if value is MISSING:
        return None
    if value.__class__ is not str:
        reader.wrong(
            "Invalid type",
            f"A type is a string, not {kind_of(value)}.",
            "type",
            remedy="Write a type such as string, number, bool, list(string) or object({name = string}).",
        )
        return None
    text = bare(value)
    try:
        return parse_type_constraint(text)
    except ExpressionError as error:
        if text != value:
            error.span = None  # it counts from the bare text
        if error.remedy is None:
            error.remedy = did_you_mean(text, _TYPES)
        reader.findings.add(explain(error, reader.origin, path=("type",)))
        return None


def _check_default(reader: BlockReader, variable: Variable) -> None:
    """A default is literal data, so that it can be checked before anything is evaluated."""
    summary = "Invalid default value"
    try:
        value = from_python(variable.default)
        if is_null(value) and not variable.nullable:
            reader.wrong(
                summary,
                "The variable is not nullable, so its default cannot be null.",
                "default",
                remedy="Give another default, or remove it: then a value has to be given.",
            )
        elif variable.constraint is not None:
            variable.constraint.apply(value)
    except ConversionError as error:
        detail = f"The default does not fit the type of the variable: {error.message}."
        remedy = type_remedy(variable.constraint.type) if variable.constraint is not None and not error.path else None
        reader.wrong(summary, detail, "default", *error.path, remedy=remedy or "Change the default, or the type.")


def decode_locals(body: Raw, file: SourceFile, path: KeyPath, fragment: Fragment, findings: Findings) -> None:
    """A `locals` block, or a list of them."""
    if body.__class__ is list:
        for index, element in enumerate(body):
            decode_locals(element, file, (*path, index), fragment, findings)
        return
    if body.__class__ is not dict:
        if body is not None:
            findings.add(
                mistake(
                    Origin(file, path), "Wrong type", f"locals holds names and values, it cannot be {kind_of(body)}."
                )
            )
        return
    for name, value in body.items():
        if name == COMMENT:
            continue
        origin = Origin(file, (*path, name))
        if not is_name(name):
            findings.add(
                mistake(origin, "Invalid name of a local value", NAME_RULE, key=True, remedy=name_remedy(name))
            )
        fragment.locals.append(Local(name, value, origin))


def decode_output(name: str, body: Raw, origin: Origin, fragment: Fragment, findings: Findings) -> None:
    reader = BlockReader(body, origin, f'output "{name}"', findings)
    if not is_name(name):
        reader.wrong("Invalid output name", NAME_RULE, key=True, remedy=name_remedy(name))
    value = reader.required("value")
    output = Output(
        name=name,
        value=None if value is MISSING else value,
        origin=origin,
        sensitive=reader.boolean("sensitive"),
        ephemeral=reader.boolean("ephemeral"),
        description=reader.text("description") or "",
        depends_on=depends_on(reader),
        preconditions=conditions(reader, "precondition"),
    )
    reader.finish(_OUTPUT)
    fragment.outputs.append(output)
