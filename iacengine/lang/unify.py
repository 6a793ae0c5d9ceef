"""Which types convert to which, and the most general type that several convert to (`cty`'s `Unify`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iacengine.lang.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    ListType,
    MapType,
    ObjectType,
    PrimitiveType,
    SetType,
    TupleType,
    Type,
)


def can_convert(found: Type, wanted: Type, *, unsafe: bool = True) -> bool:
    """True when values of one type may be made values of the other.

    With `unsafe=False` only conversions count that succeed for every value and lose nothing.
    """
    if wanted is DYNAMIC or found is wanted:
        return True
    if found is DYNAMIC:
        return unsafe
    if isinstance(wanted, PrimitiveType):
        if wanted is STRING:
            return found is NUMBER or found is BOOL
        return unsafe and found is STRING
    match wanted:
        case ObjectType():
            if isinstance(found, ObjectType):
                return _object_fits(found, wanted, unsafe)
            return unsafe and isinstance(found, MapType) and _map_fits(found.element, wanted)
        case TupleType():
            return (
                isinstance(found, TupleType)
                and len(found.elements) == len(wanted.elements)
                and all(_fits(a, b, unsafe) for a, b in zip(found.elements, wanted.elements, strict=True))
            )
        case ListType():
            if isinstance(found, ListType | SetType):
                return _fits(found.element, wanted.element, unsafe)
            return isinstance(found, TupleType) and _all_fit(found.elements, wanted.element, unsafe, "list")
        case SetType():
            if isinstance(found, ListType | SetType):
                if isinstance(found, ListType) and not unsafe:
                    return False
                return _fits(found.element, wanted.element, unsafe)
            return isinstance(found, TupleType) and _all_fit(found.elements, wanted.element, unsafe, "set")
        case MapType():
            if isinstance(found, MapType):
                return _fits(found.element, wanted.element, unsafe)
            if not isinstance(found, ObjectType):
                return False
            return _all_fit(tuple(found.attributes.values()), wanted.element, unsafe, "map")


def _fits(found: Type, wanted: Type, unsafe: bool) -> bool:
    return found == wanted or can_convert(found, wanted, unsafe=unsafe)


def _all_fit(found: Sequence[Type], wanted: Type, unsafe: bool, noun: str) -> bool:
    if not found:
        return True
    if wanted is DYNAMIC:
        common = unify(found, unsafe=unsafe)
        if common is None:
            return False
        if common is DYNAMIC and noun != "map":
            return all(type_ is DYNAMIC for type_ in found)
        wanted = common
    return all(_fits(type_, wanted, unsafe) for type_ in found)


def _object_fits(found: ObjectType, wanted: ObjectType, unsafe: bool) -> bool:
    for name, child in wanted.attributes.items():
        inner = found.attributes.get(name)
        if inner is None:
            if name not in wanted.optional:
                return False
        elif not _fits(inner, child, unsafe):
            return False
    return True


def _map_fits(element: Type, wanted: ObjectType) -> bool:
    return all(
        name in wanted.optional or _fits(element, child, unsafe=True) for name, child in wanted.attributes.items()
    )


# --- unification ----------------------------------------------------------------------------------------------------


def unify(types: Sequence[Type], *, unsafe: bool = False) -> Type | None:
    """The most general type that all the types convert to, or None; None also of no types.

    An untyped neighbour makes collections, tuples and objects `dynamic`: what they would become cannot be foreseen.
    """
    if not types:
        return None
    if len(types) > 1:
        types = list(dict.fromkeys(types))
    if len(types) == 1:
        return types[0]
    kinds = {type_.__class__ for type_ in types if type_ is not DYNAMIC}
    dynamic = any(type_ is DYNAMIC for type_ in types)
    if len(kinds) == 1 and PrimitiveType not in kinds:
        return DYNAMIC if dynamic else _UNIFY_KIND[kinds.pop()](types, unsafe)
    if kinds == {MapType, ObjectType}:
        common = _unify_mixed(types, ObjectType, _attributes, MapType, unsafe)
        if common is not None:
            return common
    elif kinds == {ListType, TupleType}:
        common = _unify_mixed(types, TupleType, _elements, ListType, unsafe)
        if common is not None:
            return common
    elif ObjectType in kinds and TupleType in kinds:
        return None
    for candidate in _by_preference(types):
        if all(_fits(type_, candidate, unsafe) for type_ in types):
            return candidate
    return None


def _attributes(types: Sequence[Type]) -> list[Type]:
    return [child for type_ in types if isinstance(type_, ObjectType) for child in type_.attributes.values()]


def _elements(types: Sequence[Type]) -> list[Type]:
    return [child for type_ in types if isinstance(type_, TupleType) for child in type_.elements]


def _unify_mixed(
    types: Sequence[Type],
    structural: type,
    children: Callable[[Sequence[Type]], list[Type]],
    collection: type[ListType] | type[MapType],
    unsafe: bool,
) -> Type | None:
    """Collections among structural types: the latter are taken for collections first, then all are unified."""
    own = [type_ for type_ in types if isinstance(type_, structural)]
    as_collection = _collect(own, children(own), collection, unsafe)
    if as_collection is None:
        return None
    common = unify([as_collection if isinstance(type_, structural) else type_ for type_ in types], unsafe=unsafe)
    return common if isinstance(common, collection) else None


def _collect(
    types: Sequence[Type], children: Sequence[Type], collection: type[ListType] | type[MapType], unsafe: bool
) -> Type | None:
    """The collection type that holds every child of the structural types."""
    element = unify(children, unsafe=unsafe)
    if element is None:
        return None
    common = collection(element)
    return common if all(can_convert(type_, common, unsafe=unsafe) for type_ in types) else None


def _unify_collections(types: Sequence[Type], unsafe: bool) -> Type | None:
    first = types[0]
    assert isinstance(first, ListType | SetType | MapType)
    element = unify([type_.element for type_ in types], unsafe=unsafe)  # type: ignore[union-attr]
    return None if element is None else first.__class__(element)


def _unify_objects(types: Sequence[Type], unsafe: bool) -> Type | None:
    assert isinstance(types[0], ObjectType)
    names = types[0].attributes.keys()
    if any(type_.attributes.keys() != names for type_ in types):  # type: ignore[union-attr]
        return _collect(types, _attributes(types), MapType, unsafe)
    common: dict[str, Type] = {}
    for name in names:
        child = unify([type_.attributes[name] for type_ in types], unsafe=unsafe)  # type: ignore[union-attr]
        if child is None:
            return None
        common[name] = child
    result = ObjectType(common)
    if all(_fits(type_, result, unsafe) for type_ in types):
        return result
    return _collect(types, _attributes(types), MapType, unsafe)


def _unify_tuples(types: Sequence[Type], unsafe: bool) -> Type | None:
    assert isinstance(types[0], TupleType)
    length = len(types[0].elements)
    if any(len(type_.elements) != length for type_ in types):  # type: ignore[union-attr]
        return _collect(types, _elements(types), ListType, unsafe)
    common: list[Type] = []
    for index in range(length):
        child = unify([type_.elements[index] for type_ in types], unsafe=unsafe)  # type: ignore[union-attr]
        if child is None:
            return None
        common.append(child)
    result = TupleType(common)
    if all(_fits(type_, result, unsafe) for type_ in types):
        return result
    return _collect(types, _elements(types), ListType, unsafe)


_UNIFY_KIND: dict[type, Callable[[Sequence[Type], bool], Type | None]] = {
    ListType: _unify_collections,
    SetType: _unify_collections,
    MapType: _unify_collections,
    ObjectType: _unify_objects,
    TupleType: _unify_tuples,
}


# --- preference -----------------------------------------------------------------------------------------------------


def _by_preference(types: Sequence[Type]) -> list[Type]:
    """The distinct types, those more general first where that can be said."""
    rest = list(dict.fromkeys(types))
    ordered: list[Type] = []
    while rest:
        free = [a for a in rest if not any(b is not a and _more_general(b, a) for b in rest)]
        if not free:
            return ordered + rest
        ordered += free
        rest = [type_ for type_ in rest if type_ not in free]
    return ordered


def _more_general(a: Type, b: Type) -> bool:
    """True when `a` is to be tried before `b`; whether the conversion exists is not asked."""
    if a is DYNAMIC:
        return False
    if b is DYNAMIC:
        return True
    if isinstance(a, PrimitiveType) and isinstance(b, PrimitiveType):
        return a is STRING and b is not STRING
    if isinstance(a, ListType | SetType | MapType) and isinstance(b, ListType | SetType | MapType):
        if a.__class__ is b.__class__:
            return _more_general(a.element, b.element)
        return isinstance(a, ListType) and isinstance(b, SetType)
    match a, b:
        case (TupleType(), SetType()) | (ListType(), TupleType()) | (MapType(), ObjectType()):
            return True
        case ObjectType(), ObjectType():
            return a.attributes.keys() == b.attributes.keys() and _wins(
                [(a.attributes[name], b.attributes[name]) for name in a.attributes]
            )
        case TupleType(), TupleType():
            return len(a.elements) == len(b.elements) and _wins(list(zip(a.elements, b.elements, strict=True)))
        case _:
            return False


def _wins(pairs: Sequence[tuple[Type, Type]]) -> bool:
    return any(_more_general(a, b) for a, b in pairs) and not any(_more_general(b, a) for a, b in pairs)
