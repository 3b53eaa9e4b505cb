"""The six operations of the CAT 1.0 REST binding."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.accounts.clients import Client
from api.accounts.endpoints import client_with
from api.cat10 import service
from api.cat10.schemas import (
    CreatedOut,
    NextOut,
    Results,
    Section,
    SectionOut,
    Session,
    SessionOut,
    StatusInfo,
)
from api.cat10.wire import ImsProblem, configuration, item_results, prior_theta, read, status_info
from api.edge import problem_headers
from api.openapi import Id, link, problems, reference
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


_MEANINGS = {
    401: "unauthorisedrequest",
    403: "forbidden",
    404: "unknownobject",
    408: "invaliddata: the body did not come in time",
    409: "invaliddata: the session has moved on",
    413: "invaliddata: too large",
    422: "invaliddata",
    503: "server_busy",
}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` entry for an endpoint that may refuse with `statuses`.

    A request that the edge of the server turns away gets a problem document, whatever the address.
    """
    found = {
        status: dict(told) for status, told in problems("unauthenticated", "forbidden", "too_large").items()
    }
    replies: dict[int | str, dict[str, Any]] = {}
    for status in (401, 403, *statuses, 503):
        content = {"application/json": {"schema": reference(StatusInfo)}}
        if status in (408, 413, 503):
            content |= found[status]["content"]
        replies[status] = {**found.get(status, {}), "description": _MEANINGS[status], "content": content}
    return replies


router = APIRouter(prefix="/ims/cat/v1p0", tags=["1EdTech CAT 1.0"], route_class=_Route)
Runner = Annotated[Client, Depends(client_with("sections:run"))]


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _takes(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    content = {"application/json": {"schema": reference(model)}}
    return {"requestBody": {"required": required, "content": content}}


_SECTION = {"path.section": "$request.path.section"}
_SESSION = {**_SECTION, "path.session": "$request.path.session"}
_SUBMISSION = {
    "sessionState": "$response.body#/sessionState",
    "assessmentResult": {
        "itemResult": [
            {
                "identifier": "$response.body#/nextItems/itemIdentifiers/0",
                "sessionStatus": "final",
                "outcomeVariables": [
                    {"identifier": "SCORE", "cardinality": "single", "value": [{"value": "1"}]}
                ],
            }
        ]
    },
}


@router.post(
    "/sections",
    status_code=201,
    operation_id="createSection",
    summary="createSection",
    response_model=CreatedOut,
    responses=_refusals(404, 408, 413, 422)
    | {
        201: {
            "links": {
                name: link(operation, what, {"path.section": "$response.body#/sectionIdentifier"})
                for name, operation, what in (
                    ("read", "getSection", "Its items."),
                    ("session", "createSession", "Begin a session."),
                    ("end", "endSection", "Close it."),
                )
            }
        }
    },
    openapi_extra=_takes(Section),
)
async def create_section(request: Request, client: Runner) -> JSONResponse:
    """Metadata and usage data are kept; parameters of record are those of the published test."""
    raw = await request.body()
    asked = configuration(read(Section, raw))
    stored = json.dumps(json.loads(raw), ensure_ascii=True)
    id = await _runtime(request).write(service.create_section, client, asked.code, stored, asked.until)
    return JSONResponse({"sectionIdentifier": id}, 201)


@router.get(
    "/sections/{section}",
    operation_id="getSection",
    summary="getSection",
    response_model=SectionOut,
    responses=_refusals(404)
    | {
        200: {
            "links": {
                "session": link("createSession", "Begin a session.", _SECTION),
                "end": link("endSection", "Close it.", _SECTION),
            }
        }
    },
)
async def read_section(request: Request, client: Runner, section: Id) -> JSONResponse:
    """The items that the section may ask for."""
    runtime = _runtime(request)
    return JSONResponse(await runtime.read(service.read_section, runtime, client, section))


@router.delete(
    "/sections/{section}",
    status_code=204,
    operation_id="endSection",
    summary="endSection",
    response_class=Response,
    responses=_refusals(404),
)
async def end_section(request: Request, client: Runner, section: Id) -> Response:
    """Its sessions can no longer go on; what was answered in them is scored."""
    runtime = _runtime(request)
    await runtime.write(service.end_section, runtime, client, section)
    return Response(status_code=204)


@router.post(
    "/sections/{section}/sessions",
    status_code=201,
    operation_id="createSession",
    summary="createSession",
    response_model=SessionOut,
    responses=_refusals(404, 408, 413, 422)
    | {
        201: {
            "links": {
                "submit": link(
                    "submitResults",
                    "Hand in the result of the first item.",
                    {**_SECTION, "path.session": "$response.body#/sessionIdentifier"},
                    _SUBMISSION,
                ),
                "end": link(
                    "endSession", "End it.", {**_SECTION, "path.session": "$response.body#/sessionIdentifier"}
                ),
            }
        }
    },
    openapi_extra=_takes(Session, required=False),
)
async def create_session(request: Request, client: Runner, section: Id) -> JSONResponse:
    """Prior ability chooses the first items; demographics, needs and preferences are not read.

    A session is one without a need: other test players adapt what they show by themselves.
    """
    runtime = _runtime(request)
    theta = prior_theta(read(Session, await request.body()))
    told = await runtime.write(service.create_session, runtime, client, section, theta)
    runtime.sittings.keep(told.sitting)
    return JSONResponse(told.body, 201)


@router.post(
    "/sections/{section}/sessions/{session}/results",
    status_code=201,
    operation_id="submitResults",
    summary="submitResults",
    response_model=NextOut,
    responses=_refusals(404, 408, 409, 413, 422)
    | {
        201: {
            "links": {
                "submit": link(
                    "submitResults", "Hand in the result of the next item.", _SESSION, _SUBMISSION
                ),
                "end": link("endSession", "End it.", _SESSION),
            }
        }
    },
    openapi_extra=_takes(Results),
)
async def submit(request: Request, client: Runner, section: Id, session: Id) -> JSONResponse:
    """The same results with the same sessionState get the same reply."""
    runtime = _runtime(request)
    results = read(Results, await request.body())
    told = await runtime.write(
        service.submit, runtime, client, section, session, item_results(results), results.sessionState
    )
    runtime.sittings.keep(told.sitting)
    return JSONResponse(told.body, 201)


@router.delete(
    "/sections/{section}/sessions/{session}",
    status_code=204,
    operation_id="endSession",
    summary="endSession",
    response_class=Response,
    responses=_refusals(404),
)
async def end_session(request: Request, client: Runner, section: Id, session: Id) -> Response:
    """What was answered is scored."""
    runtime = _runtime(request)
    told = await runtime.write(service.end_session, runtime, client, section, session)
    runtime.sittings.keep(told.sitting)
    return Response(status_code=204)
