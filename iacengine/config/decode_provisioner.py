"""`provisioner` and `connection` blocks of a resource.

In Terraform's JSON syntax a provisioner's type is a label: an object of type to body (or bodies), or a list of such
objects, which keeps the order among different types.
"""

from __future__ import annotations

from iacengine.config.block_reader import MISSING, BlockReader, did_you_mean, labelled
from iacengine.config.decode_reference import bare
from iacengine.config.model import Connection, Provisioner, Raw
from iacengine.config.provisioner_schemas import PROVISIONERS

_WHEN = ("create", "destroy")
_ON_FAILURE = ("continue", "fail")


def decode_connection(reader: BlockReader) -> Connection | None:
    """The `connection` block of a resource or a provisioner, taken from it."""
    found = reader.single("connection")
    if found is None:
        return None
    body, path = found
    return Connection(body, reader.origin.at(*path))


def decode_provisioners(reader: BlockReader) -> tuple[Provisioner, ...]:
    """The `provisioner` blocks of a resource, in the order they run, taken from it."""
    raw: Raw = reader.take("provisioner", MISSING)
    if raw is MISSING or raw is None:
        return ()
    found: list[Provisioner] = []
    path = (*reader.origin.path, "provisioner")
    for (type_,), body, place in labelled(raw, reader.origin.file, path, ("type",), reader.findings):
        inner = reader.inner(body, place[len(reader.origin.path) :], "provisioner block")
        if type_ not in PROVISIONERS:
            inner.wrong(
                f'Unknown provisioner "{type_}"',
                f"The types of provisioners are {', '.join(PROVISIONERS)}.",
                key=True,
                remedy=did_you_mean(type_, PROVISIONERS)
                or "Run the tool with local-exec, or put its result into an image.",
            )
            continue
        when = _keyword(inner, "when", _WHEN)
        on_failure = _keyword(inner, "on_failure", _ON_FAILURE)
        connection = decode_connection(inner)
        left = dict(inner.left)
        escaped = left.pop("_", None)  # Terraform's way to say that an argument is no meta-argument
        if escaped.__class__ is dict:
            left |= escaped
        found.append(Provisioner(type_, left, inner.origin, when == "destroy", on_failure == "continue", connection))
    return tuple(found)


def _keyword(reader: BlockReader, name: str, known: tuple[str, ...]) -> str | None:
    value = reader.take(name, MISSING)
    if value is MISSING:
        return None
    word = bare(value) if value.__class__ is str else ""
    if word in known:
        return word
    reader.wrong(
        f'Invalid "{name}" keyword',
        f'The argument "{name}" is one of the words {" and ".join(known)}.',
        name,
        remedy=did_you_mean(word, known) or f"Write {name}: {known[-1]}, or leave it out.",
    )
    return None
