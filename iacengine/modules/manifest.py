"""`iacengine-module.json`: what a package says of itself, at the root of its files.

    {"address": "acme/network/aws", "dependencies": [{"constraint": "~> 1.2", "source": "acme/subnet/aws"}],
     "description": "…", "format": 1, "source_revision": "…", "tags": ["…"], "version": "1.4.0"}

All but `format`, `address` and `version` may be left out. A field that is not known is refused: it might matter.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from iacengine.modules.limits import LIMITS, Limits
from iacengine.modules.model import Dependency, Manifest, ModuleAddress
from iacengine.modules.package_error import PackageError, PackageFault
from iacengine.modules.strict_json import fields, parse_strictly

MANIFEST_NAME: Final = "iacengine-module.json"
FORMAT: Final = 1
_MOST_ITEMS = 1000
_MOST_TEXT = 4096  # characters of the description

# https://developer.hashicorp.com/terraform/internals/module-registry-protocol, the names that Terraform accepts
_LABEL = r"[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?"
_HOST = r"[0-9A-Za-z](?:[0-9A-Za-z.-]{0,251}[0-9A-Za-z])?(?::[0-9]{1,5})?"
_ADDRESS = re.compile(rf"(?:({_HOST})/)?({_LABEL})/({_LABEL})/([0-9a-z]{{1,64}})", re.ASCII)
# https://semver.org/spec/v2.0.0.html, its regular expression
_VERSION = re.compile(
    r"(?:0|[1-9][0-9]{0,17})\.(?:0|[1-9][0-9]{0,17})\.(?:0|[1-9][0-9]{0,17})"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)


def plain_address(text: str) -> ModuleAddress:
    """The address in a document, as `[HOST/]NAMESPACE/NAME/SYSTEM`. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no address such as acme/network/aws")
    return ModuleAddress(match[1] or "", match[2], match[3], match[4])


def plain_version(text: str) -> str:
    """The version in a document. Raises ValueError unless it is one of Semantic Versioning."""
    if len(text) > 128 or not _VERSION.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no version such as 1.4.0")
    return text


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as text that people can read; the same manifest is the same bytes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "address": str(manifest.address),
        "version": manifest.version,
        "description": manifest.description,
        "tags": list(manifest.tags),
        "dependencies": [{"source": one.source, "constraint": one.constraint} for one in manifest.dependencies],
        "source_revision": manifest.source_revision,
    }
    kept = {name: value for name, value in document.items() if value or name == "format"}
    text = json.dumps(kept, sort_keys=True, indent=2, ensure_ascii=False)
    return text.encode("utf-8") + b"\n"


def decode_manifest(data: bytes, limits: Limits = LIMITS) -> Manifest:
    """The manifest of a package. Raises PackageError."""
    if len(data) > limits.manifest_bytes:
        raise PackageError(
            PackageFault.MANIFEST_TOO_LARGE,
            "A manifest that is too large",
            f"{MANIFEST_NAME} is larger than {limits.manifest_bytes:,} bytes.",
        )
    try:
        return _manifest(parse_strictly(data, limits.manifest_bytes))
    except ValueError as problem:
        raise PackageError(
            PackageFault.BAD_MANIFEST, "A manifest that cannot be read", f"{MANIFEST_NAME}: {problem}."
        ) from None


def _manifest(document: Any) -> Manifest:
    found = fields(
        document,
        "the manifest",
        {"format": int, "address": str, "version": str},
        {"description": str, "tags": list, "dependencies": list, "source_revision": str},
    )
    if found["format"] != FORMAT:
        raise ValueError(f"its format is {found['format']}, of which this version of iacengine knows {FORMAT} alone")
    if len(found.get("description", "")) > _MOST_TEXT:
        raise ValueError(f"its description has more than {_MOST_TEXT} characters")
    tags = found.get("tags", [])
    dependencies = found.get("dependencies", [])
    if len(tags) > _MOST_ITEMS or len(dependencies) > _MOST_ITEMS:
        raise ValueError(f"it has more than {_MOST_ITEMS} tags or dependencies")
    if not all(isinstance(tag, str) and 0 < len(tag) <= 64 for tag in tags):
        raise ValueError("a tag is a string of at most 64 characters")
    if len(found.get("source_revision", "")) > 128:
        raise ValueError("its source revision has more than 128 characters")
    return Manifest(
        address=plain_address(found["address"]),
        version=plain_version(found["version"]),
        description=found.get("description", ""),
        tags=tuple(tags),
        dependencies=tuple(_dependency(one) for one in dependencies),
        source_revision=found.get("source_revision", ""),
    )


def _dependency(document: Any) -> Dependency:
    found = fields(document, "a dependency", {"source": str}, {"constraint": str})
    if not 0 < len(found["source"]) <= 1024 or len(found.get("constraint", "")) > 256:
        raise ValueError("a dependency's source or constraint is empty or too long")
    return Dependency(found["source"], found.get("constraint", ""))
