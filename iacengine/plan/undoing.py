"""What undoing a run leads back to, and what the state remembers of that until it is done. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from iacengine.addresses import Mode, ResourceInstance
from iacengine.plan.difference import Difference, difference, managed, same_objects, taken_up_by
from iacengine.state.identity import matched
from iacengine.state.model import Identity, ObjectKey, PendingChange, PendingRollback, ResourceObject, State


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """A run that has ended: over the state `stored`, of which planning had made `prepared` before the first step, with
    `moves` of addresses (from, to). `settles`: it was to leave nothing to be undone; `undoes`: and when it failed,
    nothing that it had done. `committed`: its commit phase had begun, from which there is no way back. `destroyed`:
    what it has destroyed."""

    run: str
    stored: State
    prepared: State
    moves: tuple[tuple[ResourceInstance, ResourceInstance], ...]
    failed: bool
    committed: bool
    settles: bool
    undoes: bool
    destroyed: Sequence[Identity] = ()


@dataclass(frozen=True, slots=True, eq=False)
class WayBack:
    """Where the pending rollback of a state leads, and what differs from that."""

    target: State
    difference: Difference


# --- after a run ----------------------------------------------------------------------------------------------------


def left_to_undo(ending: Ending, state: State) -> PendingRollback | None:
    """What is still to be undone after a run, which led to `state`."""
    before = ending.stored.pending_rollback
    if ending.settles and (ending.committed or not ending.failed):
        return None
    undoes = ending.failed and ending.undoes and not ending.committed
    if before is not None:  # the way back leads to where the earlier run began
        pending = replace(before, paused=before.paused and not undoes)
    elif undoes:
        pending = PendingRollback(ending.run, ending.stored.serial or None)
    else:
        return None
    target, taken_up = _state_before(ending)
    pending = replace(pending, taken_up=(*pending.taken_up, *taken_up))
    return _leading_back(pending, state, target, ending.destroyed)


def _leading_back(
    pending: PendingRollback, state: State, target: State, destroyed: Iterable[Identity]
) -> PendingRollback:
    """The pending rollback, as it stands in `state` so that it leads to `target`. `destroyed`: since it was written."""
    found = difference(replace(state, pending_rollback=pending), target)
    earlier = [change.wanted.identity for change in pending.changes if change.wanted is not None and change.destroyed]
    gone = matched((wanted.identity for wanted in found.missing), (*earlier, *destroyed))
    left = {each.key: each for each in found.superfluous}
    at = {each.address: each.key for each in found.superfluous}  # what is put aside has another key
    changes = [PendingChange(there.identity, wanted) for wanted, there in found.kept if there is not wanted]
    for wanted in found.missing:
        if wanted.identity in gone:
            instead = left.pop(wanted.key if wanted.key in left else at.get(wanted.address, wanted.key), None)
            changes.append(PendingChange(instead.identity if instead else None, wanted, destroyed=True))
        else:
            changes.append(PendingChange(None, wanted))
    changes += [PendingChange(each.identity, None) for each in left.values()]
    for key in dict.fromkeys((*state.objects, *target.objects)):
        there, was = state.objects.get(key), target.objects.get(key)
        if key[0].resource.mode is Mode.DATA and there is not was:
            changes.append(PendingChange(there.identity if there is not None else None, was))
    return replace(pending, changes=tuple(changes), outputs=target.outputs, checks=target.checks)


def _state_before(ending: Ending) -> tuple[State, tuple[Identity, ...]]:
    """The state that undoing a run leads back to: what planning found out of objects stays, all that it changed in what
    is remembered of them does not. And what the run took up that was not in the state at all."""
    objects = {key: found for key, found in ending.stored.objects.items() if key[0].resource.mode is Mode.DATA}
    new: list[ResourceObject] = []
    for found, before in _with_origins(ending):
        if before is None:
            new.append(found)
        else:
            objects[before.key] = _as_read(found, before)
    target = way_back(replace(ending.prepared, objects=objects)).target
    # What was to be made again is wanted where it was; the rest was not there before.
    found_again = {each.key for each, same in same_objects(new, managed(target.objects.values())) if same is not None}
    taken_up = [each for each in new if each.key not in found_again]
    objects = {each.key: each for each in taken_up} | dict(target.objects)
    return replace(target, objects=objects), tuple(each.identity for each in taken_up)


def _as_read(found: ResourceObject, before: ResourceObject) -> ResourceObject:
    """An object as it was before, but for what was read of it since."""
    if (found.attributes, found.schema_version, found.private) == (
        before.attributes,
        before.schema_version,
        before.private,
    ):
        return before
    return replace(
        before,
        attributes=found.attributes,
        schema_version=found.schema_version,
        private=found.private,
        sensitive_paths=found.sensitive_paths,
    )


def _with_origins(ending: Ending) -> list[tuple[ResourceObject, ResourceObject | None]]:
    """The objects that a plan has prepared, each with what it was before."""
    back_to = {moved: source for source, moved in ending.moves}
    listed = managed(ending.prepared.objects.values())
    identities = [replace(each.identity, address=back_to.get(each.address, each.address)) for each in listed]
    before = {each.identity: each for each in managed(ending.stored.objects.values())}
    found = matched(identities, before)
    origins = (found.get(identity) for identity in identities)
    return [(each, before[was] if was is not None else None) for each, was in zip(listed, origins, strict=True)]


# --- the way back ---------------------------------------------------------------------------------------------------


def way_back(state: State) -> WayBack:
    """Where the pending rollback of a state leads; to the state itself where it has none.

    What the rollback does not speak of stays. What is to come to a place where something else has come meanwhile stays
    where it is as well.
    """
    pending = state.pending_rollback
    if pending is None:
        kept = tuple((each, each) for each in managed(state.objects.values()))
        return WayBack(state, Difference(kept))
    changes = _found(pending.changes, state)
    stays = _untouched(state, changes)
    changes, blocked, superfluous = _without_blocked(changes, stays)
    objects = stays | {change.wanted.key: change.wanted for change, _ in changes if change.wanted is not None}
    touched = {there.key for _, there in changes if there is not None}
    forgotten = []
    for key in taken_up_by(state):
        if key in touched:
            continue
        if key in objects:
            forgotten.append(state.objects[key])
        else:
            objects[key] = stays[key] = state.objects[key]
    kept_pairs = [(each, each) for each in stays.values()]
    missing, destroyed = [], []
    for change, there in changes:
        wanted = change.wanted
        if there is not None and (wanted is None or change.destroyed):
            superfluous.append(there)
        if wanted is not None and change.destroyed:
            destroyed.append(wanted)
        elif wanted is not None and there is not None:
            kept_pairs.append((wanted, there))
        elif wanted is not None and not wanted.deposed:
            missing.append(wanted)
    by_key = {wanted.key: (wanted, there) for wanted, there in kept_pairs}
    found = Difference(
        tuple(by_key[wanted.key] for wanted in managed(wanted for wanted, _ in kept_pairs)),
        missing=tuple(managed(missing)),
        destroyed=tuple(managed(destroyed)),
        superfluous=tuple(managed(superfluous)),
        forgotten=tuple(managed(forgotten)),
        blocked=tuple(managed(blocked)),
    )
    target = replace(state, objects=objects, outputs=pending.outputs, checks=pending.checks, pending_rollback=None)
    return WayBack(target, found)


_Found = list[tuple[PendingChange, ResourceObject | None]]
"""Changes, each with the object of the state that it speaks of."""


def _found(changes: Iterable[PendingChange], state: State) -> _Found:
    listed = list(changes)
    wanted = (change.there for change in listed if change.there is not None)
    found = matched(wanted, (each.identity for each in state.objects.values()))
    keys = [found.get(change.there) if change.there is not None else None for change in listed]
    return [(change, state.objects[same.key] if same else None) for change, same in zip(listed, keys, strict=True)]


def _untouched(state: State, changes: _Found) -> dict[ObjectKey, ResourceObject]:
    touched = {there.key for _, there in changes if there is not None} | set(taken_up_by(state))
    return {key: each for key, each in state.objects.items() if key not in touched}


def _without_blocked(
    changes: _Found, stays: dict[ObjectKey, ResourceObject]
) -> tuple[_Found, list[ResourceObject], list[ResourceObject]]:
    """The changes that can be made; what is wanted in vain; and what is to go all the same. Adds to `stays`."""
    blocked: list[ResourceObject] = []
    superfluous: list[ResourceObject] = []
    while held := [each for each in changes if each[0].wanted is not None and each[0].wanted.key in stays]:
        for change, there in held:
            assert change.wanted is not None, "it is wanted somewhere"
            blocked.append(change.wanted)
            if there is not None and change.destroyed:
                superfluous.append(there)
            elif there is not None:
                stays[there.key] = there
        changes = [each for each in changes if each not in held]
    return changes, blocked, superfluous


# --- leaving out ----------------------------------------------------------------------------------------------------


def left_out(
    state: State, addresses: Iterable[ResourceInstance]
) -> tuple[PendingRollback | None, tuple[ResourceInstance, ...]]:
    """The pending rollback of a state without what concerns some objects; and the others that stay as well, because
    those need them."""
    pending = state.pending_rollback
    if pending is None:
        return None, ()
    changes = _found(pending.changes, state)
    out = set(addresses)
    asked = frozenset(out)
    while True:
        blocks = {block for key, each in state.objects.items() if key[0] in out for block in each.dependencies}
        needed = {
            there.address
            for change, there in changes
            if there is not None and (change.wanted is None or change.destroyed) and str(there.address.config) in blocks
        }
        if needed <= out:
            break
        out |= needed
    taken_up = matched(pending.taken_up, (each.identity for each in state.objects.values()))
    pending = replace(
        pending,
        changes=tuple(
            change
            for change, there in changes
            if change.address not in out and (there is None or there.address not in out)
        ),
        taken_up=tuple(each for each in pending.taken_up if each not in taken_up or taken_up[each].address not in out),
    )
    return pending, tuple(sorted(out - asked, key=lambda each: each.sort_key))
