"""`resource`, `data` and `ephemeral` blocks, and the meta-arguments they share with `module` blocks."""

from __future__ import annotations

from collections.abc import Mapping

from iacengine.addresses import Mode, Resource
from iacengine.config.block_reader import COMMENT, MISSING, NAME_RULE, BlockReader, is_name, kind_of, name_remedy
from iacengine.config.decode_condition import conditions
from iacengine.config.decode_reference import attribute_path, depends_on, provider_name, static_reference, wrapped
from iacengine.config.model import (
    KeyPath,
    Lifecycle,
    Origin,
    ProviderName,
    Provisioner,
    Raw,
    Repetition,
    ResourceBlock,
)
from iacengine.foundation.diagnostics import Findings

META_ARGUMENTS = frozenset(
    ("count", "for_each", "depends_on", "provider", "lifecycle", "provisioner", "connection", COMMENT, "_")
)
_LIFECYCLE = (
    "create_before_destroy",
    "prevent_destroy",
    "protect",
    "ignore_changes",
    "replace_triggered_by",
    "precondition",
    "postcondition",
)
_MANAGED_ONLY = ("create_before_destroy", "prevent_destroy", "protect", "ignore_changes", "replace_triggered_by")
_NO_LIFECYCLE = Lifecycle()
_SINGLE = Repetition()


def decode_resource(
    mode: Mode, type_: str, name: str, body: Mapping[str, Raw], origin: Origin, findings: Findings
) -> ResourceBlock:
    address = Resource(mode, type_, name)
    if not (is_name(type_) and is_name(name)):
        _check_names(type_, name, origin, findings)
    if META_ARGUMENTS.isdisjoint(body):  # most blocks: nothing to read, nothing to copy
        return ResourceBlock(address, body, origin, _SINGLE, None, (), _NO_LIFECYCLE)
    reader = BlockReader(body, origin, f"{_KINDS[mode]} block", findings)
    repetition = decode_repetition(reader)
    provider = _provider(reader)
    dependencies = depends_on(reader)
    lifecycle = _lifecycle(reader, mode)
    if mode is not Mode.MANAGED:
        for name in ("provisioner", "connection"):
            if name in body:
                reader.wrong(
                    f'"{name}" does not apply here',
                    f"{_KINDS[mode].capitalize()} blocks make nothing; only resource blocks have provisioners.",
                    name,
                    key=True,
                    remedy="Remove it, or put it into a terraform_data resource.",
                )
    provisioners: tuple[Provisioner, ...] = ()
    connection = None
    if "provisioner" in body or "connection" in body:
        from iacengine.config.decode_provisioner import decode_connection, decode_provisioners  # lazy: few have them

        provisioners = decode_provisioners(reader)
        connection = decode_connection(reader)
    escaped = reader.take("_")  # Terraform's way to say that an argument is no meta-argument
    if escaped is not None and escaped.__class__ is not dict:
        reader.wrong("Wrong type", f'"_" must be an object of arguments, not {kind_of(escaped)}.', "_")
        escaped = None
    left = {**reader.left, **escaped} if escaped else reader.left
    return ResourceBlock(address, left, origin, repetition, provider, dependencies, lifecycle, provisioners, connection)


_KINDS = {Mode.MANAGED: "resource", Mode.DATA: "data", Mode.EPHEMERAL: "ephemeral"}


def _check_names(type_: str, name: str, origin: Origin, findings: Findings) -> None:
    reader = BlockReader({}, origin, "resource block", findings)
    if not is_name(type_):
        reader.wrong("Invalid resource type", f'"{type_}" is no type of resource. {NAME_RULE}', key=True)
    if not is_name(name):
        reader.wrong("Invalid resource name", NAME_RULE, key=True, remedy=name_remedy(name))


def decode_repetition(reader: BlockReader) -> Repetition:
    """`count` or `for_each`, taken from the block."""
    count = reader.take("count", MISSING)
    for_each = reader.take("for_each", MISSING)
    if count is MISSING and for_each is MISSING:
        return _SINGLE
    if count is not MISSING and for_each is not MISSING:
        reader.wrong(
            'Both "count" and "for_each"',
            "A block repeats either by number or by key.",
            "for_each",
            key=True,
            remedy='Remove one of them; "for_each" keeps its instances apart when the list changes in the middle.',
        )
    if for_each is not MISSING:
        return Repetition(for_each=for_each, has_for_each=True)
    return Repetition(count=count, has_count=True)


def _provider(reader: BlockReader) -> ProviderName | None:
    value = reader.take("provider", MISSING)
    return None if value is MISSING else provider_name(reader, value, ("provider",))


def _lifecycle(reader: BlockReader, mode: Mode) -> Lifecycle:
    found = reader.single("lifecycle")
    if found is None:
        return _NO_LIFECYCLE
    inner = reader.inner(*found, "lifecycle block")
    if mode is not Mode.MANAGED:
        for name in _MANAGED_ONLY:
            if name in inner.left:
                inner.wrong(
                    f'"{name}" does not apply here',
                    f"{_KINDS[mode].capitalize()} blocks manage nothing; only resource blocks have this argument.",
                    name,
                    key=True,
                    remedy="Remove it.",
                )
    lifecycle = Lifecycle(
        create_before_destroy=inner.boolean("create_before_destroy", None),
        prevent_destroy=inner.boolean("prevent_destroy"),
        protect=inner.boolean("protect", None),
        ignore_changes=_ignore_changes(inner),
        replace_triggered_by=_replace_triggered_by(inner),
        preconditions=conditions(inner, "precondition"),
        postconditions=conditions(inner, "postcondition"),
    )
    inner.finish(_LIFECYCLE)
    return lifecycle


def _ignore_changes(reader: BlockReader) -> tuple[KeyPath, ...] | None:
    if reader.left.get("ignore_changes") == "all":
        reader.take("ignore_changes")
        return None
    paths: list[KeyPath] = []
    for index, item in enumerate(reader.items("ignore_changes")):
        if item in ("*", "all"):
            reader.wrong(
                "Invalid ignore_changes",
                f'"{item}" cannot stand in a list.',
                "ignore_changes",
                index,
                remedy="Write ignore_changes: all to ignore changes to every attribute.",
            )
            continue
        path = attribute_path(reader, item, ("ignore_changes", index))
        if path is not None:
            paths.append(path)
    return tuple(paths)


def _replace_triggered_by(reader: BlockReader) -> tuple[Raw, ...]:
    """Kept as expressions, always inside `${}`: their index may use count.index and each.key."""
    found: list[Raw] = []
    for index, item in enumerate(reader.items("replace_triggered_by")):
        if item.__class__ is not str:
            static_reference(reader, item, ("replace_triggered_by", index))
        else:
            found.append(wrapped(item))
    return tuple(found)
