"""HTTP connections that are not kept open for who is too slow to ask."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN: Final = 10.0
"""Seconds from opening a connection, or from the first byte of a request, to the end of its headers."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, which has a limit for idle connections between requests, and none for one whose headers never end."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._waiting is None:
            self._wait()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEADERS_WITHIN, self._gave_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _gave_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.close()
