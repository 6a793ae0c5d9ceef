"""How the objects of a state differ from those that it is to have again. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from iacengine.addresses import Mode, ResourceInstance
from iacengine.state.identity import matched
from iacengine.state.model import ObjectKey, ResourceObject, State


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """Managed objects. `kept`: wanted ones with what is there for them, perhaps under another key. `missing`: wanted,
    and not there; perhaps only forgotten. `destroyed`: wanted, and known to be gone. `superfluous`: there, and not
    wanted. `forgotten`: there, and to be taken out of the state as they are. `blocked`: wanted in the place of another
    that is to stay as it is, and left where they are."""

    kept: tuple[tuple[ResourceObject, ResourceObject], ...] = ()
    missing: tuple[ResourceObject, ...] = ()
    destroyed: tuple[ResourceObject, ...] = ()
    superfluous: tuple[ResourceObject, ...] = ()
    forgotten: tuple[ResourceObject, ...] = ()
    blocked: tuple[ResourceObject, ...] = ()


def difference(now: State, target: State) -> Difference:
    """What differs, objects being known again by what they are and not by their address."""
    there = managed(now.objects.values())
    pairs = same_objects(managed(target.objects.values()), there)
    kept = tuple((wanted, same) for wanted, same in pairs if same is not None)
    used = {same.key for _, same in kept}
    left = [each for each in there if each.key not in used]
    taken_up = set(taken_up_by(now))
    return Difference(
        kept,
        missing=tuple(wanted for wanted, same in pairs if same is None and not wanted.deposed),
        superfluous=tuple(each for each in left if each.key not in taken_up),
        forgotten=tuple(each for each in left if each.key in taken_up),
    )


def same_objects(
    wanted: Iterable[ResourceObject], there: Iterable[ResourceObject]
) -> list[tuple[ResourceObject, ResourceObject | None]]:
    """Objects, each with that of `there` which is the same one."""
    listed = list(wanted)
    by_key = {each.key: each for each in there}
    found = matched([each.identity for each in listed], [each.identity for each in by_key.values()])
    pairs = [(each, found.get(each.identity)) for each in listed]
    return [(each, by_key[same.key] if same is not None else None) for each, same in pairs]


def taken_up_by(state: State) -> tuple[ObjectKey, ...]:
    """What is in a state only because a run that is still to be undone had imported it, or found it again. What was
    made in place of that, perhaps under the same id, is not."""
    pending = state.pending_rollback
    if pending is None or not pending.taken_up:
        return ()
    found = matched(pending.taken_up, (each.identity for each in state.objects.values()))
    return tuple(same.key for each, same in found.items() if each.token == same.token)


def managed(objects: Iterable[ResourceObject]) -> list[ResourceObject]:
    found = [each for each in objects if each.address.resource.mode is Mode.MANAGED]
    return sorted(found, key=lambda each: (each.address.sort_key, each.deposed))


def placed(found: ResourceObject, address: ResourceInstance, deposed: str) -> ResourceObject:
    """The object under another key."""
    return found if found.key == (address, deposed) else replace(found, address=address, deposed=deposed)
