"""The gate: what every request passes, before and after the routes.

It names the request, limits how often and how much, how slowly one may send and take, answers from memory where it can,
logs and measures, and turns what goes wrong into a `Problem`. It is plain ASGI, since it costs every request.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from iacengine.foundation.database import DatabaseError
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.wire import API, PROBLEM_TYPE, Problem, encode
from iacengine.registry.answers import LARGEST_KEPT, Kept, kept_package
from iacengine.registry.auth import secret_in
from iacengine.registry.limits import counted_as
from iacengine.registry.refusal import Refusal
from iacengine.registry.service import Service
from iacengine.registry.warming import VERSIONS_ROUTE
from iacengine.registry.web.problem_page import problem_page, wants_page

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PACKAGE_ROUTE = f"{VERSIONS_ROUTE}/{{version}}/package"
_KNOWN = re.compile(rf"{API}/modules/([^/]+/[^/]+/[^/]+)/versions(?:/([^/]+)/package)?")
_REQUEST_ID = re.compile(rb"[0-9A-Za-z_-]{8,64}")
_LARGEST_BODY = 64 << 10  # bytes, of everything but a publication
_ROOM = 1 << 20  # bytes that a publication may have besides its package
_LONGEST_TARGET = 4096  # bytes of path and query
_SENDING = 60.0  # seconds that a client may take nothing
_UNLIMITED = ("/healthz", "/readyz", "/metrics")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)

log = structlog.get_logger("iacengine.registry")


class Gate:
    """ASGI around the application."""

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(self._service, scope, receive, send)
        metrics = self._service.metrics
        metrics.running.inc()
        try:
            await passage.through(self._app)
        finally:
            metrics.running.dec()
            passage.tell()


class _TakesNothingError(Exception):
    """The client does not read its answer."""


class _Passage:
    """One request on its way through."""

    __slots__ = (
        "_body_ends",
        "_headers",
        "_largest",
        "_read",
        "_receive",
        "_route",
        "_scope",
        "_send",
        "_service",
        "_started",
        "_status",
        "address",
        "request_id",
    )

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self._service, self._scope, self._receive, self._send = service, scope, receive, send
        self._started = time.perf_counter()
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self._headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        client = scope.get("client")
        self.address = str(client[0]) if client else ""
        state = scope.setdefault("state", {})
        state["request_id"], state["address"] = self.request_id, self.address
        self._status = 0
        self._route = ""
        self._read = 0
        # …/versions/VERSION and nothing behind it
        publication = scope["method"] == "PUT" and b"/" not in scope["raw_path"].rpartition(b"/versions/")[2]
        self._largest = service.settings.largest_package + _ROOM if publication else _LARGEST_BODY
        self._body_ends = self._started + service.settings.upload_time

    async def through(self, app: App) -> None:
        try:
            if self._refused() or await self._from_memory():
                return
            await app(self._scope, self._receive_some, self._send_some)
        except Refusal as refusal:
            await self._answer(refusal)
        except _TakesNothingError:
            log.info("cut off", id=self.request_id, reason="the client takes nothing")
        except Exception as problem:
            await self._failed(problem)

    def tell(self) -> None:
        seconds = time.perf_counter() - self._started
        route = self._route or getattr(self._scope.get("route"), "path_format", "") or "none"
        self._service.metrics.told(self._scope["method"], route, self._status, seconds)
        if route in _UNLIMITED:
            return
        log.info(
            "request",
            id=self.request_id,
            method=self._scope["method"],
            path=self._scope["path"],
            status=self._status,
            ms=round(seconds * 1000, 2),
            address=self.address,
            user=self._scope["state"].get("user", ""),
        )

    # --- before the routes ------------------------------------------------------------------------------------------

    def _refused(self) -> bool:
        """Always False. Raises Refusal for what goes no further."""
        scope, settings = self._scope, self._service.settings
        if scope["path"] in _UNLIMITED:
            return False
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > _LONGEST_TARGET:
            raise Refusal(414, "address_too_long", "Address too long", f"At most {_LONGEST_TARGET} bytes are taken.")
        # Whoever has a token has a bucket for it: many may share an address.
        header = self._headers.get(b"authorization", b"").decode("latin-1")
        secret = secret_in(header, self._scope["method"]) if header else None
        caller = None if secret is None else self._service.authenticator.remembered(secret, self.address)
        wait = self._service.buckets.take(f"token {caller.token_id}" if caller else counted_as(self.address))
        if wait > 0:
            raise Refusal(
                429,
                "too_many_requests",
                "Too many requests",
                f"At most {settings.rate:g} a second are answered.",
                "Wait a moment.",
                {"Retry-After": str(int(wait) + 1)},
            )
        scope["state"]["secret"], scope["state"]["caller"] = (header and (secret or "")), caller
        length = self._headers.get(b"content-length", b"")
        if length and (not length.isdigit() or len(length) > 15 or int(length) > self._largest):
            raise self._too_large()
        return False

    async def _from_memory(self) -> bool:
        """Answer a GET from memory, if that can be."""
        scope = self._scope
        if scope["method"] != "GET" or b"range" in self._headers:
            return False
        state = scope["state"]
        caller = state.get("caller")
        if caller is None and (state.get("secret") or not self._service.settings.open):
            return False  # who that is has to be found out
        kept = self._known() or self._service.answers.find(answer_key(scope))
        if kept is None:
            return False
        self._route = kept.route
        state["user"] = "" if caller is None else caller.user
        condition = if_none_match(scope)
        if kept.download is not None and not matches(condition, kept.etag):
            self._service.count_download(*kept.download)
            self._service.metrics.downloads.inc()
        await send_kept(kept, condition, self._send_some)
        return True

    def _known(self) -> Kept | None:
        """What is known of a module: its versions; or a small package that can be read without waiting for a disk."""
        scope = self._scope
        asked = None if scope["query_string"] else _KNOWN.fullmatch(scope["path"])
        known = None if asked is None else self._service.modules.find(asked[1])
        if asked is None or known is None:
            return None
        label, version = asked.groups()
        if version is None:
            return known.versions
        stored = known.packages.get(version)
        if stored is None or stored.size > LARGEST_KEPT:
            return None
        body = self._service.blobs.at_hand(stored.digest, stored.size)
        return None if body is None else kept_package(label, version, stored, body, _PACKAGE_ROUTE)

    # --- the body, and the answer -----------------------------------------------------------------------------------

    async def _receive_some(self) -> Message:
        left = self._body_ends - time.perf_counter()
        silence = self._service.settings.silence
        if self._status:  # the answer is under way: this waits for the client to leave
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.001, min(silence, left))):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(
                408,
                "too_slow",
                "The request came too slowly",
                f"Nothing came for {silence:g} s, or all of it took too long.",
                "Try again.",
                {"Connection": "close"},
            ) from None
        self._read += len(message.get("body", b""))
        if self._read > self._largest:
            raise self._too_large()
        return message

    async def _send_some(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode()),
                *_HEADERS,
            ]
        # A client that takes nothing must not hold memory and a connection for ever.
        try:
            async with asyncio.timeout(_SENDING):
                await self._send(message)
        except TimeoutError:
            raise _TakesNothingError from None

    def _too_large(self) -> Refusal:
        return Refusal(
            413,
            "too_large",
            "The request is too large",
            f"At most {self._largest} bytes are taken here.",
            "Make the package smaller." if self._largest > _LARGEST_BODY else "",
        )

    # --- what went wrong --------------------------------------------------------------------------------------------

    async def _failed(self, problem: Exception) -> None:
        refusal = as_refusal(problem)
        if refusal is None:
            log.exception("failed", id=self.request_id, path=self._scope["path"])
            refusal = Refusal(500, "failed", "The registry failed", "This is a defect.", "Tell whoever runs it.")
        elif isinstance(problem, DiagnosticsError):
            log.error("unavailable", id=self.request_id, path=self._scope["path"], problem=str(problem))
        await self._answer(refusal)

    async def _answer(self, refusal: Refusal) -> None:
        if self._status:
            return  # too late: the connection is cut by the server, since the answer is not whole
        body, named = problem_answer(refusal, self._scope)
        headers = [
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in named.items()),
        ]
        await self._send_some({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send_some({"type": "http.response.body", "body": body})


def as_refusal(problem: Exception) -> Refusal | None:
    """What a failure of the database or the disk is for the client; None for what nobody foresaw."""
    if isinstance(problem, Refusal):
        return problem
    if isinstance(problem, DatabaseError):
        again = {"Retry-After": "2"}
        return Refusal(503, "unavailable", "The registry's database is not available", "", "Try again.", again)
    if isinstance(problem, DiagnosticsError):
        return Refusal(503, "unavailable", "The registry cannot do this now", "", "Try again.", {"Retry-After": "10"})
    return None


def problem_answer(refusal: Refusal, scope: Scope) -> tuple[bytes, dict[str, str]]:
    """The refusal as a `Problem`, or a page for whoever looks at pages; and its headers."""
    request_id = scope["state"]["request_id"]
    if wants_page(scope):
        return problem_page(refusal, request_id)
    told = Problem(refusal.title, refusal.status, refusal.code, refusal.detail, refusal.remedy, request_id)
    return encode(told), {"Content-Type": PROBLEM_TYPE, **refusal.headers}


def if_none_match(scope: Scope) -> bytes:
    """The entity tags that a request says it has, b"" for none; several lines are one list (RFC 9110, 5.3)."""
    return b", ".join(value for name, value in scope["headers"] if name == b"if-none-match")


def answer_key(scope: Scope) -> tuple[str, bytes]:
    """What an answer is kept under."""
    return scope["path"], scope["query_string"]


async def send_kept(kept: Kept, condition: bytes, send: Send) -> None:
    """Send an answer, or that it has not changed (RFC 9110, 13.1.2)."""
    if condition and matches(condition, kept.etag):
        headers = [pair for pair in kept.headers if pair[0] not in (b"content-length", b"content-type")]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(kept.headers)})
    await send({"type": "http.response.body", "body": kept.body})


def matches(header: bytes, etag: bytes) -> bool:
    """Whether a list of entity tags has this one (weak comparison)."""
    return header.strip() == b"*" or etag in {tag.strip().removeprefix(b"W/") for tag in header.split(b",")}
