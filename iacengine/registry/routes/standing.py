"""Yanking, deprecating, deleting, revoking."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from iacengine.modules.wire import API, KEY_PATTERN, Revocations
from iacengine.registry.caller import ADMIN
from iacengine.registry.publishing import delete_version
from iacengine.registry.routes.parameters import (
    NO_NUL,
    PROBLEMS,
    Asking,
    DeprecationBody,
    Module,
    Reader,
    ReasonBody,
    VersionText,
    change,
    from_store,
    label_of,
)
from iacengine.registry.service import service_of
from iacengine.registry.store.signatures import list_revocations, revoke_key
from iacengine.registry.store.standing import deprecate, yank

router = APIRouter(prefix=API, responses=PROBLEMS, tags=["standing"])

_MODULE = "/modules/{namespace}/{name}/{system}"
_VERSION = f"{_MODULE}/versions/{{version}}"


@router.put(f"{_VERSION}/yank", status_code=204)
async def put_yank(
    request: Request, caller: Asking, module: Module, version: VersionText, body: ReasonBody
) -> Response:
    """Let nobody choose this version who has not locked it."""
    caller.require(f"publish:{module.namespace}")
    label = label_of(module)
    await change(request, lambda on: yank(on, caller, label, version, body.reason), f"yank {label}", label)
    return Response(status_code=204)


@router.delete(f"{_VERSION}/yank", status_code=204)
async def delete_yank(request: Request, caller: Asking, module: Module, version: VersionText) -> Response:
    """Let a yanked version be chosen again."""
    caller.require(f"publish:{module.namespace}")
    label = label_of(module)
    await change(request, lambda on: yank(on, caller, label, version, None), f"unyank {label}", label)
    return Response(status_code=204)


@router.put(f"{_MODULE}/deprecation", status_code=204)
async def put_deprecation(request: Request, caller: Asking, module: Module, body: DeprecationBody) -> Response:
    """Advise against a module, and name its successor."""
    caller.require(f"publish:{module.namespace}")
    label = label_of(module)
    await change(
        request, lambda on: deprecate(on, caller, label, body.reason, body.successor), f"deprecate {label}", label
    )
    return Response(status_code=204)


@router.delete(f"{_MODULE}/deprecation", status_code=204)
async def delete_deprecation(request: Request, caller: Asking, module: Module) -> Response:
    """Advise against a module no more."""
    caller.require(f"publish:{module.namespace}")
    label = label_of(module)
    await change(request, lambda on: deprecate(on, caller, label, None), f"undeprecate {label}", label)
    return Response(status_code=204)


@router.delete(_VERSION, status_code=204)
async def delete(
    request: Request,
    caller: Asking,
    module: Module,
    version: VersionText,
    reason: Annotated[str, Query(min_length=1, max_length=1000, pattern=NO_NUL)],
) -> Response:
    """Delete a version for good. Administrators only; its number is not given away again."""
    caller.require(ADMIN)
    service = service_of(request)
    label = label_of(module)
    await service.run_change(
        lambda: delete_version(service.store, service.blobs, caller, label, version, reason), label
    )
    return Response(status_code=204)


@router.get("/revocations", response_model=Revocations)
async def read_revocations(request: Request, caller: Reader) -> Response:
    """The keys whose signatures count no more."""
    return await from_store(request, lambda on: Revocations(list_revocations(on)), "read the revocations")


@router.put("/revocations/{key}", status_code=204)
async def put_revocation(
    request: Request, caller: Asking, key: Annotated[str, Path(pattern=KEY_PATTERN)], body: ReasonBody
) -> Response:
    """Let the signatures of a key count no more, which cannot be taken back. Administrators only."""
    caller.require(ADMIN)
    await change(request, lambda on: revoke_key(on, caller, key, body.reason), "revoke a key", "revocations")
    return Response(status_code=204)
