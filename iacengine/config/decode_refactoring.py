"""`moved`, `removed`, `import` and `check` blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from iacengine.addresses import Mode, key_text, parse_target
from iacengine.config.block_reader import COMMENT, MISSING, NAME_RULE, BlockReader, is_name, kind_of, labelled
from iacengine.config.decode_condition import conditions
from iacengine.config.decode_reference import bare, provider_name, target
from iacengine.config.decode_resource import decode_resource
from iacengine.config.fragment import Fragment
from iacengine.config.model import Check, Import, KeyPath, Moved, Origin, Raw, Removed, ResourceBlock, SourceFile
from iacengine.config.source import place_text
from iacengine.foundation.diagnostics import DiagnosticsError, Findings

_INDEX = re.compile(r"\[[^\]\[]*\]")


def unlabelled(value: Raw, file: SourceFile, path: KeyPath, findings: Findings) -> Iterator[BlockReader]:
    """Readers of blocks without labels: an object, or a list of them."""
    for _, body, inner in labelled(value, file, path, (), findings):
        yield BlockReader(body, Origin(file, inner), f"{path[-1]} block", findings)


def decode_moved(value: Raw, file: SourceFile, path: KeyPath, fragment: Fragment, findings: Findings) -> None:
    for reader in unlabelled(value, file, path, findings):
        source, destination = target(reader, "from"), target(reader, "to")
        reader.finish(("from", "to"))
        if source is None or destination is None:
            continue
        if (source.resource is None) != (destination.resource is None):
            reader.wrong(
                "A resource cannot move to a module",
                f'"from" and "to" must both be resources or both modules: {source} and {destination} are not.',
                "to",
                remedy="To move a resource into a module, write its address there: module.NAME.TYPE.NAME.",
            )
        elif (
            source.resource is not None
            and destination.resource is not None
            and source.resource.mode is not destination.resource.mode
        ):
            reader.wrong(
                "A move between kinds of objects",
                f"{source} and {destination} are not both resources, or both data sources.",
                "to",
            )
        else:
            fragment.moved.append(Moved(source, destination, reader.origin))


def decode_removed(value: Raw, file: SourceFile, path: KeyPath, fragment: Fragment, findings: Findings) -> None:
    for reader in unlabelled(value, file, path, findings):
        source = target(reader, "from")
        lifecycle = reader.single("lifecycle")
        destroy = True
        if lifecycle is not None:
            inner = reader.inner(*lifecycle, "lifecycle block")
            destroy = inner.boolean("destroy", True)
            inner.finish(("destroy",))
        reader.finish(("from", "lifecycle"))
        if source is None:
            continue
        keys = [key for _, key in source.module.steps if key is not None]
        if source.keyed or keys:
            reader.wrong(
                "Instance keys not allowed",
                f"A removed block names a whole resource or module, not the instance {source}.",
                "from",
                remedy=f"Remove {key_text(source.key if source.key is not None else keys[0])}.",
            )
        elif source.resource is not None and source.resource.mode is not Mode.MANAGED:
            reader.wrong(
                "Only resources are removed", "A data source has nothing to destroy: removing its block is all.", "from"
            )
        else:
            fragment.removed.append(Removed(source, destroy, reader.origin))


def decode_import(value: Raw, file: SourceFile, path: KeyPath, fragment: Fragment, findings: Findings) -> None:
    for reader in unlabelled(value, file, path, findings):
        to = reader.required("to")
        identity = reader.required("id", remedy="The id is what the provider knows the object by.")
        for_each = reader.take("for_each", MISSING)
        named = reader.take("provider", MISSING)
        provider = None if named is MISSING else provider_name(reader, named, ("provider",))
        reader.finish(("to", "id", "for_each", "provider"))
        if to is MISSING or identity is MISSING or not _importable(reader, to):
            continue
        has_for_each = for_each is not MISSING
        fragment.imports.append(
            Import(bare(to), identity, reader.origin, for_each if has_for_each else None, has_for_each, provider)
        )


def _importable(reader: BlockReader, to: Raw) -> bool:
    if to.__class__ is not str:
        reader.wrong("Invalid address", f'"to" must be the address of a resource, not {kind_of(to)}.', "to")
        return False
    # Keys may be expressions such as each.key, so that only what is around them can be looked at here.
    try:
        found = parse_target(_INDEX.sub("", bare(to)))
    except DiagnosticsError as failure:
        diagnostic = failure.diagnostics[0]
        reader.wrong(diagnostic.summary, diagnostic.detail, "to", remedy=diagnostic.remedy)
        return False
    if found.resource is None or found.resource.mode is not Mode.MANAGED:
        reader.wrong(
            "Only resources can be imported",
            f"{bare(to)} is no resource.",
            "to",
            remedy="Write the address of a resource block, such as aws_vpc.main.",
        )
        return False
    return True


def decode_check(name: str, body: Raw, origin: Origin, fragment: Fragment, findings: Findings) -> None:
    reader = BlockReader(body, origin, f'check "{name}"', findings)
    if not is_name(name):
        reader.wrong("Invalid check name", NAME_RULE, key=True)
    asserted = "assert" in reader.left
    assertions = conditions(reader, "assert")
    data = _scoped_data(reader)
    reader.finish(("assert", "data"))
    if not assertions and not asserted:
        reader.wrong(
            "A check without assertions",
            "A check block needs at least one assert block.",
            key=True,
            remedy="Add assert: {condition: …, error_message: …}.",
        )
    fragment.checks.append(Check(name, assertions, data, origin))


def _scoped_data(reader: BlockReader) -> ResourceBlock | None:
    value = reader.take("data")
    if value is None:
        return None
    path = (*reader.origin.path, "data")
    found: list[ResourceBlock] = []
    for (type_, name), body, inner in labelled(value, reader.origin.file, path, ("type", "name"), reader.findings):
        if name == COMMENT:
            continue
        origin = Origin(reader.origin.file, inner)
        found.append(decode_resource(Mode.DATA, type_, name, body, origin, reader.findings))
    if len(found) > 1:
        reader.wrong(
            "Several data sources in a check",
            f"A check block has at most one; the first one is at {place_text(found[0].origin)}.",
            *found[1].origin.path[len(reader.origin.path) :],
            key=True,
        )
    return found[0] if found else None
