"""Packages: published, downloaded."""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from iacengine.modules.wire import (
    API,
    LARGEST_ENVELOPE,
    MOST_ENVELOPES,
    PACKAGE_TYPE,
    Envelopes,
    Published,
)
from iacengine.registry.answers import LARGEST_KEPT, Kept, kept_package, package_etag, package_headers
from iacengine.registry.gate import answer_key, if_none_match, matches
from iacengine.registry.publishing import publish_package, sign_version
from iacengine.registry.refusal import Refusal
from iacengine.registry.routes.parameters import (
    PROBLEMS,
    Asking,
    Module,
    VersionText,
    find_reader,
    given,
    label_of,
    route_of,
    said,
)
from iacengine.registry.service import Service, service_of
from iacengine.registry.store.modules import StoredPackage, stored_package

router = APIRouter(prefix=f"{API}/modules", responses=PROBLEMS, tags=["packages"])

_PATH = "/{namespace}/{name}/{system}/versions/{version}"
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)

_PUBLICATION = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["package"],
                    "properties": {
                        "package": {"type": "string", "format": "binary"},
                        "envelope": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_ENVELOPES},
                    },
                }
            }
        },
    }
}


@router.put(_PATH, response_model=Published, responses={201: {"model": Published}}, openapi_extra=_PUBLICATION)
async def publish(request: Request, caller: Asking, module: Module, version: VersionText) -> Response:
    """Publish a version: 201, or 200 when these bytes were there already. Other bytes are refused."""
    caller.require(f"publish:{module.namespace}")
    service = service_of(request)
    try:
        package, envelopes = await _upload(request, service)
        try:
            published = await service.run_heavy(
                lambda: publish_package(
                    service.store,
                    service.blobs,
                    caller,
                    module,
                    version,
                    package,
                    envelopes,
                    service.settings.hosts,
                )
            )
        finally:
            package.unlink(missing_ok=True)
    except Refusal:
        service.metrics.publications.labels("refused").inc()
        raise
    await service.run_slow(lambda: service.changed(label_of(module)))
    service.metrics.publications.labels("published" if published.created else "there already").inc()
    return said(published, 201 if published.created else 200)


async def _upload(request: Request, service: Service) -> tuple[Path, list[bytes]]:
    """The uploaded package, as a file of ours, and the envelopes. Raises Refusal."""
    try:
        form = await request.form(max_files=1, max_fields=MOST_ENVELOPES, max_part_size=LARGEST_ENVELOPE)
    except (MultiPartException, KeyError) as problem:
        raise _no_publication(str(getattr(problem, "message", problem))) from None
    except ClientDisconnect:
        raise Refusal(400, "cut_off", "The request was cut off") from None
    except Exception as problem:
        if isinstance(problem.__cause__, Refusal):
            raise problem.__cause__ from None
        if (detail := getattr(problem, "detail", None)) and getattr(problem, "status_code", 0) == 400:
            raise _no_publication(str(detail)) from None
        raise
    try:
        package = form.get("package")
        if not isinstance(package, UploadFile):
            raise _no_publication("There is no file named package.")
        envelopes = form.getlist("envelope")
        if not all(isinstance(one, str) for one in envelopes) or set(form) - {"package", "envelope"}:
            raise _no_publication("Besides the file package there may be fields named envelope, and no others.")
        source = package.file
        return await service.run_slow(lambda: _stored(source, service.settings)), [
            one.encode("utf-8", "replace") for one in envelopes if isinstance(one, str)
        ]
    finally:
        await form.close()


def _stored(source: Any, settings: Any) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="upload-", suffix=".tar.gz", dir=settings.folder)
    size = 0
    try:
        with os.fdopen(descriptor, "wb") as target:
            while piece := source.read(1 << 20):
                size += len(piece)
                if size > settings.largest_package:
                    raise Refusal(
                        413,
                        "too_large",
                        "The package is too large",
                        f"At most {settings.largest_package} bytes are taken.",
                        "Make it smaller, or split the module.",
                    )
                target.write(piece)
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _no_publication(detail: str) -> Refusal:
    return Refusal(
        422,
        "no_publication",
        "This is no publication",
        detail,
        "Send multipart/form-data with the file package, and fields envelope.",
    )


_ENVELOPE = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


@router.post(f"{_PATH}/envelopes", response_model=Envelopes, openapi_extra=_ENVELOPE)
async def sign(request: Request, caller: Asking, module: Module, version: VersionText) -> Response:
    """Add an envelope to a version, which is the body."""
    caller.require(f"publish:{module.namespace}")
    service = service_of(request)
    text = await request.body()
    label, hosts = label_of(module), service.settings.hosts
    found = await service.run_change(lambda: sign_version(service.store, caller, label, version, text, hosts), label)
    return said(found)


