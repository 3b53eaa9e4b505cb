"""The ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import version
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from api.accounts.endpoints import router as accounts
from api.cat10.endpoints import router as cat10
from api.catalogue.endpoints import router as tests
from api.console.routes import router as console
from api.credentials.endpoints import router as badges
from api.database.clock import moment
from api.database.migrate import migrate
from api.edge import Edge, problem_headers
from api.gate import Gate
from api.keys import store as keys
from api.observe import Metrics
from api.openapi import DESCRIPTION, TAGS, Application, Out, problems, text
from api.pages.reception import problem_page, wants_page
from api.pages.routes import router as pages
from api.problems import Problem
from api.results.endpoints import router as results
from api.results.verification import router as verification
from api.runtime import Runtime
from api.settings import Settings
from api.sittings.endpoints import router as sittings
from api.sittings.quick import QuickAnswers
from api.sittings.supervision_endpoints import router as supervision
from api.upkeep import Upkeep
from api.webhooks.endpoints import messages
from api.webhooks.endpoints import router as webhooks

__all__ = ["application", "create_app"]

ROUTERS = (
    sittings,
    supervision,
    accounts,
    tests,
    results,
    badges,
    verification,
    webhooks,
    cat10,
    console,
    pages,
)

_STATUS_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def create_app(settings: Settings) -> FastAPI:
    """Return the application for `settings`; the database is opened when the server starts.

    Raises
    ------
    cat_engine.errors.InputError
        At start, when an acknowledged answer would not be durable.
    """

    metrics, gate = Metrics(), Gate(settings.in_flight)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = Runtime.of(settings)
        runtime.metrics = metrics
        await runtime.database.open()  # no other server uses a file of SQLite's that is migrated
        try:
            await asyncio.to_thread(migrate, settings.database_url)
            await runtime.write(keys.record, runtime.keyring.first.jwk)
            await runtime.make_ready()
            metrics.watch(runtime.database)
            app.state.runtime = runtime
            upkeep = Upkeep(runtime, settings.upkeep)
            if settings.upkeep:
                upkeep.start()
            yield
            await upkeep.stop()
        finally:
            await runtime.database.close()

    app = Application(
        title="Acquis",
        version=version("acquis"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        webhooks=messages,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # what is observed is in api.observe
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.gate = gate
    app.add_middleware(QuickAnswers)
    app.add_middleware(Edge, gate=gate, metrics=metrics)
    for router in ROUTERS:
        app.include_router(router)
    _operation(app, metrics, gate)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    return app


def application() -> FastAPI:
    """Return the application that the environment describes (for ``uvicorn --factory``)."""
    return create_app(Settings.from_environment())


class HealthOut(Out):
    """The process lives."""

    status: Literal["ok"]


class ReadyOut(Out):
    """Requests are welcome."""

    status: Literal["ready"]


def _operation(app: FastAPI, metrics: Metrics, gate: Gate) -> None:
    @app.get("/health", tags=["Operation"], response_model=HealthOut, summary="Whether the process lives")
    async def health() -> JSONResponse:
        """Asks nothing of the database."""
        return JSONResponse({"status": "ok"})

    @app.get(
        "/ready",
        tags=["Operation"],
        response_model=ReadyOut,
        summary="Whether requests should be sent here",
        responses=problems(),
    )
    async def ready(request: Request) -> Response:
        """Asks the database for the time; says no once the server is about to stop."""
        if gate.draining:
            raise Problem("draining")
        runtime: Runtime = request.app.state.runtime
        await runtime.read(moment)
        return JSONResponse({"status": "ready"})

    @app.get(
        "/metrics",
        tags=["Operation"],
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": text("text/plain")}},
    )
    async def read_metrics() -> Response:
        """Of this worker."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _problem(request: Request, error: Any) -> Response:
    if wants_page(request):
        return problem_page(request, error)
    return JSONResponse(error.document(), error.status, headers=problem_headers(error))


async def _malformed(request: Request, error: Any) -> Response:
    """Name the places that are wrong, never the values: those may be answers or names."""
    places = [
        {"in": ".".join(str(part) for part in entry["loc"]), "message": entry["msg"]}
        for entry in error.errors()
    ]
    return await _problem(request, Problem("malformed", "See `errors`.", errors=places))


async def _http(request: Request, error: Any) -> Response:
    code = _STATUS_CODES.get(error.status_code, "malformed")
    response = await _problem(request, Problem(code))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    if code == "method_not_allowed":
        response.headers["Allow"] = ", ".join(sorted(_methods(request.app.routes, request.url.path)))
    return response


def _methods(routes: Iterable[Any], path: str) -> set[str]:
    """Return every method that `path` answers to, in whichever router."""
    found: set[str] = set()
    for route in routes:
        if hasattr(route, "original_router"):
            found |= _methods(route.original_router.routes, path)
        elif route.path_regex.match(path):
            found |= route.methods
    return found
