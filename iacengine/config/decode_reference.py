"""Names of other things, which stand in a file as text with or without `${}`: references, providers, addresses."""

from __future__ import annotations

import re
from typing import Any

from iacengine.addresses import Target, parse_target
from iacengine.config.block_reader import BlockReader, is_name, kind_of
from iacengine.config.model import BracketKey, KeyPath, ProviderName, Raw
from iacengine.config.source import explain
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.lang.errors import ExpressionError
from iacengine.lang.expression import parse_expression
from iacengine.lang.references import Reference

_NAME = r"[^\W\d][\w-]*"
_KEY = r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]'
_STATIC = re.compile(rf"{_NAME}(?:\.{_NAME}|\.\d+|{_KEY})*")
_STEP = re.compile(rf'\.?({_NAME})|\.(\d+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')
_RESERVED = {"count", "each", "local", "path", "self", "terraform", "var", "template", "lazy", "arg", "output"}


def bare(text: str) -> str:
    """The text without a `${ }` around the whole of it."""
    stripped = text.strip()
    if stripped.startswith("${") and stripped.endswith("}") and "${" not in stripped[2:]:
        return stripped[2:-1].strip()
    return stripped


def static_reference(reader: BlockReader, value: Raw, path: KeyPath) -> Reference | None:
    """One reference, such as `aws_vpc.main` or `module.net`."""
    if value.__class__ is not str:
        reader.wrong("Invalid reference", f"A reference is a string such as aws_vpc.main, not {kind_of(value)}.", *path)
        return None
    text = bare(value)
    if _STATIC.fullmatch(text) is None:
        reader.wrong(
            "Invalid reference",
            "A single reference is needed here, without calculations, calls or templates.",
            *path,
            remedy="Write the address of a whole object, such as aws_vpc.main or module.net.",
        )
        return None
    try:
        references = parse_expression(text).references
    except ExpressionError as error:
        error.span = None  # it counts from the bare text
        reader.findings.add(explain(error, reader.origin, path=path))
        return None
    if len(references) != 1:
        reader.wrong("Invalid reference", f'"{text}" does not refer to anything.', *path)
        return None
    return references[0]


def depends_on(reader: BlockReader) -> tuple[Reference, ...]:
    """The `depends_on` of a block, taken from it."""
    found: list[Reference] = []
    for index, item in enumerate(reader.items("depends_on")):
        reference = static_reference(reader, item, ("depends_on", index))
        if reference is not None:
            found.append(reference)
    return tuple(found)


def provider_name(reader: BlockReader, value: Raw, path: KeyPath) -> ProviderName | None:
    """`aws` or `aws.west`."""
    parts = bare(value).split(".") if value.__class__ is str else []
    if not 1 <= len(parts) <= 2 or not all(is_name(part) for part in parts):
        reader.wrong(
            "Invalid provider reference",
            "A provider configuration is named by its provider, and by its alias after a dot if it has one.",
            *path,
            remedy="Write provider: aws, or provider: aws.west.",
        )
        return None
    return ProviderName(*parts)


def attribute_path(reader: BlockReader, value: Raw, path: KeyPath) -> KeyPath | None:
    """A path inside a resource, such as `tags["Name"]` or `ingress[0].port`, as its steps."""
    text = bare(value) if value.__class__ is str else ""
    if _STATIC.fullmatch(text) is None:
        reader.wrong(
            "Invalid attribute path",
            f"The name of an attribute is needed here, not {kind_of(value)}."
            if value.__class__ is not str
            else "The name of an attribute is needed here, with constant keys only.",
            *path,
            remedy='Write a path such as tags, tags["Name"] or ingress[0].port.',
        )
        return None
    steps: list[str | int] = []
    for name, dotted, index, key in _STEP.findall(text):
        if name:
            steps.append(name)
        elif dotted or index:
            steps.append(int(dotted or index))
        else:
            steps.append(BracketKey(re.sub(r"\\(.)", r"\1", key)))
    return tuple(steps)


def target(reader: BlockReader, name: str) -> Target | None:
    """The address of a module, resource or resource instance under a required property."""
    value = reader.required(name)
    if value.__class__ is not str:
        if value is None or value.__class__ in (bool, int, float, dict, list):
            reader.wrong("Invalid address", f'"{name}" must be an address such as aws_vpc.main.', name)
        return None
    text = bare(value)
    first = re.split(r"[.\[]", text, maxsplit=1)[0]
    if first in _RESERVED:
        reader.wrong(
            "Invalid address",
            f'"{first}" is a reserved word and no type of resource.',
            name,
            remedy="Write the address of a resource or module, such as aws_vpc.main or module.net.",
        )
        return None
    try:
        return parse_target(text.removeprefix("resource."))
    except DiagnosticsError as failure:
        for diagnostic in failure.diagnostics:
            reader.wrong(diagnostic.summary, diagnostic.detail, name, remedy=diagnostic.remedy)
        return None


def wrapped(value: Any) -> Any:
    """An expression that may stand without `${}`, always with them."""
    return "${" + bare(value) + "}" if value.__class__ is str else value
