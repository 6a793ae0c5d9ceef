"""Questions about what is locked: who requires what, what is newer, what the tree looks like."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from iacengine.foundation.diagnostics import failure, near_match
from iacengine.modules.calls import calls_of
from iacengine.modules.install import Modules
from iacengine.modules.locked import lock_source
from iacengine.modules.model import LockedModule, ModuleAddress
from iacengine.modules.requirement import Package, Place, Requirement, Selected
from iacengine.modules.resolution import Chain, Resolution, ResolvedCall
from iacengine.modules.version import Version, version_or_none


@dataclass(frozen=True, slots=True)
class Outdated:
    """A module of which there are newer versions. `wanted` is the newest that every constraint in `constraints`
    accepts, `latest` the newest of all; "" when there is none. `yanked`: why the locked one should not be used."""

    source: str
    version: str
    wanted: str
    latest: str
    constraints: tuple[str, ...] = ()
    yanked: str | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A call, what it gets, and what that calls. `is_repeated`: the calls were shown above already."""

    call: ResolvedCall
    locked: LockedModule | None
    below: tuple[Branch, ...] = ()
    is_repeated: bool = False


def locked_resolution(modules: Modules) -> Resolution:
    """The resolution that the lock file holds. `modules` are frozen. Raises DiagnosticsError when it does not hold all
    that the stack calls."""
    resolution = modules.install().resolution
    assert resolution is not None, "it is made by installing"
    return resolution


def packages_named(resolution: Resolution, name: str) -> tuple[Package, ...]:
    """The packages that a name stands for: an address, its last parts, or a source. Raises DiagnosticsError."""
    packages = list(dict.fromkeys(selected.package for selected in resolution.modules))
    found = tuple(package for package in packages if name in names_of(package))
    if found:
        return found
    known = [known for package in packages for known in names_of(package)]
    near = near_match(name, known)
    raise failure(
        "No such module",
        f'The stack uses no module "{name}".',
        remedy=f'Did you mean "{near}"?' if near else "`iac module tree` shows all that it uses.",
    )


def names_of(package: Package) -> tuple[str, ...]:
    """What a package may be called: its source, its address with and without host, its name."""
    if not isinstance(package, ModuleAddress):
        return (lock_source(package), str(package))
    short = f"{package.namespace}/{package.name}"
    return (str(package), str(replace(package, host="")), short, package.name)


def reasons(modules: Modules, resolution: Resolution, package: Package) -> tuple[Chain, ...]:
    """Why a package is used: the chains of calls that lead to it, each with its place."""
    return tuple(_placed(modules, chain) for chain in resolution.chains(package))


def _placed(modules: Modules, chain: Chain) -> Chain:
    found = [chain[0]]
    for above, call in pairwise(chain):
        place = call.requirement.place or _place(modules, above.selected, call.requirement)
        found.append(ResolvedCall(replace(call.requirement, place=place), call.selected))
    return tuple(found)


def _place(modules: Modules, above: Selected, required: Requirement) -> Place | None:
    """Where a package writes a call: its path begins with the package."""
    locked = modules.locked_as(above)
    if locked is None or not modules.cache.has(locked.digest):
        return None
    folder = modules.cache.path(locked.digest)
    host = above.package.host if isinstance(above.package, ModuleAddress) else ""
    for call in calls_of(folder):
        if call.constraint == required.constraint.text and modules.package(call.source, host) == required.package:
            return replace(call.place, path=posixpath.relpath(call.place.path, folder))
    return None


def outdated(modules: Modules, resolution: Resolution) -> tuple[Outdated, ...]:
    """The modules of registries that have newer versions, or whose locked version was yanked. Raises
    DiagnosticsError when a registry cannot be asked."""
    found: list[Outdated] = []
    calls: dict[Selected, list[Requirement]] = {}
    for call in resolution.every_call():
        calls.setdefault(call.selected, []).append(call.requirement)
    for selected in resolution.modules:
        package, version = selected.package, selected.version
        if not isinstance(package, ModuleAddress) or version is None:
            continue
        offers = {known: one for one in modules.offers(package) if (known := version_or_none(one.version)) is not None}
        good = sorted(known for known, one in offers.items() if not one.yanked)
        required = calls.get(selected, [])
        wanted = [known for known in good if all(one.constraint.accepts(known) for one in required)]
        latest = [known for known in good if not known.prerelease] or good
        own = offers.get(version)
        yanked = own.yank_reason if own is not None and own.yanked else None
        is_newer = bool(latest and latest[-1] > version) or bool(wanted and wanted[-1] > version)
        if is_newer or (own is not None and own.yanked):
            texts = tuple(dict.fromkeys(text for one in required if (text := one.constraint.text.strip())))
            found.append(Outdated(str(package), str(version), _last(wanted), _last(latest), texts, yanked))
    return tuple(found)


def _last(versions: Sequence[Version]) -> str:
    return str(versions[-1]) if versions else ""


def tree(modules: Modules, resolution: Resolution) -> tuple[Branch, ...]:
    """The calls of the stack, each with all below it; what was shown once is not shown again."""
    shown: set[Selected] = set()

    def branch(call: ResolvedCall) -> Branch:
        below = resolution.modules[call.selected].calls
        locked = modules.locked_as(call.selected)
        if call.selected in shown:
            return Branch(call, locked, is_repeated=bool(below))
        shown.add(call.selected)
        return Branch(call, locked, tuple(branch(one) for one in below))

    return tuple(branch(call) for call in resolution.calls)
