"""HTTP connections that are not kept open for who is too slow to ask."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from iacengine.registry.limits import counted_as

HEADERS_WITHIN: Final = 10.0
"""Seconds from opening a connection, or from the first byte of a request, to the end of its headers."""
LARGEST_HEAD: Final = 64 << 10
"""Bytes of the headers of a request, and of what frames the pieces of its body, besides as many as that body has."""
LINGER: Final = 10.0
"""Seconds that the rest of a request is still taken, and thrown away, after it was answered: whoever is cut off while
sending may never see the answer."""

_CROWDED = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, which has a limit for idle connections between requests, but none for a request whose headers never
    end, in time or in size, nor for one that goes on after its answer. Of all connections that there may be, one
    address gets half, unless it may be a proxy's."""

    _waiting: asyncio.TimerHandle | None = None
    _unfinished = False
    _head = _body = 0  # bytes of this request
    _began = False
    _counted = ""  # whom this connection counts for

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._counted = counted_as(self.client[0]) if self.client else ""
        limit = self.config.limit_concurrency
        if limit and self._counted and not self.config.proxy_headers:
            held = sum(getattr(one, "_counted", "") == self._counted for one in self.connections)
            if held > limit // 2:
                transport.write(_CROWDED)
                transport.close()
                return
        self._wait(HEADERS_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before, self._began = self._body, False
        super().data_received(data)
        if not self._unfinished or self.transport.is_closing():
            return
        # Of what comes in one piece with the beginning, something may belong to the request before.
        self._head = 0 if self._began else self._head + len(data) - (self._body - before)
        if self._head > LARGEST_HEAD + self._body:
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = self._body = 0
        self._began = True
        self._unfinished = True
        if self._waiting is None:
            self._wait(HEADERS_WITHIN)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._unfinished = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Of several requests that were sent without waiting, `cycle` is the last.
        if self._unfinished and self._waiting is None and self.cycle.response_complete:
            self._wait(LINGER)

    def _wait(self, seconds: float) -> None:
        self._waiting = self.loop.call_later(seconds, self._gave_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _gave_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.close()
