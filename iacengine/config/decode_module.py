"""`module` and `provider` blocks."""

from __future__ import annotations

from iacengine.config.block_reader import MISSING, NAME_RULE, BlockReader, is_name, kind_of
from iacengine.config.decode_reference import depends_on, provider_name
from iacengine.config.decode_resource import decode_repetition
from iacengine.config.fragment import Fragment
from iacengine.config.model import ModuleCall, Origin, ProviderBlock, ProviderName, Raw
from iacengine.config.source import locate
from iacengine.foundation.diagnostics import Findings, warning


def is_local(source: str) -> bool:
    """True for a module's source that is a path of this stack."""
    return source.startswith(("./", "../")) or source in (".", "..")


def decode_module(name: str, body: Raw, origin: Origin, fragment: Fragment, findings: Findings) -> None:
    reader = BlockReader(body, origin, f'module "{name}"', findings)
    if not is_name(name):
        reader.wrong("Invalid module name", NAME_RULE, key=True)
    source: str | None = None
    if reader.left.get("source", MISSING) is MISSING:
        reader.required("source", remedy="Say where the module is, such as ./modules/network.")
    else:
        source = reader.text("source")
    version = reader.text("version")
    if source == "":
        reader.wrong("Empty module source", "A module is found by its source.", "source")
        source = None
    if source is not None and version is not None and is_local(source):
        reader.wrong(
            "A local module has no version",
            f'"{source}" is a path of this stack, so there is nothing to choose from.',
            "version",
            key=True,
            remedy='Remove "version".',
        )
    if reader.take("lifecycle", MISSING) is not MISSING:
        reader.wrong('"lifecycle" does not apply to modules', "It belongs to resource blocks.", "lifecycle", key=True)
    repetition = decode_repetition(reader)
    dependencies = depends_on(reader)
    providers = _providers(reader)
    fragment.calls.append(
        ModuleCall(
            name=name,
            source=source or "",
            arguments=reader.left,
            origin=origin,
            version=version,
            repetition=repetition,
            depends_on=dependencies,
            providers=providers,
        )
    )


def _providers(reader: BlockReader) -> dict[str, ProviderName]:
    value = reader.take("providers", MISSING)
    if value is MISSING:
        return {}
    if value.__class__ is not dict:
        reader.wrong(
            "Wrong type",
            f'"providers" must be an object, not {kind_of(value)}.',
            "providers",
            remedy="Write the module's name of each provider and this module's, such as aws: aws.west.",
        )
        return {}
    found: dict[str, ProviderName] = {}
    for child, own in value.items():
        theirs = provider_name(reader, child, ("providers", child))
        ours = provider_name(reader, own, ("providers", child))
        if theirs is not None and ours is not None:
            found[str(theirs)] = ours
    return found


def decode_provider(name: str, body: Raw, origin: Origin, fragment: Fragment, findings: Findings) -> None:
    reader = BlockReader(body, origin, f'provider "{name}"', findings)
    if not is_name(name) or name.startswith("_"):
        reader.wrong("Invalid provider name", "It holds only letters, digits and dashes.", key=True)
    alias = reader.text("alias")
    if alias is not None and not is_name(alias):
        reader.wrong("Invalid alias", NAME_RULE, "alias")
        alias = None
    if "version" in reader.left:
        findings.add(
            warning(
                "A version in a provider block is ignored",
                "Versions of providers are chosen by required_providers.",
                remedy=f"Write it as stack.required_providers.{name}.version.",
            ).at(*locate(origin, ("version",), key=True))
        )
        reader.take("version")
    fragment.providers.append(ProviderBlock(ProviderName(name, alias), reader.left, origin))
