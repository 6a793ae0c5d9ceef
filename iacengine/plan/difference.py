"""How the objects of a state differ from those of another, which it is to become again. No I/O here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
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
    identify = _identities(now, target)
    there = {identify(found): found for found in _managed(now.objects.values())}
    stays = {key for key in now.objects if key[0] in skipped}
    missing: list[ResourceObject] = []
    kept: list[tuple[ResourceObject, ResourceObject]] = []
    for wanted in _managed(target.objects.values()):
        found = there.get(identify(wanted))
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
    return _by_key(found)


def _identities(*states: State) -> Callable[[ResourceObject], Identity]:
    """What tells an object of these states from all others: its key, where some state has two of one identity."""
    twice: set[Identity] = set()
    for state in states:
        counted = Counter(map(identity, _managed(state.objects.values())))
        twice.update(each for each, count in counted.items() if count > 1)
    if not twice:
        return identity
    return lambda found: _by_key(found) if identity(found) in twice else identity(found)


def _by_key(found: ResourceObject) -> Identity:
    return ("key", str(found.address), found.deposed)


def target_of(state: State) -> State:
    """The state that the pending rollback of a state leads back to; the state itself where it has none."""
    pending = state.pending_rollback
    if pending is None:
        return state
    target = state.with_objects(pending.changes)
    return replace(target, outputs=pending.outputs, checks=pending.checks, pending_rollback=None)


def leading_back(pending: PendingRollback, state: State, target: State) -> PendingRollback:
    """The pending rollback, as it stands in `state` so that it leads to `target`."""
    changes: dict[ObjectKey, ResourceObject | None] = {key: None for key in state.objects if key not in target.objects}
    changes |= {key: wanted for key, wanted in target.objects.items() if state.objects.get(key) is not wanted}
    return replace(pending, changes=changes, outputs=target.outputs, checks=target.checks)


def target_before(stored: State, prepared: State, moves: Iterable[tuple[ResourceInstance, ResourceInstance]]) -> State:
    """The state that undoing a run leads back to, which began with `stored` and made `prepared` of it before its first
    step: what planning found out stays, what it moved or put aside is where it was. What was to be undone already is
    told by the keys that objects had before this run. `moves`: addresses (from, to)."""
    return target_of(_with_keys_taken_back(prepared, _moved_keys(stored, prepared, moves)))


def _moved_keys(
    before: State, prepared: State, moves: Iterable[tuple[ResourceInstance, ResourceInstance]]
) -> dict[ObjectKey, ObjectKey]:
    """Where the objects were that a plan has moved or put aside before its first step: keys of `prepared`, and those of
    the same objects in `before`. `moves`: addresses (from, to), for objects that nothing identifies but these."""
    back_to = {moved: source for source, moved in moves}
    identify = _identities(before, prepared)
    was = {identify(found): found.key for found in _managed(before.objects.values())}
    found_keys: dict[ObjectKey, ObjectKey] = {}
    for found in _managed(prepared.objects.values()):
        source = back_to.get(found.address, found.address)
        key = was.get(identify(found), (source, found.deposed))
        if key != found.key:
            found_keys[found.key] = key
    return found_keys


def _with_keys_taken_back(state: State, moved: Mapping[ObjectKey, ObjectKey]) -> State:
    """The state with objects under the keys that they had; but for those in whose place another one is now, which was
    found there and is not to be lost."""
    if not moved:
        return state
    objects = {key: found for key, found in state.objects.items() if key not in moved}
    for key, back in moved.items():
        address, deposed = back if back not in objects else key
        objects[address, deposed] = replace(state.objects[key], address=address, deposed=deposed)
    return replace(state, objects=objects)


def _managed(objects: Iterable[ResourceObject]) -> list[ResourceObject]:
    found = [each for each in objects if each.address.resource.mode is Mode.MANAGED]
    return sorted(found, key=lambda each: (each.address.sort_key, each.deposed))
