"""What becomes of a pending rollback when somebody edits the state that it stands in. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from iacengine.state.identity import Identity, matched
from iacengine.state.model import ObjectKey, PendingChange, PendingRollback, ResourceObject


def without(pending: PendingRollback, gone: Iterable[ResourceObject]) -> PendingRollback:
    """Nothing more is to become of objects that were taken out of the state."""
    identities = [each.identity for each in gone]
    left = _unmatched([change.there for change in pending.changes if change.there is not None], identities)
    return replace(
        pending,
        changes=tuple(change for change in pending.changes if change.there is None or change.there in left),
        taken_up=tuple(_unmatched(pending.taken_up, identities)),
    )


def elsewhere(
    pending: PendingRollback, moves: Iterable[tuple[ResourceObject, ResourceObject]], names: Mapping[str, str]
) -> PendingRollback:
    """What was to become of objects is to become of them where they are now. `moves`: objects before and after;
    `names`: what blocks are called from now on."""
    new = {old.identity: new.key for old, new in moves}

    def taken_along(identity: Identity, found: Mapping[Identity, Identity]) -> Identity:
        if identity not in found:
            return identity
        address, deposed = new[found[identity]]
        return replace(identity, address=address, deposed=deposed)

    there = [change.there for change in pending.changes if change.there is not None]
    found, taken_up = matched(there, new), matched(pending.taken_up, new)
    changes = []
    for change in pending.changes:
        wanted = change.wanted
        if change.there is not None and change.there in found:
            address, deposed = new[found[change.there]]
            if wanted is not None and wanted.key == found[change.there].key:
                wanted = replace(wanted, address=address, deposed=deposed)
            change = PendingChange(taken_along(change.there, found), wanted)
        if wanted is not None and any(name in names for name in wanted.dependencies):
            dependencies = tuple(names.get(name, name) for name in wanted.dependencies)
            change = replace(change, wanted=replace(wanted, dependencies=dependencies))
        changes.append(change)
    return replace(
        pending, changes=tuple(changes), taken_up=tuple(taken_along(each, taken_up) for each in pending.taken_up)
    )


def protecting(pending: PendingRollback, objects: Iterable[ResourceObject], *, protected: bool) -> PendingRollback:
    """Objects that are protected from now on, or are not any more, stay so when they become again what they were."""
    found = matched((change.there for change in pending.changes if change.there), (each.identity for each in objects))
    return replace(
        pending,
        changes=tuple(
            replace(change, wanted=replace(change.wanted, protected=protected))
            if change.wanted is not None and change.there in found
            else change
            for change in pending.changes
        ),
    )


def awaited_places(pending: PendingRollback) -> dict[ObjectKey, Identity | None]:
    """The places that objects are to have again, each with that which is to come there (None: it is to be made)."""
    return {change.wanted.key: change.there for change in pending.changes if change.wanted is not None}


def is_same(found: ResourceObject, identity: Identity | None) -> bool:
    return identity is not None and bool(matched([found.identity], [identity]))


def _unmatched(identities: Iterable[Identity], others: Iterable[Identity]) -> dict[Identity, None]:
    listed = list(identities)
    found = matched(listed, others)
    return {each: None for each in listed if each not in found}
