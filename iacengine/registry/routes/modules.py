"""Searching modules, and reading what is known of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from iacengine.modules.wire import (
    API,
    MOST_HITS,
    Dependents,
    Envelopes,
    ModuleDetail,
    ModuleVersions,
    Provenance,
    SearchAnswer,
    VersionDetail,
)
from iacengine.registry.routes.parameters import (
    NO_NUL,
    PROBLEMS,
    Module,
    Offset,
    Reader,
    VersionText,
    from_store,
    label_of,
)
from iacengine.registry.store.modules import (
    dependents,
    module_detail,
    module_versions,
    provenance,
    stored_package,
    version_detail,
)
from iacengine.registry.store.searching import Search, search
from iacengine.registry.store.signatures import envelopes_of

router = APIRouter(prefix=f"{API}/modules", responses=PROBLEMS, tags=["modules"])

Limit = Annotated[int, Query(ge=1, le=MOST_HITS)]
Filter = Annotated[str, Query(max_length=200, pattern=NO_NUL)]


@router.get("", response_model=SearchAnswer)
async def search_modules(
    request: Request,
    caller: Reader,
    q: Filter = "",
    namespace: Filter = "",
    system: Filter = "",
    tag: Filter = "",
    resource_type: Filter = "",
    limit: Limit = 20,
    offset: Offset = 0,
) -> Response:
    """Find modules by words, and by what they are and use; the best first."""
    wanted = Search(q, namespace, system, tag, resource_type, offset, limit)
    return await from_store(request, lambda connection: search(connection, wanted), "search")


@router.get("/{namespace}/{name}/{system}", response_model=ModuleDetail)
async def read_module(request: Request, caller: Reader, module: Module) -> Response:
    """A module as a whole."""
    label = label_of(module)
    return await from_store(request, lambda connection: module_detail(connection, label), "read a module")


@router.get("/{namespace}/{name}/{system}/dependents", response_model=Dependents)
async def read_dependents(
    request: Request, caller: Reader, module: Module, limit: Limit = 100, offset: Offset = 0
) -> Response:
    """The modules whose newest version depends on this one."""
    label = label_of(module)
    return await from_store(request, lambda connection: dependents(connection, label, offset, limit), "read dependents")


@router.get("/{namespace}/{name}/{system}/versions", response_model=ModuleVersions)
async def read_versions(request: Request, caller: Reader, module: Module) -> Response:
    """All versions, the newest first, with what each depends on."""
    label = label_of(module)
    return await from_store(
        request, lambda connection: module_versions(connection, label), "read versions", about=label
    )


@router.get("/{namespace}/{name}/{system}/versions/{version}", response_model=VersionDetail)
async def read_version(request: Request, caller: Reader, module: Module, version: VersionText) -> Response:
    """A version, and what is in it."""
    label = label_of(module)
    return await from_store(request, lambda connection: version_detail(connection, label, version), "read a version")


@router.get("/{namespace}/{name}/{system}/versions/{version}/provenance", response_model=Provenance)
async def read_provenance(request: Request, caller: Reader, module: Module, version: VersionText) -> Response:
    """Where a version comes from: digests, publisher, revision, envelopes."""
    label = label_of(module)
    return await from_store(request, lambda connection: provenance(connection, label, version), "read a provenance")


@router.get("/{namespace}/{name}/{system}/versions/{version}/envelopes", response_model=Envelopes)
async def read_envelopes(request: Request, caller: Reader, module: Module, version: VersionText) -> Response:
    """The envelopes of a version, as they were given."""
    label = label_of(module)
    return await from_store(
        request,
        lambda connection: Envelopes(envelopes_of(connection, stored_package(connection, label, version).version_id)),
        "read envelopes",
    )
