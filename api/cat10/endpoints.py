"""The six operations of the CAT 1.0 REST binding."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from api.accounts.clients import Client
from api.accounts.endpoints import client_with
from api.cat10 import service
from api.cat10.wire import ImsProblem, configuration, item_results, prior_theta, status_info
from api.edge import problem_headers
from api.problems import Problem
from api.runtime import Runtime

__all__ = ["router"]


class _Route(APIRoute):
    """A route whose refusals are StatusInfo."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler around the endpoint."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except ImsProblem as problem:
                return _refused(problem.status, problem.description)
            except Problem as problem:
                reply = _refused(problem.status, problem.detail or problem.title)
                for name, value in problem_headers(problem).items():
                    if name != "content-type":
                        reply.headers[name] = value
                return reply
            except RequestValidationError:
                return _refused(404, "there is nothing at this address")

        return handled


def _refused(status: int, description: str) -> Response:
    return JSONResponse(status_info(status, description), status)


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": what,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["imsx_codeMajor", "imsx_severity"],
                    "properties": {
                        "imsx_codeMajor": {"type": "string"},
                        "imsx_severity": {"type": "string"},
                        "imsx_description": {"type": "string"},
                        "imsx_codeMinor": {"type": "object"},
                    },
                }
            }
        },
    }
    for status, what in {
        401: "unauthorisedrequest",
        403: "forbidden",
        404: "unknownobject",
        409: "invaliddata: the session has moved on",
        413: "invaliddata: too large",
        422: "invaliddata",
        503: "server_busy",
    }.items()
}

router = APIRouter(prefix="/ims/cat/v1p0", tags=["1EdTech CAT 1.0"], route_class=_Route, responses=_REFUSALS)
Runner = Annotated[Client, Depends(client_with("sections:run"))]
Id = Annotated[str, Path(pattern="^[0-9A-Z]{26}$")]


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _body(request: Request) -> Mapping[str, Any]:
    """Return the body as a JSON object; an empty one is an empty object."""
    raw = await request.body()
    try:
        content = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ImsProblem(422, "the body is not JSON") from error
    if not isinstance(content, dict):
        raise ImsProblem(422, "expected the body to be a JSON object")
    return content


def _takes(schema: Mapping[str, Any], required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": dict(schema)}}}}


@router.post(
    "/sections",
    status_code=201,
    summary="createSection",
    openapi_extra=_takes(
        {
            "type": "object",
            "required": ["sectionConfiguration"],
            "properties": {
                "sectionConfiguration": {"type": "string", "description": 'base64 over {"test": "CODE"}'},
                "qtiMetadata": {},
                "qtiUsagedata": {"type": ["string", "null"]},
            },
        }
    ),
)
async def create_section(request: Request, client: Runner) -> JSONResponse:
    """Metadata and usage data are kept; parameters of record are those of the published test."""
    section = await _body(request)
    code = configuration(section)
    stored = json.dumps(section, ensure_ascii=True)
    id = await _runtime(request).write(service.create_section, client, code, stored)
    return JSONResponse({"sectionIdentifier": id}, 201)


@router.get("/sections/{section}", summary="getSection")
async def read_section(request: Request, client: Runner, section: Id) -> JSONResponse:
    """The items that the section may ask for."""
    runtime = _runtime(request)
    return JSONResponse(await runtime.read(service.read_section, runtime, client, section))


@router.delete("/sections/{section}", status_code=204, summary="endSection", response_class=Response)
async def end_section(request: Request, client: Runner, section: Id) -> Response:
    """Its sessions can no longer go on."""
    await _runtime(request).write(service.end_section, client, section)
    return Response(status_code=204)


@router.post(
    "/sections/{section}/sessions",
    status_code=201,
    summary="createSession",
    openapi_extra=_takes(
        {
            "type": "object",
            "properties": {
                "priorData": {"type": ["array", "null"], "items": {"type": "object"}},
                "personalNeedsAndPreferences": {"type": ["string", "null"]},
                "demographics": {"type": ["string", "null"]},
            },
        },
        required=False,
    ),
)
async def create_session(request: Request, client: Runner, section: Id) -> JSONResponse:
    """Prior ability chooses the first items; demographics, needs and preferences are not read.

    A session is one without a need: other test players adapt what they show by themselves.
    """
    runtime = _runtime(request)
    theta = prior_theta(await _body(request))
    told = await runtime.write(service.create_session, runtime, client, section, theta)
    runtime.sittings.keep(told.sitting)
    return JSONResponse(told.body, 201)


@router.post(
    "/sections/{section}/sessions/{session}/results",
    status_code=201,
    summary="submitResults",
    openapi_extra=_takes(
        {
            "type": "object",
            "required": ["assessmentResult"],
            "properties": {
                "assessmentResult": {"type": "object"},
                "sessionState": {"type": ["string", "null"]},
            },
        }
    ),
)
async def submit(request: Request, client: Runner, section: Id, session: Id) -> JSONResponse:
    """The same results with the same sessionState get the same reply."""
    runtime = _runtime(request)
    results, state = item_results(await _body(request))
    told = await runtime.write(service.submit, runtime, client, section, session, results, state)
    runtime.sittings.keep(told.sitting)
    return JSONResponse(told.body, 201)


@router.delete(
    "/sections/{section}/sessions/{session}",
    status_code=204,
    summary="endSession",
    response_class=Response,
)
async def end_session(request: Request, client: Runner, section: Id, session: Id) -> Response:
    """What was answered is scored."""
    runtime = _runtime(request)
    told = await runtime.write(service.end_session, runtime, client, section, session)
    runtime.sittings.keep(told.sitting)
    return Response(status_code=204)
