"""The ASGI application: routes, what runs beside them, and what errors become."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from iacengine.foundation.database import DatabaseError
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.version import VERSION
from iacengine.modules.wire import API, Problem
from iacengine.registry.gate import Gate, as_refusal, problem_answer
from iacengine.registry.listening import Listener
from iacengine.registry.refusal import Refusal
from iacengine.registry.routes import accounts, health, modules, packages, standing, terraform
from iacengine.registry.service import Service
from iacengine.registry.web import routes as pages

_WRITTEN_DOWN = 5.0  # seconds between writes of what is counted
_TIDIED = 600.0  # seconds between looks for packages that a crash left behind

_PARTS = (modules, packages, standing, accounts, terraform, health, pages)

log = structlog.get_logger("iacengine.registry")


def create_app(service: Service) -> FastAPI:
    """The application. While it runs it hears of changes, and writes down what is counted."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        memories = (service.answers, service.modules)
        listener = Listener(service.store, memories, lambda subject: _heard(service, subject))
        listener.start()
        service.warming.start()
        beside = [asyncio.create_task(_write_down(service)), asyncio.create_task(_tidy(service))]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            listener.stop()
            service.warming.stop()
            with contextlib.suppress(DatabaseError):
                await service.run_slow(service.write_down)

    app = FastAPI(
        title="iacengine registry",
        version=VERSION,
        description="Modules: published once, found, signed, downloaded.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    for part in _PARTS:
        app.include_router(part.router)
    app.state.paths = [route for part in _PARTS for route in part.router.routes]
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(DiagnosticsError, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_middleware(Gate, service=service)
    _describe(app)
    return app


def _heard(service: Service, subject: str) -> None:
    if subject in ("", "tokens"):
        service.authenticator.forget()
    service.warming.again(subject)


async def _write_down(service: Service) -> None:
    while True:
        await asyncio.sleep(_WRITTEN_DOWN)
        try:
            await service.run_slow(service.write_down)
        except DatabaseError as problem:
            log.warning("not counted", problem=str(problem))


async def _tidy(service: Service) -> None:
    while True:
        try:
            await service.run_slow(service.tidy)
        except DiagnosticsError as problem:
            log.warning("not tidied", problem=str(problem))
        await asyncio.sleep(_TIDIED)


async def _refused(request: Request, problem: Exception) -> Response:
    refusal = _refusal(problem)
    if refusal.status == 405:
        refusal.headers["Allow"] = ", ".join(_allowed(request))
    if isinstance(problem, DiagnosticsError):
        log.error("unavailable", id=request.scope["state"]["request_id"], problem=str(problem))
    body, headers = problem_answer(refusal, request.scope)
    return Response(body, refusal.status, headers)


def _allowed(request: Request) -> list[str]:
    """What can be done at this path: Starlette tells only of the first route that fits it."""
    path = request.scope["path"]
    fitting = (route for route in request.app.state.paths if route.path_regex.match(path))
    return sorted({method for route in fitting for method in route.methods})


def _refusal(problem: Exception) -> Refusal:
    if isinstance(problem.__cause__, Refusal):
        return problem.__cause__  # FastAPI wraps what reading a body raises
    if (known := as_refusal(problem)) is not None:
        return known
    if isinstance(problem, RequestValidationError):
        first = problem.errors()[0] if problem.errors() else {}
        where = ".".join(str(part) for part in first.get("loc", ()))
        return Refusal(422, "invalid", "The request is not valid", f"{where}: {first.get('msg', '')}", "See the API.")
    assert isinstance(problem, HTTPException)
    title = {404: "There is nothing here", 405: "This cannot be done here"}.get(problem.status_code, "Not understood")
    code = {404: "not_found", 405: "method_not_allowed"}.get(problem.status_code, "bad_request")
    return Refusal(problem.status_code, code, title, headers=problem.headers)


def _describe(app: FastAPI) -> None:
    """Add to the OpenAPI document what routes cannot say: problems, and how to show a token."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            schemas["Problem"] = TypeAdapter(Problem).json_schema()
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{}, {"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
