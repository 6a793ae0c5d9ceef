"""HTTP connections that are not kept open for who is too slow to ask."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN: Final = 10.0
"""Seconds from opening a connection, or from the first byte of a request, to the end of its headers."""
LINGER: Final = 10.0
"""Seconds that the rest of a request is still taken, and thrown away, after it was answered: whoever is cut off while
sending may never see the answer."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, which has a limit for idle connections between requests, but none for a request whose headers never
    end, nor for one that goes on after its answer."""

    _waiting: asyncio.TimerHandle | None = None
    _unfinished = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait(HEADERS_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
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