_DOWNLOAD: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {PACKAGE_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
    for status, text in ((200, "The package"), (206, "A part of it"))
}
_DOWNLOAD |= {304: {"description": "It has not changed"}}


@router.head(f"{_PATH}/package", responses=_DOWNLOAD, response_class=Response, operation_id="head_package")
@router.get(f"{_PATH}/package", responses=_DOWNLOAD, response_class=Response, operation_id="get_package")
async def download(
    request: Request, module: Module, version: VersionText, ticket: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The bytes of a package. The ETag is its digest."""
    return await send_package(request, label_of(module), version, ticket)


async def send_package(request: Request, label: str, version: str, ticket: str = "") -> Response:
    """Answer with a package, or the part of it that is asked for. Raises Refusal."""
    service = service_of(request)
    path = request.scope["path"]
    if not (ticket and not service.settings.open and await service.run(lambda: service.tickets.good(path, ticket))):
        await find_reader(request)
    drawn = service.answers.begin()
    asked = _Asked(
        request.method == "HEAD",
        if_none_match(request.scope),
        request.headers.get("if-range"),
        request.headers.get("range"),
    )
    # Whatever waits is done in one go, since each change of threads costs as much as looking a package up.
    found = await service.run_slow(lambda: _found(service, label, version, asked))
    stored, start, end = found.stored, found.start, found.end
    partial = (start, end) != (0, stored.size)
    headers = package_headers(label, version, stored, start, end)
    if found.pieces is None:
        return given(request, Kept(b"", package_etag(stored).encode(), headers, route_of(request)))
    if start == 0:  # the rest of one that was cut off is no second download
        service.metrics.downloads.inc()
        service.count_download(stored.module_id, stored.version_id)
    if isinstance(found.pieces, bytes):
        if not partial:
            kept = kept_package(label, version, stored, found.pieces, route_of(request))
            service.answers.keep(answer_key(request.scope), kept, drawn, label)
        response = Response(found.pieces, 206 if partial else 200)
        response.raw_headers = list(headers)
        return response
    streamed = StreamingResponse(_streamed(service, found.pieces), 206 if partial else 200)
    streamed.raw_headers = list(headers)
    return streamed


@dataclass(frozen=True, slots=True)
class _Asked:
    """What headers ask for."""

    only_head: bool
    if_none_match: bytes
    if_range: str | None
    range: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A package, and which part of it is to be sent: all of that when it is small, else in pieces; None: nothing."""

    stored: StoredPackage
    start: int
    end: int
    pieces: bytes | Iterator[bytes] | None


def _found(service: Service, label: str, version: str, asked: _Asked) -> _Found:
    """Look a package up and begin to read it. Raises Refusal, DatabaseError, DiagnosticsError."""
    stored = service.store.read(lambda connection: stored_package(connection, label, version), "look a version up")
    etag = package_etag(stored)
    start, end = 0, stored.size
    if asked.range is not None and not asked.if_none_match and asked.if_range in (None, etag):
        start, end = _part(asked.range, stored.size)
    if asked.only_head or (asked.if_none_match and matches(asked.if_none_match, etag.encode())):
        return _Found(stored, start, end, None)
    pieces = _opened(service, stored, start, end)
    if end - start > LARGEST_KEPT:
        return _Found(stored, start, end, pieces)
    body = b"".join(pieces)
    if len(body) != end - start:
        raise _package_missing()
    return _Found(stored, start, end, body)


def _opened(service: Service, stored: StoredPackage, start: int, end: int) -> Iterator[bytes]:
    """The pieces, of which the first was read, so that what fails does so before the answer has begun."""
    try:
        pieces = service.blobs.read(stored.digest, start, end - start)
        first = next(pieces, b"")
    except FileNotFoundError:
        raise _package_missing() from None
    return itertools.chain((first,), pieces)


def _package_missing() -> Refusal:
    return Refusal(503, "package_missing", "The package cannot be read", "", "Tell whoever runs the registry.")


async def _streamed(service: Service, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        piece = await service.run_slow(lambda: next(pieces, b""))
        if not piece:
            return
        yield piece


def _part(asked: str, size: int) -> tuple[int, int]:
    """Start and end of the range that is asked for; all of it when that makes no sense, as RFC 9110, 14.2, allows, or
    asks for several. Raises Refusal (416) when it lies behind the end."""
    match = _RANGE.fullmatch(asked.strip())
    if match is None or not (match[1] or match[2]):
        return 0, size
    if not match[1]:
        length = int(match[2])
        start, end = max(0, size - length), size
        unsatisfiable = length == 0
    else:
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return 0, size
        unsatisfiable = start >= size
    if unsatisfiable:
        raise Refusal(
            416,
            "no_such_range",
            "No such part",
            f"The package has {size} bytes.",
            "",
            {"Content-Range": f"bytes */{size}"},
        )
    return start, end
