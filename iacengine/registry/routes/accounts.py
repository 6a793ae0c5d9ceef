"""Namespaces, tokens, and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from iacengine.modules.wire import (
    API,
    Audit,
    NamespaceEntry,
    Namespaces,
    NewToken,
    Tokens,
    Whoami,
)
from iacengine.registry.caller import ADMIN, READ
from iacengine.registry.routes.parameters import (
    PROBLEMS,
    Asking,
    Namespace,
    NamespaceBody,
    Reader,
    TokenBody,
    change,
    from_store,
    said,
)
from iacengine.registry.service import service_of
from iacengine.registry.store.accounts import find_namespace, list_namespaces, put_namespace
from iacengine.registry.store.audit import entries_after
from iacengine.registry.store.times import rfc3339
from iacengine.registry.store.tokens import create_token, list_tokens, new_secret, revoke_token

router = APIRouter(prefix=API, responses=PROBLEMS, tags=["accounts"])


@router.get("/namespaces", response_model=Namespaces)
async def read_namespaces(request: Request, caller: Reader) -> Response:
    """All namespaces, by name."""
    return await from_store(request, lambda on: Namespaces(list_namespaces(on)), "read the namespaces")


@router.get("/namespaces/{namespace}", response_model=NamespaceEntry)
async def read_namespace(request: Request, caller: Reader, namespace: Namespace) -> Response:
    """One namespace."""
    return await from_store(request, lambda on: find_namespace(on, namespace), "read a namespace")


@router.put("/namespaces/{namespace}", response_model=NamespaceEntry, responses={201: {"model": NamespaceEntry}})
async def write_namespace(request: Request, caller: Asking, namespace: Namespace, body: NamespaceBody) -> Response:
    """Make a namespace, or describe it anew. Administrators only."""
    caller.require(ADMIN)
    new = await change(
        request, lambda on: put_namespace(on, caller, namespace, body.description), "make a namespace", namespace
    )
    service = service_of(request)
    entry = await service.run(lambda: service.store.read(lambda on: find_namespace(on, namespace), "read a namespace"))
    return said(entry, 201 if new else 200)


@router.get("/whoami", response_model=Whoami)
async def whoami(caller: Asking) -> Response:
    """Whose token this is."""
    caller.require(READ)
    return said(Whoami(caller.user, caller.token_id, tuple(sorted(caller.scopes)), rfc3339(caller.expires)))


@router.get("/tokens", response_model=Tokens)
async def read_tokens(request: Request, caller: Asking) -> Response:
    """One's own tokens; an administrator's are all."""
    caller.require(READ)
    account = None if caller.may(ADMIN) else caller.account_id
    service = service_of(request)
    tokens = await service.run(lambda: service.store.read(lambda on: list_tokens(on, account), "list tokens"))
    return said(Tokens(tokens))


@router.post("/tokens", response_model=NewToken, status_code=201)
async def make_token(request: Request, caller: Asking, body: TokenBody) -> Response:
    """Make a token for oneself that may do no more, and lasts no longer, than the one that asks."""
    caller.require(READ)
    for scope in body.scopes:
        caller.require(scope)
    expires = caller.expires
    if body.days is not None:
        asked = datetime.now(UTC) + timedelta(days=body.days)
        expires = asked if expires is None else min(asked, expires)
    secret = new_secret()
    entry = await change(
        request,
        lambda on: create_token(on, caller, secret, caller.account_id, body.name, body.scopes, expires),
        "make a token",
        "tokens",
    )
    return said(NewToken(secret, entry), 201)


@router.delete("/tokens/{token}", status_code=204)
async def drop_token(
    request: Request, caller: Asking, token: Annotated[str, Path(pattern="^[a-z2-7]{10}$")]
) -> Response:
    """Let one of one's own tokens count no more; an administrator may name anybody's."""
    caller.require(READ)
    account = None if caller.may(ADMIN) else caller.account_id
    await change(request, lambda on: revoke_token(on, caller, token, account), "revoke a token", "tokens")
    service_of(request).authenticator.forget()
    return Response(status_code=204)


@router.get("/audit", response_model=Audit)
async def read_audit(
    request: Request,
    caller: Asking,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Who did what. Administrators only."""
    caller.require(ADMIN)
    service = service_of(request)
    entries = await service.run(
        lambda: service.store.read(lambda on: entries_after(on, after, limit), "read the audit log")
    )
    return said(Audit(entries))
