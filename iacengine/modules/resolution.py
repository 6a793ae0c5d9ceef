"""What was resolved: which call gets which version, and who calls whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iacengine.modules.requirement import Package, Requirement, Selected


@dataclass(frozen=True, slots=True)
class ResolvedCall:
    """A call, and what it gets."""

    requirement: Requirement
    selected: Selected


@dataclass(frozen=True, slots=True)
class ResolvedModule:
    """A package that is used at a version, and what it calls. `yanked` is the reason why nobody else should get it,
    or "": it was locked before."""

    selected: Selected
    calls: tuple[ResolvedCall, ...] = ()
    yanked: str = ""


Chain = tuple[ResolvedCall, ...]
"""Calls from the stack down to a package: each is in the package that the one before selected."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The whole tree: `calls` are those of the stack, `modules` everything used, ordered by
    package and version."""

    calls: tuple[ResolvedCall, ...] = ()
    modules: Mapping[Selected, ResolvedModule] = field(default_factory=dict)

    def choice(self, requirement: Requirement) -> Selected:
        """What a requirement gets, wherever it is written. Raises KeyError when nobody has it."""
        wanted = (requirement.package, str(requirement.constraint))
        for call in self.every_call():
            if (call.requirement.package, str(call.requirement.constraint)) == wanted:
                return call.selected
        raise KeyError(str(requirement))

    def every_call(self) -> tuple[ResolvedCall, ...]:
        """The stack's calls, then those of each module."""
        return (*self.calls, *(call for module in self.modules.values() for call in module.calls))

    def versions(self, package: Package) -> tuple[Selected, ...]:
        """What is used of a package, the oldest first."""
        return tuple(selected for selected in self.modules if selected.package == package)

    def several(self) -> tuple[Package, ...]:
        """The packages of which more than one version is used."""
        counted: dict[Package, int] = {}
        for selected in self.modules:
            counted[selected.package] = counted.get(selected.package, 0) + 1
        return tuple(package for package, count in counted.items() if count > 1)

    def chains(self, package: Package) -> tuple[Chain, ...]:
        """Who requires a package: for each call of it the shortest chain that leads there, the shortest first."""
        found: list[Chain] = []
        seen: set[Selected] = set()
        level: list[Chain] = [(call,) for call in self.calls]
        while level:
            following: list[Chain] = []
            for chain in level:
                selected = chain[-1].selected
                if selected.package == package:
                    found.append(chain)
                if selected not in seen:
                    seen.add(selected)
                    following += [(*chain, call) for call in self.modules[selected].calls]
            level = following
        return tuple(found)
