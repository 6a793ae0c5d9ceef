"""The `retries` of a `stack` block: how patient to be with a provider or a resource type."""

from __future__ import annotations

import re

from iacengine.config.block_reader import BlockReader, is_name, kind_of
from iacengine.config.model import Raw, RetryBlock
from iacengine.foundation.duration import DURATION_REMEDY, parse_duration

TIMES = ("first_wait", "longest_wait", "patience")
RETRIES = ("attempts", *TIMES, "errors")
_EXAMPLE = "Write retries: {aws: {attempts: 5, patience: 10m}, aws_iam_role: {errors: [NoSuchEntity]}}."
_MOST = 1000


def decode_retries(reader: BlockReader) -> list[RetryBlock]:
    """The entries; what is wrong with them is noted."""
    value = reader.take("retries")
    if value is None:
        return []
    if value.__class__ is not dict:
        reader.wrong("Wrong type", f'"retries" must be an object, not {kind_of(value)}.', "retries", remedy=_EXAMPLE)
        return []
    found = []
    for name, body in value.items():
        if name == "//":
            continue
        if not is_name(name):
            reader.wrong(
                "Invalid name",
                f'"{name}" is no name of a provider or a resource type.',
                "retries",
                name,
                key=True,
                remedy=_EXAMPLE,
            )
        elif body.__class__ is not dict:
            told = f'The retries of "{name}" are an object, not {kind_of(body)}.'
            reader.wrong("Wrong type", told, "retries", name, remedy=_EXAMPLE)
        else:
            found.append(_decode(reader.inner(body, ("retries", name), "retries block"), name))
    return found


def _decode(reader: BlockReader, name: str) -> RetryBlock:
    settings: dict[str, int | float | tuple[str, ...]] = {}
    attempts = reader.take("attempts")
    if attempts is not None:
        if attempts.__class__ is int and 1 <= attempts <= _MOST:
            settings["attempts"] = attempts
        else:
            reader.wrong(
                "Invalid attempts",
                f"It must be a whole number from 1 to {_MOST}: how often to try in all.",
                "attempts",
                remedy="Write 1 to try nothing again.",
            )
    for time in TIMES:
        said = reader.text(time)
        if said is not None:
            try:
                settings[time] = parse_duration(said)
            except ValueError as problem:
                reader.wrong(f"Invalid {time}", f"{problem}.", time, remedy=DURATION_REMEDY)
    errors = [_pattern(reader, item, index) for index, item in enumerate(reader.items("errors"))]
    if errors:
        settings["errors"] = tuple(pattern for pattern in errors if pattern is not None)
    reader.finish(RETRIES)
    return RetryBlock(name, settings, reader.origin)


def _pattern(reader: BlockReader, item: Raw, index: int) -> str | None:
    if item.__class__ is not str:
        reader.wrong("Wrong type", f"A pattern is a string, not {kind_of(item)}.", "errors", index)
        return None
    try:
        re.compile(item)
    except re.error as problem:
        reader.wrong(
            "Invalid pattern",
            f'"{item}" is no regular expression: {problem}.',
            "errors",
            index,
            remedy="Write a part of the error's text, with a backslash before . ( ) [ ] * + ? and the like.",
        )
        return None
    return str(item)
