"""Refusals and failures as pages, for who reads them in a browser."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from iacengine.registry.refusal import Refusal
from iacengine.registry.web.rendering import HTML, PAGE_HEADERS, fill

_PROGRAMS = ("/api/", "/v1/", "/.well-known/", "/static/", "/healthz", "/readyz", "/metrics")
_PAGES = ("/search", "/modules/", "/namespaces/")
_CHALLENGE = 'Basic realm="Module registry: a token as the password, any user name", charset="UTF-8"'


def wants_page(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is for a page: by its address, or since a browser asks for what is not there."""
    path = scope["path"]
    if path.startswith(_PROGRAMS):
        return False
    return path == "/" or path.startswith(_PAGES) or b"text/html" in dict(scope["headers"]).get(b"accept", b"")


def problem_page(refusal: Refusal, request_id: str) -> tuple[bytes, dict[str, str]]:
    """The page that tells of a refusal, and its headers. A browser is asked for a token in its own way."""
    headers = {"Content-Type": HTML, "Cache-Control": "no-store", **PAGE_HEADERS, **refusal.headers}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = _CHALLENGE
    return fill("problem.html", refusal=refusal, request_id=request_id), headers
