"""What routes are given: parts of addresses, callers, bodies; and how they answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from iacengine.modules.model import ModuleAddress
from iacengine.modules.wire import (
    NAME_PATTERN,
    NAMESPACE_PATTERN,
    PROBLEM_TYPE,
    SYSTEM_PATTERN,
    VERSION_PATTERN,
    encode,
)
from iacengine.registry.answers import Kept, kept_json
from iacengine.registry.caller import READ, SCOPE_PATTERN, Caller
from iacengine.registry.gate import answer_key, if_none_match, matches
from iacengine.registry.service import Service, service_of

NO_NUL = r"^[^\x00]*$"

Namespace = Annotated[str, Path(pattern=NAMESPACE_PATTERN)]
Name = Annotated[str, Path(pattern=NAME_PATTERN)]
System = Annotated[str, Path(pattern=SYSTEM_PATTERN)]
VersionText = Annotated[str, Path(pattern=VERSION_PATTERN)]
Offset = Annotated[int, Query(ge=0, le=10_000)]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused, or failed",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


class ReasonBody(BaseModel):
    """Why."""

    reason: str = Field(default="", max_length=1000, pattern=NO_NUL)


class DeprecationBody(BaseModel):
    """Why not to use a module, and what to use instead: an address, or ""."""

    reason: str = Field(default="", max_length=1000, pattern=NO_NUL)
    successor: str = Field(default="", max_length=400, pattern=r"^[0-9A-Za-z./:_-]*$")


class NamespaceBody(BaseModel):
    """What a namespace is for."""

    description: str = Field(default="", max_length=1000, pattern=NO_NUL)


class TokenBody(BaseModel):
    """A token that is asked for; `days` null: as long as the one that asks."""

    name: str = Field(min_length=1, max_length=100, pattern=NO_NUL)
    scopes: list[Annotated[str, Field(pattern=SCOPE_PATTERN)]] = Field(min_length=1, max_length=100)
    days: float | None = Field(default=None, gt=0, le=3650)


async def module_address(namespace: Namespace, name: Name, system: System) -> ModuleAddress:
    """The module of a path."""
    return ModuleAddress("", namespace, name, system)


Module = Annotated[ModuleAddress, Depends(module_address)]


async def find_caller(request: Request) -> Caller:
    """Who asks: nobody in particular without a token. Raises Refusal for a token that is not good."""
    state = request.scope["state"]
    caller: Caller | None = state.get("caller")
    secret: str | None = state.get("secret")
    if caller is None:
        address = state["address"]
        if secret:
            service = service_of(request)
            caller = await service.run(lambda: service.authenticator.caller(secret, address))
        else:
            caller = Caller(address=address)
    state["user"] = caller.user
    return caller


async def find_reader(request: Request) -> Caller:
    """Who asks to read, and may. Raises Refusal."""
    caller = await find_caller(request)
    if not service_of(request).settings.open:
        caller.require(READ)
    return caller


Asking = Annotated[Caller, Depends(find_caller)]
Reader = Annotated[Caller, Depends(find_reader)]


async def from_store(request: Request, work: Callable[[Connection], Any], doing: str, *, about: str = "") -> Response:
    """Read a message from the store, and answer with it; it is kept in memory until something changes. `about`: the
    label of the only module that it depends on."""
    service = service_of(request)
    ticket = service.answers.begin()
    body = await service.run(lambda: encode(service.store.read(work, doing)))
    kept = kept_json(body, route_of(request))
    service.answers.keep(answer_key(request.scope), kept, ticket, about)
    return given(request, kept)


def given(request: Request, kept: Kept) -> Response:
    """An answer, or that it has not changed."""
    condition = if_none_match(request.scope)
    unchanged = bool(condition) and matches(condition, kept.etag)
    response = Response(b"" if unchanged else kept.body, 304 if unchanged else 200)
    skipped = (b"content-length", b"content-type") if unchanged else ()
    response.raw_headers = [pair for pair in kept.headers if pair[0] not in skipped]
    return response


def said(message: Any, status: int = 200) -> Response:
    """A message as an answer that nobody keeps."""
    return Response(encode(message), status, {"Cache-Control": "no-store"}, "application/json")


def route_of(request: Request) -> str:
    """The pattern of the path."""
    return str(getattr(request.scope.get("route"), "path_format", request.scope["path"]))


async def change(request: Request, work: Callable[[Connection], Any], doing: str, subject: str) -> Any:
    """Write to the store; answers kept in this process are forgotten before this returns."""
    service: Service = service_of(request)
    return await service.run_change(lambda: service.store.write(work, doing, subject), subject)


def label_of(module: ModuleAddress) -> str:
    """NAMESPACE/NAME/SYSTEM."""
    return f"{module.namespace}/{module.name}/{module.system}"
