"""What modules from elsewhere are: where they come from, what a package holds, what is locked."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

DEFAULT_REGISTRY_VARIABLE = "IAC_REGISTRY"
"""The environment variable that names the registry of addresses without a host, such as `registry.example.org`."""


@dataclass(frozen=True, slots=True, order=True)
class ModuleAddress:
    """A module in a registry: `[HOST/]NAMESPACE/NAME/SYSTEM`, as in Terraform. `host` "" is the default registry."""

    host: str
    namespace: str
    name: str
    system: str

    def __str__(self) -> str:
        parts = (self.namespace, self.name, self.system)
        return "/".join((self.host, *parts) if self.host else parts)


class SourceKind(Enum):
    """Where a module call's `source` leads."""

    LOCAL = "local"
    REGISTRY = "registry"
    GIT = "git"
    ARCHIVE = "archive"
    """`http(s)://….tar.gz` or `.zip`."""
    S3 = "s3"

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A parsed `source`.

    `location`: the path, URL or address without the rest; `subdirectory` is what follows `//`; `reference` a git ref,
    or the checksum (`sha256:…`) that an archive must have, or ""; `address` that of a registry module, else None.
    `text` is as written.
    """

    kind: SourceKind
    text: str
    location: str
    subdirectory: str = ""
    reference: str = ""
    address: ModuleAddress | None = None


@dataclass(frozen=True, slots=True)
class Dependency:
    """A module call inside a package: what it asks for. `constraint` is as written ("" any)."""

    source: str
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says of itself, made from its files when it is packed (`iacengine-module.json` inside it).

    `dependencies` are the calls of modules from elsewhere. `source_revision`: the commit it was packed from, or "".
    """

    address: ModuleAddress
    version: str
    description: str = ""
    tags: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    source_revision: str = ""


@dataclass(frozen=True, slots=True)
class LockedModule:
    """One module in `iac.lock.yaml`: every load verifies `digest` (of the tree: `sha256:…`, see `package.tree_digest`).

    `key` names the module by source and version; `signers` are ids of the keys whose signatures were accepted
    (empty: unsigned, which the trust policy allowed). `time` is when it was locked (RFC 3339, UTC).
    """

    source: str
    version: str
    digest: str
    signers: tuple[str, ...] = ()
    time: str = ""
    reference: str = ""
    dependencies: tuple[Dependency, ...] = field(default_factory=tuple)
