"""The addresses of pages. What they show is read as for the API; answers are kept in memory in the same way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection

from iacengine.modules.model import ModuleAddress
from iacengine.modules.wire import (
    API,
    NAME_PATTERN,
    NAMESPACE_PATTERN,
    SYSTEM_PATTERN,
    VERSION_PATTERN,
    decode,
    encode,
    package_path,
)
from iacengine.registry.answers import Kept, kept_json
from iacengine.registry.gate import answer_key
from iacengine.registry.refusal import Refusal, no_module, no_version
from iacengine.registry.routes.parameters import Reader, given, label_of, route_of
from iacengine.registry.service import Service, service_of
from iacengine.registry.store.accounts import find_namespace
from iacengine.registry.store.filters import Filters, filters
from iacengine.registry.store.modules import module_versions, version_detail
from iacengine.registry.store.searching import search
from iacengine.registry.web.assets import assets
from iacengine.registry.web.comparison import compare
from iacengine.registry.web.module_graph import HEIGHT, WIDTH, draw
from iacengine.registry.web.module_page import ModulePage, read_module_page
from iacengine.registry.web.readme import render_readme
from iacengine.registry.web.rendering import HTML, PAGE_HEADERS, fill, module_url
from iacengine.registry.web.search_page import Asked, Results, asked
from iacengine.registry.web.usage import usage_of

router = APIRouter(include_in_schema=False)

_HOST = re.compile(r"[0-9A-Za-z.-]{1,253}(?::[0-9]{1,5})?")
_FOR_EVER = "public, max-age=31536000, immutable"
_FILTERS = "filters of searches"
_MODULE = "/modules/{namespace}/{name}/{system}"


async def page_module(namespace: str, name: str, system: str) -> ModuleAddress:
    """The module of a page. Raises Refusal: there is none of a name that is no name."""
    address = ModuleAddress("", namespace, name, system)
    patterns = (NAMESPACE_PATTERN, NAME_PATTERN, SYSTEM_PATTERN)
    if not all(re.fullmatch(pattern, part) for pattern, part in zip(patterns, (namespace, name, system), strict=True)):
        raise no_module(label_of(address)[:100])
    return address


PageModule = Annotated[ModuleAddress, Depends(page_module)]


@router.api_route("/", methods=["GET", "HEAD"])
@router.api_route("/search", methods=["GET", "HEAD"])
async def show_search(request: Request, caller: Reader) -> Response:
    """The search, and the modules that it finds; all of them when nothing is asked for."""
    wanted = asked(request.query_params)
    service = service_of(request)

    def make() -> bytes:
        found, choices = service.store.read(
            lambda on: (Results(wanted, search(on, wanted.search)), _filters(service, on)), "search"
        )
        return fill("search.html", results=found, choices=choices, home=request.url.path == "/")

    return await _page(request, make)


@router.get("/search/results")
async def show_results(request: Request, caller: Reader) -> Response:
    """What changes of the page of a search while one types."""
    wanted = asked(request.query_params)
    service = service_of(request)

    def make() -> bytes:
        found = service.store.read(lambda on: Results(wanted, search(on, wanted.search)), "search")
        return fill("results.html", results=found, choices=None)

    return await _page(request, make)


@router.api_route("/namespaces/{namespace}", methods=["GET", "HEAD"])
async def show_namespace(request: Request, caller: Reader, namespace: str) -> Response:
    """A namespace, and its modules."""
    if re.fullmatch(NAMESPACE_PATTERN, namespace) is None:
        raise Refusal(404, "no_such_namespace", "No such namespace", f"There is no namespace {namespace[:100]}.")
    wanted = Asked(namespace=namespace, page=asked(request.query_params).page)
    service = service_of(request)

    def make() -> bytes:
        entry, found = service.store.read(
            lambda on: (find_namespace(on, namespace), Results(wanted, search(on, wanted.search))), "read a namespace"
        )
        return fill("namespace.html", namespace=entry, results=found)

    return await _page(request, make)


@router.api_route(_MODULE, methods=["GET", "HEAD"])
async def show_module(request: Request, caller: Reader, module: PageModule) -> Response:
    """A module, at the version to use."""
    return await _module_page(request, module, "")


@router.api_route(f"{_MODULE}/compare", methods=["GET", "HEAD"])
async def show_comparison(request: Request, caller: Reader, module: PageModule) -> Response:
    """What differs between two versions: `from` and `to`; by default the newest, and the one before it."""
    service, label = service_of(request), label_of(module)
    first, second = (_version(label, request.query_params.get(name, "")) for name in ("from", "to"))

    def read(on: Connection) -> Any:
        versions = [one.version for one in module_versions(on, label).versions]
        after = second or (versions[0] if versions else "")
        before = first or next(iter(versions[versions.index(after) + 1 :] if after in versions else ()), after)
        return versions, version_detail(on, label, before), version_detail(on, label, after)

    def make() -> bytes:
        versions, before, after = service.store.read(read, "compare versions")
        sections = compare(before, after)
        return fill(
            "compare.html",
            label=label,
            versions=versions,
            before=before,
            after=after,
            sections=sections,
            breaking=[one for section in sections for one in section.differences if one.breaking],
        )

    return await _page(request, make)


@router.api_route(f"{_MODULE}/{{version}}", methods=["GET", "HEAD"])
async def show_version(request: Request, caller: Reader, module: PageModule, version: str) -> Response:
    """A module, at one version."""
    return await _module_page(request, module, _version(label_of(module), version))


@router.get("/static/{digest}/{name}")
async def show_asset(digest: str, name: str) -> Response:
    """A file that pages load."""
    asset = assets().get(name)
    if asset is None or asset.path != f"/static/{digest}/{name}":
        raise Refusal(404, "not_found", "There is nothing here")
    return Response(asset.body, headers={"Cache-Control": _FOR_EVER}, media_type=asset.media_type)


async def _module_page(request: Request, module: ModuleAddress, version: str) -> Response:
    service, label = service_of(request), label_of(module)
    host = _host(request, service)

    def make() -> bytes:
        shown = service.store.read(lambda on: read_module_page(on, label, version), "read a module's page")
        return _filled(shown, module, host)

    # Without a name of the registry's own, the page has that by which it was asked for.
    key = answer_key(request.scope) if service.settings.hosts else (host, *answer_key(request.scope))
    return await _page(request, make, key)


def _filled(shown: ModulePage, module: ModuleAddress, host: str) -> bytes:
    contents = shown.detail.contents
    return fill(
        "module.html",
        shown=shown,
        readme=render_readme(contents.readme),
        inputs=sorted(contents.inputs, key=lambda one: one.default is not None),
        usage=usage_of(shown.detail, host),
        picture=draw(shown.module.address, shown.around),
        box=(WIDTH, HEIGHT),
        package=package_path(module, shown.version),
        api=f"{API}/modules/{shown.module.address}/versions/{shown.version.replace('+', '%2B')}",
        here=module_url(shown.module.address, shown.version),
    )


def _version(label: str, text: str) -> str:
    """Raises Refusal for what is no version, and has thus no page."""
    if text and re.fullmatch(VERSION_PATTERN, text) is None:
        raise no_version(label, text[:100])
    return text


def _host(request: Request, service: Service) -> str:
    if service.settings.hosts:
        return min(service.settings.hosts)
    asked_for = request.headers.get("host", "")
    return asked_for.lower() if _HOST.fullmatch(asked_for) else ""


# --- answering -------------------------------------------------------------------------------------------------------


async def _page(request: Request, make: Callable[[], bytes], key: Hashable | None = None) -> Response:
    """The page, from memory if it is there; otherwise made in a thread, and kept until something changes."""
    service = service_of(request)
    if key is None:
        key = answer_key(request.scope)
    kept = service.answers.find(key)
    if kept is None:
        ticket = service.answers.begin()
        kept = _kept_page(await service.run(make), route_of(request))
        service.answers.keep(key, kept, ticket)
    return given(request, kept)


def _kept_page(body: bytes, route: str) -> Kept:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
    headers = {"Content-Type": HTML, "Content-Length": str(len(body)), "Cache-Control": "no-cache", **PAGE_HEADERS}
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return Kept(body, etag, (*pairs, (b"etag", etag)), route)


def _filters(service: Service, connection: Connection) -> Filters:
    """What filters offer; kept as answers are, since counting it takes longer than a search."""
    kept = service.answers.find(_FILTERS)
    if kept is not None:
        return decode(Filters, kept.body)
    ticket = service.answers.begin()
    found = filters(connection)
    service.answers.keep(_FILTERS, kept_json(encode(found), ""), ticket)
    return found
