"""An S3 server for tests: moto's, behind a proxy that makes conditional writes atomic and fails on demand.

moto honours `If-Match` and `If-None-Match` on PUT, but looks first and writes then, so that two requests at once can
both win. The proxy lets one conditional PUT through at a time, which makes moto as good as its model.

`S3Proxy.fault` decides about each request before it is passed on, and after it was answered: what it returns is done
to the request. So a test can lose answers, be slow, be out of order, or refuse, at any point it likes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from iacengine.testing.services.aws import HOST

_UPSTREAM_TIMEOUT: Final = 60.0  # seconds
_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in: `path` with its query, `headers` by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_conditional(self) -> bool:
        return self.method == "PUT" and bool({"if-match", "if-none-match"} & self.headers.keys())


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. An answer without a status is none: the connection is closed."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """After so many bytes of the body the connection is closed."""


DROPPED: Final = Answer()
"""No answer: the connection is closed."""


def s3_error(status: int, code: str, message: str = "injected", more: str = "") -> Answer:
    """An error in S3's form."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


Fault = Callable[[Request, Answer | None], Answer | None]
"""Called with a request and None before it is passed on: an answer is given instead, None lets it pass. Called again
with what the server answered: an answer is given in its place, None leaves it."""


class S3Proxy:
    """A proxy on a port of this machine before the server on the port `upstream`. Close it when done.

    `requests` are all that came in, in order. `down` refuses every connection.
    """

    def __init__(self, upstream: int) -> None:
        self.fault: Fault | None = None
        self.down = False
        self.requests: list[Request] = []
        self.upstream = upstream
        self._turn = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client went away
                    self.close_connection = True

            def do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if len(body) < length:  # the client died in the middle: the server would wait for the rest
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._give(proxy.answer(Request(self.command, self.path, headers, body)))

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do  # noqa: N815 - http.server's names

            def _give(self, answer: Answer) -> None:
                if not answer.status:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body[: answer.cut])
                if answer.cut is not None:
                    self.close_connection = True
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="s3 proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def answer(self, request: Request) -> Answer:
        """What the request is answered with."""
        self.requests.append(request)
        if self.down:
            return DROPPED
        fault = self.fault
        if fault is not None:
            instead = fault(request, None)
            if instead is not None:
                return instead
        answer = self.pass_on(request)
        if fault is not None:
            answer = fault(request, answer) or answer
        return answer

    def pass_on(self, request: Request) -> Answer:
        """What the server itself answers."""
        if not request.is_conditional:
            return self._ask(request)
        with self._turn:
            return self._ask(request)

    def _ask(self, request: Request) -> Answer:
        connection = HTTPConnection(HOST, self.upstream, timeout=_UPSTREAM_TIMEOUT)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in ("connection", "expect")}
            connection.request(request.method, request.path, request.body, headers)
            given = connection.getresponse()
            kept = {name: value for name, value in given.getheaders() if name.lower() not in _OF_ONE_HOP}
            return Answer(given.status, kept, given.read())
        except (OSError, HTTPException):
            return DROPPED
        finally:
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
