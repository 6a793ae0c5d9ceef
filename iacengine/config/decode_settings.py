"""The `stack` block, and `terraform`, its alias."""

from __future__ import annotations

import re

from iacengine.config.block_reader import BlockReader, did_you_mean, is_name, kind_of
from iacengine.config.decode_refactoring import unlabelled
from iacengine.config.decode_reference import bare
from iacengine.config.fragment import Fragment, Settings
from iacengine.config.model import BackendBlock, KeyPath, ProviderName, ProviderRequirement, Raw, SourceFile
from iacengine.foundation.diagnostics import Findings

ON_FAILURE = ("rollback", "pause", "continue")
_STACK = ("required_version", "required_providers", "backend", "on_failure", "encryption", "retries")
_TERRAFORM_ONLY = ("cloud", "experiments", "provider_meta")
_VERSION = r"v?\d+(?:\.\d+)*(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_CONSTRAINT = re.compile(rf"\s*(?:=|!=|>=|<=|>|<|~>)?\s*{_VERSION}\s*(?:,\s*(?:=|!=|>=|<=|>|<|~>)?\s*{_VERSION}\s*)*")
_SOURCE = re.compile(r"(?:(?:[\w.-]+(?::\d+)?/)?[\w.-]+/)?[\w-]+")


def decode_settings(value: Raw, file: SourceFile, path: KeyPath, fragment: Fragment, findings: Findings) -> None:
    for reader in unlabelled(value, file, path, findings):
        settings = Settings(reader.origin)
        version = reader.text("required_version")
        if version is not None and is_constraint(reader, version, "required_version") and path[-1] == "stack":
            # What a `terraform` block requires is a version of Terraform, which says nothing of this engine's.
            settings.required_version = version
        _requirements(reader, settings)
        settings.backend = _backend(reader)
        settings.on_failure = _on_failure(reader)
        if "encryption" in reader.left:
            from iacengine.config.decode_encryption import decode_encryption  # lazy: few stacks say how

            settings.encryption = decode_encryption(reader)
        if "retries" in reader.left:
            from iacengine.config.decode_retries import decode_retries  # lazy: few stacks have them

            settings.retries = decode_retries(reader)
        for name in _TERRAFORM_ONLY:
            if name in reader.left:
                reader.take(name)
                reader.wrong(
                    f'"{name}" is not supported',
                    "It belongs to Terraform's own services and experiments.",
                    name,
                    key=True,
                    remedy="Use a backend." if name == "cloud" else "Remove it.",
                )
        reader.finish(_STACK)
        fragment.settings.append(settings)


def is_constraint(reader: BlockReader, text: str, *path: str | int) -> bool:
    """True when the text is a version constraint such as `~> 1.2, < 1.5`; else a mistake is noted."""
    if _CONSTRAINT.fullmatch(text):
        return True
    reader.wrong(
        "Invalid version constraint",
        f'"{text}" is no version constraint.',
        *path,
        remedy='Write one such as "1.2.0", ">= 1.2" or "~> 1.2, != 1.2.5".',
    )
    return False


def _requirements(reader: BlockReader, settings: Settings) -> None:
    for body, path in reader.blocks("required_providers"):
        inner = reader.inner(body, path, "required_providers block")
        settings.providers_origin = inner.origin
        for name in tuple(inner.left):
            if not is_name(name) or name.startswith("_"):
                inner.wrong("Invalid provider name", "It holds only letters, digits and dashes.", name, key=True)
                continue
            requirement = _requirement(inner, name, inner.take(name))
            if requirement is not None:
                settings.required_providers.append(requirement)


def _requirement(reader: BlockReader, name: str, value: Raw) -> ProviderRequirement | None:
    origin = reader.origin.at(name)
    if value.__class__ is str:
        return ProviderRequirement(name, name, value if is_constraint(reader, value, name) else None, origin)
    if value.__class__ is not dict:
        reader.wrong(
            "Wrong type",
            f"An entry of required_providers is an object, not {kind_of(value)}.",
            name,
            remedy=f'Write {name}: {{source: "…", version: "…"}}.',
        )
        return None
    inner = reader.inner(value, (name,), "required_providers entry")
    source = inner.text("source")
    if source is not None and _SOURCE.fullmatch(source) is None:
        inner.wrong(
            "Invalid provider source",
            f'"{source}" is no source of a provider.',
            "source",
            remedy="Write an adapter's name such as aws, or an address such as hashicorp/aws.",
        )
        source = None
    version = inner.text("version")
    if version is not None and not is_constraint(inner, version, "version"):
        version = None
    aliases: list[ProviderName] = []
    for index, item in enumerate(inner.items("configuration_aliases")):
        parts = bare(item).split(".") if item.__class__ is str else []
        if len(parts) != 2 or parts[0] != name or not is_name(parts[1]):
            inner.wrong(
                "Invalid configuration alias",
                f"An alias of this provider is written {name}.ALIAS.",
                "configuration_aliases",
                index,
            )
        else:
            aliases.append(ProviderName(*parts))
    inner.finish(("source", "version", "configuration_aliases"))
    return ProviderRequirement(name, source or name, version, origin, tuple(aliases))


def _backend(reader: BlockReader) -> BackendBlock | None:
    value = reader.take("backend")
    if value is None:
        return None
    if value.__class__ is not dict or not value:
        reader.wrong(
            "Wrong type",
            f'"backend" must be an object whose key is the kind of backend, not {kind_of(value)}.',
            "backend",
            remedy="Write backend: {local: {path: state.json}}.",
        )
        return None
    kinds = [kind for kind in value if kind != "//"]
    if len(kinds) != 1:
        reader.wrong(
            "Several backends",
            f"Only one backend keeps the state: {', '.join(kinds)}.",
            "backend",
            kinds[1],
            key=True,
            remedy="Remove all but one.",
        )
    body = value[kinds[0]]
    if body.__class__ is list and len(body) == 1:
        body = body[0]
    if body is None:
        body = {}
    if body.__class__ is not dict:
        reader.wrong("Wrong type", f"A backend's settings are an object, not {kind_of(body)}.", "backend", kinds[0])
        return None
    return BackendBlock(
        kinds[0], {name: item for name, item in body.items() if name != "//"}, reader.origin.at("backend", kinds[0])
    )


def _on_failure(reader: BlockReader) -> str | None:
    value = reader.text("on_failure")
    if value is None or value in ON_FAILURE:
        return value
    reader.wrong(
        "Invalid on_failure",
        f'"{value}" is none of {", ".join(ON_FAILURE)}.',
        "on_failure",
        remedy=did_you_mean(value, ON_FAILURE) or "Leave it out for rollback.",
    )
    return None
