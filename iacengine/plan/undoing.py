"""What undoing a run leads back to, and what the state remembers of that until it is done. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from iacengine.addresses import Mode, ResourceInstance
from iacengine.plan.difference import difference, managed, placed, same_objects
from iacengine.state.identity import Identity, matched
from iacengine.state.model import ObjectKey, PendingChange, PendingRollback, ResourceObject, State


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
    target, taken_up = _state_before(ending.stored, ending.prepared, ending.moves)
    pending = replace(pending, taken_up=(*pending.taken_up, *taken_up))
    return leading_back(pending, state, target, ending.destroyed)


def target_of(state: State) -> State:
    """The state that the pending rollback of a state leads back to; the state itself where it has none.

    What the rollback does not speak of stays; what has come meanwhile into a place that is awaited, too.
    """
    pending = state.pending_rollback
    if pending is None:
        return state
    objects = dict(state.objects)
    identities = [each.identity for each in objects.values()]
    found = matched((change.there for change in pending.changes if change.there is not None), identities)
    for same in found.values():
        del objects[same.key]
    taken_up = _take_out(objects, pending.taken_up)
    _put_in(objects, (change.wanted for change in pending.changes if change.wanted is not None))
    _put_in(objects, taken_up)
    return replace(state, objects=objects, outputs=pending.outputs, checks=pending.checks, pending_rollback=None)


def leading_back(
    pending: PendingRollback, state: State, target: State, destroyed: Iterable[Identity]
) -> PendingRollback:
    """The pending rollback, as it stands in `state` so that it leads to `target`. `destroyed`: since it was written."""
    found = difference(state, target)
    earlier = [change.wanted.identity for change in pending.changes if change.wanted is not None and change.destroyed]
    gone = matched((wanted.identity for wanted in found.missing), (*earlier, *destroyed))
    changes = [PendingChange(None, wanted, wanted.identity in gone) for wanted in found.missing]
    changes += [PendingChange(there.identity, wanted) for wanted, there in found.kept if there is not wanted]
    forgotten = matched((each.identity for each in found.superfluous), pending.taken_up)
    changes += [PendingChange(each.identity, None) for each in found.superfluous if each.identity not in forgotten]
    for key in dict.fromkeys((*state.objects, *target.objects)):
        there, wanted = state.objects.get(key), target.objects.get(key)
        if key[0].resource.mode is Mode.DATA and there is not wanted:
            changes.append(PendingChange(there.identity if there is not None else None, wanted))
    return replace(pending, changes=tuple(changes), outputs=target.outputs, checks=target.checks)


def to_forget(pending: PendingRollback, state: State) -> tuple[ObjectKey, ...]:
    """The objects that are taken out of the state when all is undone: what the run had taken up into it. What it had
    destroyed of that, and was made again, stays: nothing that was made is forgotten."""
    return tuple(key for key in taken_up_by(replace(state, pending_rollback=pending)) if key[0] not in pending.skipped)


def taken_up_by(state: State) -> tuple[ObjectKey, ...]:
    """What is in a state only because a run that is still to be undone had imported it, or found it again."""
    pending = state.pending_rollback
    if pending is None or not pending.taken_up:
        return ()
    found = matched(pending.taken_up, (each.identity for each in state.objects.values()))
    return tuple(same.key for same in found.values())


def _state_before(
    stored: State, prepared: State, moves: Iterable[tuple[ResourceInstance, ResourceInstance]]
) -> tuple[State, tuple[Identity, ...]]:
    """The state that undoing a run leads back to: what planning found out of objects stays, what it moved or put aside
    is where it was, and who needed it calls it as before. And what it took up that was not in the state at all."""
    objects = {key: found for key, found in stored.objects.items() if key[0].resource.mode is Mode.DATA}
    new: list[ResourceObject] = []
    for found, before in _with_origins(stored, prepared, moves):
        if before is None:
            new.append(found)
            continue
        back = placed(found, *before.key)
        if back.dependencies != before.dependencies:
            back = replace(back, dependencies=before.dependencies)
        objects[before.key] = back
    target = target_of(replace(prepared, objects=objects))
    objects = dict(target.objects)
    # What was to be made again is wanted where it was; the rest was not there before.
    found_again = {each.key for each, same in same_objects(new, managed(objects.values())) if same is not None}
    taken_up = [each for each in new if each.key not in found_again]
    _put_in(objects, taken_up)
    return replace(target, objects=objects), tuple(each.identity for each in taken_up)


def _with_origins(
    stored: State, prepared: State, moves: Iterable[tuple[ResourceInstance, ResourceInstance]]
) -> list[tuple[ResourceObject, ResourceObject | None]]:
    """The objects that a plan has prepared, each with what it was before. `moves` tell it of those that nothing else
    identifies than their place."""
    back_to = {moved: source for source, moved in moves}
    listed = managed(prepared.objects.values())
    identities = [
        each.identity
        if each.identity.is_named
        else replace(each.identity, address=back_to.get(each.address, each.address))
        for each in listed
    ]
    before = {each.identity: each for each in managed(stored.objects.values())}
    found = matched(identities, before)
    origins = (found.get(identity) for identity in identities)
    return [(each, before[was] if was is not None else None) for each, was in zip(listed, origins, strict=True)]


def _take_out(objects: dict[ObjectKey, ResourceObject], identities: Iterable[Identity]) -> list[ResourceObject]:
    found = matched(identities, (each.identity for each in objects.values()))
    return [objects.pop(same.key) for same in found.values()]


def _put_in(objects: dict[ObjectKey, ResourceObject], found: Iterable[ResourceObject]) -> None:
    """Put objects where nothing else is."""
    for each in found:
        objects.setdefault(each.key, each)
