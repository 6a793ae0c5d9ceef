"""What calls of modules ask for, and who answers: the words that the resolver and its catalogues share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from iacengine.foundation.diagnostics import Position, SourceRange, failure
from iacengine.modules.constraint import ANY, Constraint, parse_constraint
from iacengine.modules.model import ModuleAddress, ModuleSource, SourceKind
from iacengine.modules.source import parse_source, without_secrets
from iacengine.modules.version import Version


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands: a file as the user would write it (or as the package has it), and the call's name.

    `line` and `column` count from 1.
    """

    path: str
    line: int = 1
    column: int = 1
    call: str = ""

    @property
    def range(self) -> SourceRange:
        start = Position(self.line, self.column)
        return SourceRange(self.path, start, start)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class FixedPackage:
    """A package that has no versions to choose from: a git repository at a ref, an archive, an absolute directory."""

    kind: str
    location: str
    reference: str = ""

    def __str__(self) -> str:
        prefix = "git::" if self.kind == SourceKind.GIT.value else ""
        suffix = f"?ref={self.reference}" if prefix and self.reference else ""
        return without_secrets(f"{prefix}{self.location}{suffix}")


Package = ModuleAddress | FixedPackage
"""What is resolved, downloaded and locked as one. Directories inside it (`//…`) share its version."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A call of a module from elsewhere: which package, which versions of it, and where that is written."""

    package: Package
    constraint: Constraint = ANY
    place: Place | None = None

    def __str__(self) -> str:
        text = str(self.constraint)
        return f'{self.package} "{self.constraint.text.strip()}"' if text else str(self.package)


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A version that a registry has. `yanked`: it is no longer to be chosen, for the reason `reason`."""

    version: Version
    yanked: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Selected:
    """A package at a version (None for a fixed one)."""

    package: Package
    version: Version | None = None

    def __str__(self) -> str:
        return f"{self.package} {self.version}" if self.version is not None else str(self.package)


class Catalogue(Protocol):
    """Who knows versions and dependencies: a registry, a cache, or a lock. Asked lazily, and for nothing twice."""

    def versions(self, address: ModuleAddress) -> Sequence[VersionInfo]:
        """Every version, in any order; empty when there is no such module. Raises DiagnosticsError."""
        ...

    def dependencies(self, selected: Selected) -> Sequence[Requirement]:
        """What the package calls from elsewhere, its own directories' calls included. Raises DiagnosticsError."""
        ...

    def announce(self, addresses: Sequence[ModuleAddress], selections: Sequence[Selected]) -> None:
        """Versions and dependencies that will probably be asked for next: a network fetches them all at once."""
        ...


def package_of(source: ModuleSource, default_host: str = "") -> Package:
    """The package that a source leads to. Addresses without a host are those of `default_host`.

    A relative path is part of the package that holds the call: it has none of its own. Raises ValueError for it.
    """
    if source.address is not None:
        return source.address if source.address.host else replace(source.address, host=default_host)
    if source.kind is SourceKind.LOCAL and not source.location.startswith("/"):
        raise ValueError(f"{source.location} belongs to the package of its caller")
    return FixedPackage(source.kind.value, source.location, source.reference)


def requirement(source: str, constraint: str = "", place: Place | None = None, default_host: str = "") -> Requirement:
    """The requirement of a call as it is written. Raises DiagnosticsError for what cannot be read."""
    parsed = parse_source(source)
    if constraint and parsed.kind is not SourceKind.REGISTRY:
        raise failure(
            "Only modules of a registry have versions",
            f'"{without_secrets(source)}" is what it is, so there is nothing to choose from.',
            remedy='Remove "version"' + (", and name a tag with ?ref=." if parsed.kind is SourceKind.GIT else "."),
        )
    return Requirement(package_of(parsed, default_host), parse_constraint(constraint), place)
