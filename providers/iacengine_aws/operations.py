"""Making, changing, deleting and finding one object, as its `ResourceSpec` says.

Everything here works on objects in their stored form; `iacengine_aws.provider` turns values into it and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine_aws import tags
from iacengine_aws.client import Session
from iacengine_aws.documents import same_document
from iacengine_aws.errors import ApiError
from iacengine_aws.members import dig, plant, render
from iacengine_aws.names import PREFIX, unique_name
from iacengine_aws.observation import attributes_of, is_zero, look_up
from iacengine_aws.patience import patiently, until
from iacengine_aws.spec import Create, Field, Nested, Plain, ResourceSpec, Update

_SETTLES = 60.0  # seconds in which a new object must show up in reads
_NOT_YET = "NotYet"


class HalfDoneError(Exception):
    """An operation failed when something was already there: `attributes` of it, and the `problem`."""

    def __init__(self, attributes: Plain, problem: ApiError) -> None:
        super().__init__(str(problem))
        self.attributes = attributes
        self.problem = problem


# --- create ---------------------------------------------------------------------------------------------------------


def create(session: Session, spec: ResourceSpec, planned: Plain, token: str, patience: float | None) -> Plain:
    """Make the object and wait until it is as it should be. Its attributes.

    Raises ApiError when nothing was made, HalfDoneError when it exists and something after that failed.
    """
    wanted = dict(planned)
    _name(spec, wanted, token)
    carried = tags.merged(session.settings, planned.get("tags")) if spec.tags is not None else {}
    marked = {**carried, tags.TOKEN: token} if spec.tags is not None and spec.find is not None else carried
    params = create_params(spec, wanted, marked)
    if spec.hooks.prepare is not None:
        params = spec.hooks.prepare(session, wanted, params)
    response = patiently(
        session,
        spec.create.retries,
        patience or spec.create.patience,
        lambda: session.call(spec.service, spec.create.operation, params),
    )
    made = {**wanted, "id": _id(spec.create, wanted, response)}
    if spec.tags is not None:
        made["tags_all"] = carried
    try:
        if spec.tags is not None and spec.tags.create is None and marked:
            _tag_later(session, spec, made, marked)
        if spec.wait is not None:  # further calls may be refused before
            await_ready(session, spec, made, patience)
        for update in spec.updates:
            if update.after_create:
                _update_new(session, spec, update, made)
        if spec.hooks.created is not None:
            spec.hooks.created(session, made)
        return settled(session, spec, made, patience)
    except ApiError as problem:
        raise HalfDoneError(made, problem) from None


def create_params(spec: ResourceSpec, wanted: Plain, carried: Mapping[str, str]) -> Plain:
    """The parameters of the create call."""
    params: Plain = render(spec.create.params, wanted)
    for name, described in spec.fields.items():
        value = wanted.get(name)
        if described.create is None or value is None or (described.omit_default and value == described.default):
            continue
        plant(params, described.create, to_api(described, value))
    for name, nested in spec.blocks.items():
        if nested.create is not None and wanted.get(name):
            plant(params, nested.create, [block_params(nested, block) for block in wanted[name]])
    api = spec.tags
    if api is not None and api.create is not None and carried:
        if api.resource_type is not None:
            params[api.create] = [{"ResourceType": api.resource_type, "Tags": tags.to_api(carried, "list")}]
        else:
            params[api.create] = tags.to_api(carried, api.form)
    return params


def block_params(nested: Nested, block: Plain) -> Plain:
    """A nested block as a structure of parameters."""
    params: Plain = {}
    for name, described in nested.fields.items():
        value = block.get(name)
        if described.create is not None and value is not None and value != []:
            plant(params, described.create, to_api(described, value))
    for name, inner in nested.blocks.items():
        if inner.create is not None and block.get(name):
            plant(params, inner.create, [block_params(inner, child) for child in block[name]])
    return params


def to_api(described: Field, value: Any) -> Any:
    """A value as the API takes it."""
    if described.text and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _name(spec: ResourceSpec, wanted: Plain, token: str) -> None:
    name = spec.name
    if name is None:
        return
    if wanted.get(name.attribute) is not None:
        wanted[name.prefix] = wanted.get(name.prefix) or ""
        return
    prefix = wanted.get(name.prefix) or PREFIX
    suffix = name.suffix[1] if name.suffix and wanted.get(name.suffix[0]) else ""
    wanted[name.prefix] = prefix
    wanted[name.attribute] = unique_name(prefix, token, suffix)


def _id(create: Create, wanted: Plain, response: Plain) -> str:
    if "{" in create.id:
        return create.id.format_map(wanted)
    return str(dig(response, create.id))


def _update_new(session: Session, spec: ResourceSpec, update: Update, made: Plain) -> None:
    set_ = [name for name in update.on if made.get(name) is not None and made[name] != spec.fields[name].initial]
    if set_:
        _call_update(session, spec, update, made, set_)


# --- after a change -------------------------------------------------------------------------------------------------


def settled(session: Session, spec: ResourceSpec, made: Plain, patience: float | None = None) -> Plain:
    """The attributes of an object that was just made or changed, once reads show it. Raises ApiError."""
    observation = await_ready(session, spec, made, patience)
    return attributes_of(session, spec, made, observation)


def await_ready(session: Session, spec: ResourceSpec, made: Plain, patience: float | None = None) -> Plain:
    """The observation of an object, once it is there and in the state its spec waits for. Raises ApiError."""
    wait = spec.wait

    def attempt() -> Plain:
        [sighting] = look_up(session, [(spec, made)])
        if sighting.problem is not None:
            raise sighting.problem
        if sighting.observation is None:
            raise ApiError(spec.service, "read", _NOT_YET, f"{made['id']} does not show up", answered=False)
        if wait is not None:
            found = str(dig(sighting.observation, wait.path))
            if found in wait.failed:
                raise ApiError(spec.service, "read", "Failed", f"{made['id']} became {found}", answered=False)
            if found not in wait.done:
                raise ApiError(spec.service, "read", _NOT_YET, f"{made['id']} is still {found}", answered=False)
        return sighting.observation

    limit = max(patience or (wait.patience if wait is not None else _SETTLES), _SETTLES if patience is None else 0)
    return until(session, limit, attempt, lambda problem: problem.code == _NOT_YET)


# --- update ---------------------------------------------------------------------------------------------------------


def update(session: Session, spec: ResourceSpec, prior: Plain, planned: Plain, patience: float | None) -> Plain:
    """Change the object in place. Its attributes. Raises ApiError or HalfDoneError."""
    wanted = {**planned, "id": prior["id"]}
    for name, described in spec.fields.items():  # what is computed and not said stays what it was
        if wanted.get(name) is None and described.computed:
            wanted[name] = prior.get(name)
    changed = changed_names(spec, prior, wanted)
    try:
        for call in spec.updates:
            names = [name for name in call.on if name in changed and not (call.skip_null and wanted.get(name) is None)]
            if names:
                _call_update(session, spec, call, wanted, names)
                if spec.wait is not None:
                    await_ready(session, spec, wanted, patience)
        if spec.tags is not None:
            _retag(session, spec, prior, wanted)
        if spec.hooks.updated is not None:
            spec.hooks.updated(session, prior, wanted)
        return settled(session, spec, wanted, patience)
    except ApiError as problem:
        [sighting] = look_up(session, [(spec, prior)])
        if sighting.observation is None or sighting.problem is not None:
            raise
        raise HalfDoneError(attributes_of(session, spec, prior, sighting.observation), problem) from None


def changed_names(spec: ResourceSpec, prior: Plain, wanted: Plain) -> set[str]:
    """The attributes and blocks that are not what they were."""
    changed = set()
    for name in (*spec.fields, *spec.blocks):
        before, after = prior.get(name), wanted.get(name)
        described = spec.fields.get(name)
        if described is not None and described.json is not None:
            if not same_document(described.json, before, after):
                changed.add(name)
        elif before != after and not (is_zero(before) and is_zero(after)):
            changed.add(name)
    return changed


def _call_update(session: Session, spec: ResourceSpec, call: Update, wanted: Plain, names: list[str]) -> None:
    values = {name: _value(spec, wanted, name) for name in (*spec.fields, *spec.blocks)} | {"id": wanted["id"]}
    along = [name for name in call.along if name not in names and wanted.get(name)]
    rounds = [[name] for name in names] if call.each else [names + along]
    for round_ in rounds:
        about = {_api_name(spec, name): _value_or_nothing(spec, wanted, name) for name in round_}
        values["@name"], values["@value"] = next(iter(about.items()))
        values["@changed"] = about
        params = render(call.params, values)
        patiently(
            session,
            call.retries,
            spec.create.patience,
            lambda params=params: session.call(spec.service, call.operation, params),  # type: ignore[misc]
        )


def _api_name(spec: ResourceSpec, name: str) -> str:
    described = spec.fields.get(name)
    path = (described.read or described.create) if described is not None else None
    return path.rsplit(".", 1)[-1] if path else name


def _value(spec: ResourceSpec, wanted: Plain, name: str) -> Any:
    value = wanted.get(name)
    described = spec.fields.get(name)
    return value if described is None or value is None else to_api(described, value)


def _value_or_nothing(spec: ResourceSpec, wanted: Plain, name: str) -> Any:
    value = _value(spec, wanted, name)
    return "" if value is None else value


# --- tags -----------------------------------------------------------------------------------------------------------


def _retag(session: Session, spec: ResourceSpec, prior: Plain, wanted: Plain) -> None:
    before: dict[str, str] = prior.get("tags_all") or {}
    after = tags.merged(session.settings, wanted.get("tags"))
    wanted["tags_all"] = after
    if before == after or spec.tags is None:
        return
    if spec.tags.replace is not None:
        _replace_tags(session, spec, wanted, after)
        return
    gone = sorted(before.keys() - after.keys())
    added = {key: value for key, value in after.items() if before.get(key) != value}
    if gone and spec.tags.remove is not None:
        keys = [{"Key": key} for key in gone] if spec.tags.resource_type is not None else gone
        _tag_call(session, spec, spec.tags.remove, wanted, {"@keys": keys})
    if added and spec.tags.add is not None:
        _tag_call(session, spec, spec.tags.add, wanted, {"@tags": tags.to_api(added, spec.tags.form)})


def _tag_later(session: Session, spec: ResourceSpec, made: Plain, carried: Mapping[str, str]) -> None:
    api = spec.tags
    if api is None:
        return
    call = api.replace or api.add
    if call is not None:
        _tag_call(session, spec, call, made, {"@tags": tags.to_api(carried, api.form)})


def _replace_tags(session: Session, spec: ResourceSpec, wanted: Plain, after: Mapping[str, str]) -> None:
    """Set all tags in one call, keeping those that are not managed."""
    api = spec.tags
    if api is None or api.replace is None:
        return
    [sighting] = look_up(session, [(spec, wanted)])
    if sighting.problem is not None:
        raise sighting.problem
    found = tags.read_tags(api, sighting.observation or {})
    kept = {key: value for key, value in found.items() if tags.is_hidden(key, session.settings) and key[:4] != "aws:"}
    everything = {**kept, **after}
    if not everything and api.clear is not None:
        _tag_call(session, spec, api.clear, wanted, {})
    else:
        _tag_call(session, spec, api.replace, wanted, {"@tags": tags.to_api(everything, api.form)})


def _tag_call(
    session: Session, spec: ResourceSpec, call: tuple[str, Mapping[str, Any]], attributes: Plain, about: Plain
) -> None:
    operation, template = call
    params = render(template, {**attributes, **about})
    retries = spec.create.retries
    patiently(session, retries, spec.create.patience, lambda: session.call(spec.service, operation, params))


# --- delete ---------------------------------------------------------------------------------------------------------


def delete(session: Session, spec: ResourceSpec, prior: Plain, patience: float | None) -> None:
    """Delete the object and wait until it is gone. One that is gone already is fine. Raises ApiError."""
    call = spec.delete
    if spec.hooks.deleting is not None:
        spec.hooks.deleting(session, prior)
    if call is None:
        return
    limit = patience or call.patience
    try:
        params = render(call.params, prior)
        patiently(session, call.retries, limit, lambda: session.call(spec.service, call.operation, params))
    except ApiError as problem:
        if problem.code in call.missing:
            return
        raise
    if call.wait:
        _await_gone(session, spec, prior, limit)


def _await_gone(session: Session, spec: ResourceSpec, prior: Plain, patience: float) -> None:
    def attempt() -> None:
        [sighting] = look_up(session, [(spec, prior)])
        if sighting.problem is not None:
            raise sighting.problem
        if sighting.observation is not None:
            raise ApiError(spec.service, "read", _NOT_YET, f"{prior['id']} is still there", answered=False)

    until(session, patience, attempt, lambda problem: problem.code == _NOT_YET)


# --- find -----------------------------------------------------------------------------------------------------------


def find(session: Session, spec: ResourceSpec, token: str) -> Plain | None:
    """The attributes of the object that the token made; None when there is none. Raises ApiError."""
    search = spec.find
    if search is None:
        return None
    params: Plain = {}
    if search.filter_tag:
        params = {"Filters": [{"Name": f"tag:{tags.TOKEN}", "Values": [token]}]}
    ids = [
        str(item if search.id is None else dig(item, search.id))
        for page in session.pages(spec.service, search.operation, params)
        for item in dig(page, search.items) or ()
    ]
    if not search.filter_tag and search.tags is not None:
        marks = session.map(lambda id_: _token_of(session, spec, id_), ids)
        ids = [id_ for id_, mark in zip(ids, marks, strict=True) if mark == token]
    stubs: list[Plain] = [{"id": id_, **(spec.hooks.parse_id(id_) if spec.hooks.parse_id else {})} for id_ in ids]
    for stub, sighting in zip(stubs, look_up(session, [(spec, stub) for stub in stubs]), strict=True):
        if sighting.problem is not None:
            raise sighting.problem
        observation = sighting.observation
        if observation is None or (search.tags is None and not _carries(spec, observation, token)):
            continue
        return attributes_of(session, spec, stub, observation)
    return None


def _carries(spec: ResourceSpec, observation: Plain, token: str) -> bool:
    return spec.tags is not None and tags.read_tags(spec.tags, observation).get(tags.TOKEN) == token


def _token_of(session: Session, spec: ResourceSpec, id_: str) -> str | None:
    search, api = spec.find, spec.tags
    if search is None or search.tags is None or api is None:
        return None
    get = search.tags
    try:
        response = session.call(spec.service, get.operation, render(get.params, {"id": id_}))
    except ApiError as problem:
        if problem.code in (*get.missing, *get.absent):
            return None
        raise
    return tags.from_api(dig(response, get.take) if get.take else response, api.form).get(tags.TOKEN)
