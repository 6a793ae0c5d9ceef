"""What an object is known by, so that it is found again whatever its address is by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from iacengine.state.model import Identity

_Name = Callable[[Identity], "tuple[object, ...] | None"]


def matched(wanted: Iterable[Identity], there: Iterable[Identity]) -> dict[Identity, Identity]:
    """For those wanted the one that is the same object, where it is there.

    Two are the same by the token of their creation; by their id, unless each has a token; by their place, where nothing
    else tells them. Of several that could be it, that in the same place is; an id of another configuration of the
    same provider counts only there.
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


def _id_of_the_source(each: Identity) -> tuple[object, ...] | None:
    source = each.provider.partition('["')[2].partition('"]')[0]  # see ProviderReference
    return (each.address.resource.type, source, each.id) if each.id else None


def _place(each: Identity) -> tuple[object, ...]:
    return each.key


def _in_place(name: _Name) -> _Name:
    def both(each: Identity) -> tuple[object, ...] | None:
        known = name(each)
        return (*known, *each.key) if known is not None else None

    return both


def _any(one: Identity, other: Identity) -> bool:
    return True


def _one_without_token(one: Identity, other: Identity) -> bool:
    return not (one.token and other.token)


def _neither_told(one: Identity, other: Identity) -> bool:
    """Whether nothing but the place can tell them: neither by a token, nor by an id that both show."""
    if (one.token and other.token) or (one.id and other.id):
        return False
    return not (one.token or other.token) or not any(each.id or each.hidden for each in (one, other))


_WAYS: tuple[tuple[_Name, Callable[[Identity, Identity], bool]], ...] = (
    (_in_place(_token), _any),
    (_token, _any),
    (_in_place(_id), _one_without_token),
    (_id, _one_without_token),
    (_in_place(_id_of_the_source), _one_without_token),
    (_place, _neither_told),
)
