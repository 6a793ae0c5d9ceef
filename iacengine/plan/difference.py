"""How the objects of a state differ from those of another, which it is to become again. No I/O here."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from iacengine.addresses import Mode, ResourceInstance
from iacengine.state.identity import matched
from iacengine.state.model import ResourceObject, State


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """`missing`: wanted, and not there. `kept`: wanted objects with what is there for them, perhaps under another key.
    `superfluous`: there, and not wanted. `blocked`: wanted in the place of one that is to stay; those stay as well."""

    missing: tuple[ResourceObject, ...]
    kept: tuple[tuple[ResourceObject, ResourceObject], ...]
    superfluous: tuple[ResourceObject, ...]
    blocked: tuple[ResourceObject, ...] = ()


def difference(now: State, target: State, skipped: Container[ResourceInstance] = ()) -> Difference:
    """Compare the managed objects. Those at the addresses in `skipped` are left as they are, wherever they are."""
    there = managed(now.objects.values())
    found = same_objects(managed(target.objects.values()), there)
    stays = {each.key for each in there if each.address in skipped}
    missing = []
    kept = []
    for wanted, same in found:
        if same is None:
            if not wanted.deposed and wanted.address not in skipped:
                missing.append(wanted)
        elif wanted.address in skipped:
            stays.add(same.key)
        elif same.key not in stays:
            kept.append((wanted, same))
    blocked = [wanted for wanted in missing if wanted.key in stays]
    missing = [wanted for wanted in missing if wanted.key not in stays]
    # Who cannot go to its place stays in that of another, perhaps.
    while held := [pair for pair in kept if pair[0].key in stays]:
        stays |= {same.key for _, same in held}
        blocked += [wanted for wanted, _ in held] + [wanted for wanted in missing if wanted.key in stays]
        missing = [wanted for wanted in missing if wanted.key not in stays]
        kept = [pair for pair in kept if pair not in held]
    used = stays | {same.key for _, same in kept}
    superfluous = tuple(each for each in there if each.key not in used)
    return Difference(tuple(missing), tuple(kept), superfluous, tuple(blocked))


def same_objects(
    wanted: Iterable[ResourceObject], there: Iterable[ResourceObject]
) -> list[tuple[ResourceObject, ResourceObject | None]]:
    """Objects, each with that of `there` which is the same one."""
    listed = list(wanted)
    by_key = {each.key: each for each in there}
    found = matched([each.identity for each in listed], [each.identity for each in by_key.values()])
    pairs = [(each, found.get(each.identity)) for each in listed]
    return [(each, by_key[same.key] if same is not None else None) for each, same in pairs]


def managed(objects: Iterable[ResourceObject]) -> list[ResourceObject]:
    found = [each for each in objects if each.address.resource.mode is Mode.MANAGED]
    return sorted(found, key=lambda each: (each.address.sort_key, each.deposed))


def placed(found: ResourceObject, address: ResourceInstance, deposed: str) -> ResourceObject:
    """The object under another key."""
    return found if found.key == (address, deposed) else replace(found, address=address, deposed=deposed)
