"""What becomes of a pending rollback when somebody edits the state that it stands in. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace

from iacengine.addresses import ResourceInstance
from iacengine.state.identity import matched
from iacengine.state.model import Identity, ObjectKey, PendingChange, PendingRollback, ResourceObject

Relocation = Callable[[ResourceInstance], ResourceInstance]
"""Where what is at an address goes; to the same one when it stays."""


def without(pending: PendingRollback, gone: Iterable[ResourceObject]) -> PendingRollback:
    """Nothing more is to become of objects that were taken out of the state."""
    found = _among(pending, gone)
    return replace(
        pending,
        changes=tuple(change for change in pending.changes if change.there not in found),
        taken_up=tuple(each for each in pending.taken_up if each not in found),
    )


def elsewhere(
    pending: PendingRollback,
    moved: Iterable[ResourceObject],
    relocation: Relocation,
    names: Mapping[str, Set[str]],
) -> PendingRollback:
    """What was to become of objects is to become of them where they are now, and what is to be made again is made
    where it would be. `moved`: objects as they were; `names`: the blocks to which those of a block belong by now."""
    found = _among(pending, moved)

    def taken_along(identity: Identity) -> Identity:
        return replace(identity, address=relocation(identity.address)) if identity in found else identity

    def wanted_now(change: PendingChange) -> ResourceObject | None:
        wanted, there = change.wanted, change.there
        if wanted is None:
            return None
        # What had moved in the run, and has moved by hand since, goes back to where it was before the run.
        follows = there is None or change.destroyed or (there in found and there.key == wanted.key)
        return following(wanted.moved_to(relocation(wanted.address)) if follows else wanted, names)

    return replace(
        pending,
        changes=tuple(
            replace(change, there=taken_along(change.there) if change.there else None, wanted=wanted_now(change))
            for change in pending.changes
        ),
        taken_up=tuple(map(taken_along, pending.taken_up)),
    )


def protecting(pending: PendingRollback, objects: Iterable[ResourceObject], *, protected: bool) -> PendingRollback:
    """Objects that are protected from now on, or are not any more, stay so when they become again what they were. What
    is protected and was to be destroyed, or to make room for what was there before, stays as it is."""
    found = _among(pending, objects)
    changes = []
    for change in pending.changes:
        if change.there is None or change.there not in found:
            changes.append(change)
        elif change.wanted is not None and not (protected and change.destroyed):
            changes.append(replace(change, wanted=replace(change.wanted, protected=protected)))
        elif not protected:
            changes.append(change)
    return replace(pending, changes=tuple(changes))


def following(found: ResourceObject, names: Mapping[str, Set[str]]) -> ResourceObject:
    """An object that depends on the blocks to which those belong by now that it depended on."""
    if not any(name in names for name in found.dependencies):
        return found
    dependencies = sorted({new for old in found.dependencies for new in names.get(old, (old,))})
    return replace(found, dependencies=tuple(dependencies))


def awaited_places(pending: PendingRollback | None) -> dict[ObjectKey, Identity | None]:
    """The places that objects are to have again, each with that which is to come there (None: it is to be made)."""
    changes = pending.changes if pending is not None else ()
    return {change.wanted.key: change.there for change in changes if change.wanted is not None}


def is_same(found: ResourceObject, identity: Identity | None) -> bool:
    return identity is not None and bool(matched([found.identity], [identity]))


def _among(pending: PendingRollback, objects: Iterable[ResourceObject]) -> set[Identity]:
    """Those identities in a pending rollback that are of these objects."""
    identities = [each.identity for each in objects]
    spoken_of = [change.there for change in pending.changes if change.there is not None]
    return {*matched(spoken_of, identities), *matched(pending.taken_up, identities)}
