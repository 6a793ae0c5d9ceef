"""What an object is known by, so that it is found again whatever its address is by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iacengine.addresses import ResourceInstance

_Name = Callable[["Identity"], "tuple[object, ...] | None"]


@dataclass(frozen=True, slots=True)
class Identity:
    """`token`: of the operation that created the object; `id`: what its provider calls it ("": nothing, or a secret).
    An object that has neither is known by its place alone."""

    address: ResourceInstance
    deposed: str
    provider: str
    token: str = ""
    id: str = ""

    @property
    def key(self) -> tuple[ResourceInstance, str]:
        return (self.address, self.deposed)

    @property
    def is_named(self) -> bool:
        """Whether anything but its place tells it from others."""
        return bool(self.token or self.id)


def matched(wanted: Iterable[Identity], there: Iterable[Identity]) -> dict[Identity, Identity]:
    """For those wanted the one that is the same object, where it is there.

    Two are the same by the token of their creation; by their id, unless each has a token; by their place, where one of
    them has neither. Of several that could be it, that in the same place is.
    """
    left, free = dict.fromkeys(wanted), dict.fromkeys(there)
    found: dict[Identity, Identity] = {}
    for name, may_be in _WAYS:
        named: dict[tuple[object, ...], dict[Identity, None]] = {}
        for other in free:
            if (known := name(other)) is not None:
                named.setdefault(known, {})[other] = None
        for each in list(left) if named else ():
            known = name(each)
            candidates = named.get(known, {}) if known is not None else {}
            same = next((other for other in candidates if may_be(each, other)), None)
            if same is not None:
                found[each] = same
                del left[each], free[same], candidates[same]
    return found


def _token(each: Identity) -> tuple[object, ...] | None:
    return (each.address.resource.type, each.token) if each.token else None


def _id(each: Identity) -> tuple[object, ...] | None:
    return (each.address.resource.type, each.provider, each.id) if each.id else None


def _place(each: Identity) -> tuple[object, ...]:
    return each.key


def _in_place(name: _Name) -> _Name:
    def both(each: Identity) -> tuple[object, ...] | None:
        known = name(each)
        return (*known, *each.key) if known is not None else None

    return both


def _any(one: Identity, other: Identity) -> bool:
    return True


def _not_both_made(one: Identity, other: Identity) -> bool:
    return not (one.token and other.token)


def _not_both_named(one: Identity, other: Identity) -> bool:
    return not (one.is_named and other.is_named)


_WAYS: tuple[tuple[_Name, Callable[[Identity, Identity], bool]], ...] = (
    (_in_place(_token), _any),
    (_token, _any),
    (_in_place(_id), _not_both_made),
    (_id, _not_both_made),
    (_place, _not_both_named),
)
