"""Looking objects up: the read calls of many objects at once, and the attributes that their answers mean.

An *observation* is a dict of the parts that the read calls of a type name (`Get.into`, `BatchGet.into`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iacengine.lang.types import BOOL, NUMBER, STRING, ListType, MapType, SetType, Type
from iacengine_aws import tags
from iacengine_aws.client import Session
from iacengine_aws.documents import same_document
from iacengine_aws.errors import ApiError
from iacengine_aws.members import dig, render
from iacengine_aws.spec import BatchGet, Field, Get, Nested, Plain, ResourceSpec


@dataclass(slots=True)
class Sighting:
    """What was seen of one object: its observation (None: it is gone), or why nothing could be seen."""

    observation: Plain | None
    problem: ApiError | None = None
    gone: bool = False


def look_up(session: Session, wanted: Sequence[tuple[ResourceSpec, Plain]]) -> list[Sighting]:
    """What there is of each object, given the attributes last known of it.

    List calls go first, many objects to a call, and all calls side by side; then the single calls for those that exist.
    """
    sightings = [Sighting({}) for _ in wanted]
    session.map(lambda batch: _list(session, batch, wanted, sightings), _batches(wanted))
    for later in (False, True):
        singles = [
            (index, get)
            for index, (spec, _) in enumerate(wanted)
            if sightings[index].observation is not None and sightings[index].problem is None
            for get in spec.read
            if isinstance(get, Get) and (get.needs is not None) is later
        ]
        if singles:
            _get_all(session, wanted, sightings, singles)
    for sighting in sightings:
        if sighting.observation is None and sighting.gone:
            sighting.problem = None  # whatever else was asked of it failed because it is gone
    return sightings


def _get_all(
    session: Session,
    wanted: Sequence[tuple[ResourceSpec, Plain]],
    sightings: list[Sighting],
    singles: list[tuple[int, Get]],
) -> None:
    def ask(single: tuple[int, Get]) -> Any:
        index, get = single
        spec, attributes = wanted[index]
        if get.needs is not None:
            attributes = {**attributes, "@needed": dig(sightings[index].observation, get.needs)}
        return _get(session, spec, attributes, get)

    for (index, get), answer in zip(singles, session.map(ask, singles), strict=True):
        sighting = sightings[index]
        if answer is _GONE:
            sighting.observation, sighting.gone = None, True
        elif isinstance(answer, ApiError):
            sighting.problem = sighting.problem or answer
        elif sighting.observation is not None:
            sighting.observation[get.into] = answer


_GONE = object()


@dataclass(frozen=True, slots=True)
class _Batch:
    spec: ResourceSpec
    call: BatchGet
    indexes: tuple[int, ...]


def _batches(wanted: Sequence[tuple[ResourceSpec, Plain]]) -> list[_Batch]:
    by_type: dict[str, list[int]] = {}
    for index, (spec, _) in enumerate(wanted):
        by_type.setdefault(spec.type, []).append(index)
    return [
        _Batch(wanted[indexes[0]][0], call, tuple(indexes[start : start + call.size]))
        for indexes in by_type.values()
        for call in wanted[indexes[0]][0].read
        if isinstance(call, BatchGet)
        for start in range(0, len(indexes), call.size)
    ]


def _list(
    session: Session, batch: _Batch, wanted: Sequence[tuple[ResourceSpec, Plain]], sightings: list[Sighting]
) -> None:
    call = batch.call
    ids = sorted({wanted[index][1]["id"] for index in batch.indexes})
    filters = [
        {"Name": call.filter, "Values": ids},
        *({"Name": name, "Values": [value]} for name, value in call.filters),
    ]
    found: dict[str, Any] = {}
    try:
        for page in session.pages(batch.spec.service, call.operation, {"Filters": filters}):
            for item in dig(page, call.items) or ():
                found[item[call.key]] = item
    except ApiError as problem:
        for index in batch.indexes:
            sightings[index].problem = problem
        return
    for index in batch.indexes:
        sighting = sightings[index]
        item = found.get(wanted[index][1]["id"])
        if item is None and call.decides:
            sighting.observation = None
        elif sighting.observation is not None:
            sighting.observation[call.into] = item


def _get(session: Session, spec: ResourceSpec, attributes: Plain, get: Get) -> Any:
    try:
        response = session.call(spec.service, get.operation, render(get.params, attributes))
    except ApiError as problem:
        if problem.code in get.missing:
            return _GONE
        if problem.code in get.absent:
            return None
        return problem
    return response if get.take is None else dig(response, get.take)


# --- attributes -----------------------------------------------------------------------------------------------------


class _Names(dict[str, Any]):
    """What a derived attribute may mention: the attributes, and where we are."""

    def __init__(self, session: Session, attributes: Plain) -> None:
        super().__init__(attributes)
        self._session = session

    def __missing__(self, key: str) -> Any:
        return getattr(self._session, key)  # partition, region, account, dns_suffix


def attributes_of(session: Session, spec: ResourceSpec, prior: Plain, observation: Plain) -> Plain:
    """The attributes that an observation means. `prior` says what the API does not tell, and how it was written.

    Raises ApiError when an attribute needs a call that fails.
    """
    attributes: Plain = {"id": prior["id"]}
    fresh = is_fresh(spec, prior)
    for name, described in spec.fields.items():
        attributes[name] = _attribute(described, prior.get(name), observation, fresh=fresh)
    for name, nested in spec.blocks.items():
        if nested.read is not None:
            attributes[name] = [_block(nested, item) for item in dig(observation, nested.read) or ()]
        else:
            attributes[name] = prior.get(name) if nested.supported else []
    if spec.tags is not None:
        found = tags.read_tags(spec.tags, observation)
        attributes["tags"], attributes["tags_all"] = tags.shown(session.settings, found, prior.get("tags"))
    derived = [(name, described.derive) for name, described in spec.fields.items() if described.derive is not None]
    if derived:
        names = _Names(session, attributes)
        for name, text in derived:
            attributes[name] = names[name] = text.format_map(names)
    if spec.hooks.observe is not None:
        attributes = spec.hooks.observe(session, attributes, observation)
    return attributes


def is_fresh(spec: ResourceSpec, prior: Plain) -> bool:
    """True for an object of which nothing is known yet that only AWS can tell: a new or an imported one."""
    told = [name for name, described in spec.fields.items() if described.computed and not described.optional]
    told = told or [name for name, described in spec.fields.items() if described.read is not None]
    return all(prior.get(name) is None for name in told)


def _attribute(described: Field, prior: Any, observation: Mapping[str, Any], *, fresh: bool) -> Any:
    if described.read is None:
        if prior is None and described.computed and fresh:
            return zero(described.type)
        return described.default if prior is None else prior
    value = from_api(described.type, dig(observation, described.read))
    if described.json is not None and same_document(described.json, prior, value):
        return prior
    return as_written(described, prior, value, fresh=fresh)


def as_written(described: Field, prior: Any, value: Any, *, fresh: bool) -> Any:
    """A value of the API in the way it was written before: nothing and null are the same to most of its calls.

    An attribute that only a configuration sets is null when there is nothing; one that is computed is empty.
    """
    if value is None or value == "" or value == [] or value == {}:
        if is_implied(described, prior) and (prior is not None or not fresh):
            return prior
        nothing = described.default if described.default is not None else zero(described.type)
        return nothing if described.computed or described.default is not None else None
    if prior is None and not described.computed and described.default is None and is_implied(described, value):
        return None
    return value


def is_zero(value: Any) -> bool:
    """True for null and for the empty value of any type."""
    return (
        value is None
        or value == ""
        or value is False
        or value == []
        or value == {}
        or (value == 0 and value is not True)
    )


def is_implied(described: Field, value: Any) -> bool:
    """True for a value that is as good as none."""
    return is_zero(value) or (described.implied is not None and value == described.implied)


def zero(type_: Type) -> Any:
    """The empty value of a type; None for collections, which are null when there are none."""
    if type_ is STRING:
        return ""
    if type_ is NUMBER:
        return 0
    if type_ is BOOL:
        return False
    return [] if isinstance(type_, ListType | SetType) else None


def from_api(type_: Type, value: Any) -> Any:
    """A value of a response as one of the type. Raises ValueError when it is none."""
    if value is None:
        return None
    if type_ is STRING:
        if isinstance(value, str):
            return value
        if isinstance(value, dict):  # a policy, which botocore decodes
            return json.dumps(value, separators=(",", ":"))
        if hasattr(value, "strftime"):  # a timestamp, in RFC 3339 as Terraform writes it
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        return str(value)
    if type_ is NUMBER:
        return int(value) if value != "" else None
    if type_ is BOOL:
        return value.lower() == "true" if isinstance(value, str) else bool(value)
    if isinstance(type_, ListType | SetType):
        items = [from_api(type_.element, item) for item in value]
        return sorted(set(items)) if isinstance(type_, SetType) else items
    if isinstance(type_, MapType):
        return {key: from_api(type_.element, value[key]) for key in sorted(value)}
    return value


def _block(nested: Nested, item: Any) -> Plain:
    block: Plain = {name: _attribute(described, None, item, fresh=True) for name, described in nested.fields.items()}
    for name, inner in nested.blocks.items():
        block[name] = [_block(inner, child) for child in dig(item, inner.read) or ()] if inner.read else []
    return block
