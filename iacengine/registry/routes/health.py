"""Whether the service runs, whether it can serve, and its numbers."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response
from sqlalchemy import text

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.registry.routes.parameters import said
from iacengine.registry.service import Service, service_of

REMEMBERED = 1.0
"""Seconds that readiness is taken for known."""

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthy() -> Response:
    """The process runs."""
    return said({"status": "ok"})


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """The database and the place for packages answer, or did within the last second; 503 otherwise."""
    service = service_of(request)
    readiness = service.readiness
    async with readiness.looking:  # anybody may ask, and often: one looks, for all
        if time.monotonic() >= readiness.until:
            readiness.parts = await service.run_slow(lambda: _parts(service))
            readiness.until = time.monotonic() + REMEMBERED
        parts = readiness.parts
    good = all(one == "ok" for one in parts.values())
    return said({"status": "ok" if good else "unavailable", **parts}, 200 if good else 503)


def _parts(service: Service) -> dict[str, str]:
    found: dict[str, str] = {}
    checks = {
        "database": lambda: service.store.database.transact(
            lambda on: on.execute(text("SELECT 1 FROM module LIMIT 1")).scalar(), "look at the tables", patience=1.0
        ),
        "packages": service.blobs.check,
    }
    for name, check in checks.items():
        try:
            check()
            found[name] = "ok"
        except DiagnosticsError:
            found[name] = "unavailable"  # the log has more; this answer is for everybody
    return found


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The numbers of this process, for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
