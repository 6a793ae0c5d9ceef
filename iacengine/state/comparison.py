"""How one version of a state differs from another. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iacengine.addresses import Mode
from iacengine.state.model import ObjectKey, OutputState, ResourceObject, State


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Objects and outputs that were added, removed, and changed (before, after), each in order.

    An object that has only moved to another address is among the changed ones. `outputs`: by name, None where absent.
    """

    added: tuple[ResourceObject, ...]
    removed: tuple[ResourceObject, ...]
    changed: tuple[tuple[ResourceObject, ResourceObject], ...]
    outputs: Mapping[str, tuple[OutputState | None, OutputState | None]]

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.outputs)


def compare(before: State, after: State) -> Comparison:
    """What is different in `after`. Costs one look at every object; one that a move has led elsewhere is known again
    by the token of its creation, else by its id."""
    old, new = before.objects, after.objects
    changed: list[tuple[ResourceObject, ResourceObject]] = []
    gone: dict[ObjectKey, ResourceObject] = {}
    for key, stored in old.items():
        now = new.get(key)
        if now is None:
            gone[key] = stored
        elif _differs(stored, now):
            if stored.token and now.token and stored.token != now.token:
                gone[key] = stored  # replaced: another object under the same address
            else:
                changed.append((stored, now))
    come = {key: found for key, found in new.items() if key not in old or key in gone}
    origins = {_identity(found): found for found in gone.values()}
    for key, found in list(come.items()):
        origin = origins.get(_identity(found))
        if origin is not None and origin.key != key:
            del come[key], gone[origin.key]
            changed.append((origin, found))
    outputs = (
        (name, before.outputs.get(name), after.outputs.get(name)) for name in {**before.outputs, **after.outputs}
    )
    return Comparison(
        tuple(sorted(come.values(), key=_order)),
        tuple(sorted(gone.values(), key=_order)),
        tuple(sorted(changed, key=lambda pair: _order(pair[1]))),
        {name: (was, is_) for name, was, is_ in sorted(outputs, key=lambda each: each[0]) if _output_differs(was, is_)},
    )


def _differs(stored: ResourceObject, now: ResourceObject) -> bool:
    return stored is not now and (
        stored.attributes != now.attributes
        or stored.protected != now.protected
        or stored.tainted != now.tainted
        or stored.provider != now.provider
    )


def _output_differs(was: OutputState | None, now: OutputState | None) -> bool:
    if was is None or now is None:
        return was is not now
    return was.value != now.value or was.sensitive != now.sensitive


def _identity(found: ResourceObject) -> tuple[object, ...]:
    resource = found.address.resource
    if resource.mode is Mode.MANAGED:
        if found.token:
            return ("token", resource.type, found.token)
        id_ = found.attributes.get("id")
        if isinstance(id_, str) and id_:
            return ("id", found.provider, resource.type, id_)
    return ("key", found.key)


def _order(found: ResourceObject) -> tuple[object, str]:
    return (found.address.sort_key, found.deposed)
