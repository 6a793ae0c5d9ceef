"""Terraform's protocols: service discovery, and the registry of modules.

https://developer.hashicorp.com/terraform/internals/remote-service-discovery and module-registry-protocol. Versions that
are yanked are left out of lists, since Terraform locks no modules and would choose them; they can still be downloaded.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from iacengine.modules.wire import encode, package_path
from iacengine.registry.answers import kept_json
from iacengine.registry.gate import answer_key
from iacengine.registry.refusal import no_version
from iacengine.registry.routes.parameters import (
    Module,
    Reader,
    VersionText,
    given,
    label_of,
    route_of,
    said,
)
from iacengine.registry.service import service_of
from iacengine.registry.store.modules import module_detail, module_versions, stored_package

router = APIRouter(include_in_schema=False)

_PATH = "/v1/modules/{namespace}/{name}/{system}"


@router.get("/.well-known/terraform.json")
async def discover() -> Response:
    """Where the services are."""
    return said({"modules.v1": "/v1/modules/", "iacengine.v1": "/api/v1/"})


@router.get(f"{_PATH}/versions")
async def list_versions(request: Request, caller: Reader, module: Module) -> Response:
    """All versions that may be chosen."""
    service = service_of(request)
    label = label_of(module)
    drawn = service.answers.begin()
    found = await service.run(lambda: service.store.read(lambda on: module_versions(on, label), "read versions"))
    versions = [{"version": one.version} for one in found.versions if not one.yanked]
    kept = kept_json(encode({"modules": [{"source": label, "versions": versions}]}), route_of(request))
    service.answers.keep(answer_key(request.scope), kept, drawn, label)
    return given(request, kept)


@router.get(f"{_PATH}/download")
async def download_latest(request: Request, caller: Reader, module: Module) -> Response:
    """Leads to the newest version."""
    service = service_of(request)
    label = label_of(module)
    found = await service.run(lambda: service.store.read(lambda on: module_detail(on, label), "read a module"))
    if not found.latest:
        raise no_version(label, "that is not yanked")
    path = f"/v1/modules/{label}/{found.latest.replace('+', '%2B')}/download"
    return Response(status_code=302, headers={"Location": path})


@router.get(f"{_PATH}/{{version}}/download")
async def download_version(request: Request, caller: Reader, module: Module, version: VersionText) -> Response:
    """Says where the package is."""
    service = service_of(request)
    label = label_of(module)
    await service.run(lambda: service.store.read(lambda on: stored_package(on, label, version), "look a version up"))
    path = package_path(module, version)
    # go-getter tells an archive by its name or by this parameter, which it takes away before it asks.
    target = f"{path}?archive=tar.gz"
    if not service.settings.open:
        plain = path.replace("%2B", "+")
        target += f"&ticket={await service.run(lambda: service.tickets.issue(plain))}"
    return Response(status_code=204, headers={"X-Terraform-Get": target})
