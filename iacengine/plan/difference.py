"""How the objects of a state differ from those of another, which it is to become again. No I/O here."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from iacengine.addresses import Mode, ResourceInstance
from iacengine.state.model import ObjectKey, PendingRollback, ResourceObject, State

Identity = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """`missing`: wanted, and not there. `kept`: wanted objects with what is there for them, perhaps under another key.
    `superfluous`: there, and not wanted."""

    missing: tuple[ResourceObject, ...]
    kept: tuple[tuple[ResourceObject, ResourceObject], ...]
    superfluous: tuple[ResourceObject, ...]


def difference(now: State, target: State, skipped: Container[ResourceInstance] = ()) -> Difference:
    """Compare the managed objects. Those at the addresses in `skipped` are left as they are.

    An object is known again by the token of its creation, else by its id, so that it is found under a new address too.
    """
    there = {identity(found): found for found in _managed(now.objects.values())}
    stays = {key for key in now.objects if key[0] in skipped}
    missing: list[ResourceObject] = []
    kept: list[tuple[ResourceObject, ResourceObject]] = []
    for wanted in _managed(target.objects.values()):
        found = there.get(identity(wanted))
        if found is not None and found.key not in stays:
            stays.add(found.key)
            if wanted.address not in skipped:
                kept.append((wanted, found))
        elif found is None and not wanted.deposed and wanted.address not in skipped:
            missing.append(wanted)
    superfluous = tuple(found for found in _managed(now.objects.values()) if found.key not in stays)
    return Difference(tuple(missing), tuple(kept), superfluous)


def identity(found: ResourceObject) -> Identity:
    """What tells an object from all others, whatever its address."""
    type_ = found.address.resource.type
    if found.token:
        return ("token", type_, found.token)
    id_ = found.attributes.get("id")
    if isinstance(id_, str) and id_:
        return ("id", found.provider, type_, id_)
    return ("key", str(found.address), found.deposed)


def target_of(pending: PendingRollback, before: State) -> State:
    """The state that a rollback leads back to: that before the run, with what planning found out, moves taken back."""
    target = before.with_objects(pending.changes)
    back = {moved: source for source, moved in pending.moves}
    if not back:
        return target
    objects: dict[ObjectKey, ResourceObject] = {}
    for found in target.objects.values():
        source = back.get(found.address)
        put_back = found if source is None else found.moved_to(source)
        objects[put_back.key] = put_back
    return replace(target, objects=objects)


def _managed(objects: Iterable[ResourceObject]) -> list[ResourceObject]:
    found = [each for each in objects if each.address.resource.mode is Mode.MANAGED]
    return sorted(found, key=lambda each: (each.address.sort_key, each.deposed))
