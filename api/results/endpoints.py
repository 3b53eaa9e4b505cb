"""Results for HR systems, and the public keys."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import WithJsonSchema

from api.accounts.clients import Client
from api.accounts.endpoints import client_with
from api.keys.store import KEPT, key_set
from api.moments import from_iso
from api.openapi import Id, link, problems, reference, text
from api.problems import Problem
from api.results import feed
from api.results.schemas import CREDENTIAL_TYPE, DOWNLOAD, KeySetOut, PageOut, ResultOut, SignedResultOut
from api.results.table import table
from api.runtime import Runtime

__all__ = ["router"]

router = APIRouter()
Reader = Annotated[Client, Depends(client_with("results:read"))]
Cursor = Annotated[
    str,
    Query(
        description="`cursor` of the page before; empty: from the first result on.",
        examples=["1-000000000000042"],
    ),
    WithJsonSchema({"type": "string", "pattern": feed.CURSOR}),
]
UpdatedAfter = Annotated[
    str,
    Query(description="ISO 8601: leave out what has not changed since.", examples=["2026-01-31"]),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}, {"const": ""}]}),
]
Limit = Annotated[int, Query(ge=1, le=feed.LIMIT, description="Most results on a page.")]

_CREDENTIAL = {"content": {CREDENTIAL_TYPE: {"schema": reference(SignedResultOut)}}, "headers": DOWNLOAD}


def _moment(text: str) -> int:
    if not text:
        return 0
    try:
        moment = from_iso(text.replace(" ", "+"))  # a plus sign that was not escaped
    except (ValueError, OverflowError) as error:
        raise Problem("malformed", "Send updated_after as ISO 8601, like 2026-01-31T08:00:00Z.") from error
    return max(moment, 0)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


@router.get(
    "/api/v1/results",
    tags=["Results"],
    response_model=PageOut,
    summary="Results that are new or have changed",
    responses=problems("unauthenticated", "forbidden", "invalid_cursor", "cursor_ahead")
    | {
        200: {
            "links": {
                "next": link("read_results", "What comes after.", {"query.cursor": "$response.body#/cursor"}),
                "read": link("read_result", "One of them.", {"path.id": "$response.body#/results/0/id"}),
                "credential": link(
                    "read_credential", "Its signed file.", {"path.id": "$response.body#/results/0/id"}
                ),
                "badge": link("read_badge", "It as a badge.", {"path.id": "$response.body#/results/0/id"}),
            }
        }
    },
)
async def read_results(
    request: Request,
    client: Reader,
    cursor: Cursor = "",
    updated_after: UpdatedAfter = "",
    limit: Limit = 100,
) -> Response:
    """Reading again is safe: the same cursor gives what has happened since."""
    page = await _runtime(request).read(feed.page, client.organisation, cursor, _moment(updated_after), limit)
    return JSONResponse(
        {"results": page.results, "cursor": page.cursor, "more": page.more},
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "/api/v1/results.csv",
    tags=["Results"],
    summary="The same as a table for spreadsheets",
    response_class=Response,
    responses=problems("unauthenticated", "forbidden", "invalid_cursor", "cursor_ahead")
    | {
        200: {
            "content": text("text/csv"),
            "headers": {
                "Acquis-Cursor": {
                    "required": True,
                    "description": "The `cursor` to go on from.",
                    "schema": {"type": "string", "pattern": feed.CURSOR},
                },
                "Acquis-More": {
                    "required": True,
                    "description": "Whether there are more results by now.",
                    "schema": {"type": "string", "enum": ["true", "false"]},
                },
                **DOWNLOAD,
            },
        }
    },
)
async def read_table(
    request: Request,
    client: Reader,
    cursor: Cursor = "",
    updated_after: UpdatedAfter = "",
    limit: Limit = feed.LIMIT,
    language: Annotated[Literal["fr", "en"], Query(description="Of titles and labels.")] = "fr",
    decimal: Annotated[
        Literal["comma", "point"], Query(description="The decimal mark; French spreadsheets want a comma.")
    ] = "comma",
    headings: Annotated[
        Literal["names", "words"],
        Query(
            description="`names` for programs: they never change. `words` for people: headings, status and "
            "attested level in their language."
        ),
    ] = "names",
) -> Response:
    """``;``, UTF-8 with a byte order mark, ISO dates. The header ``Acquis-Cursor`` says where to go on."""
    runtime = _runtime(request)
    page = await runtime.read(feed.page, client.organisation, cursor, _moment(updated_after), limit)
    return Response(
        table(page.results, language, decimal == "comma", runtime.settings.base_url, headings == "words"),
        media_type="text/csv; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="acquis-results.csv"',
            "Acquis-Cursor": page.cursor,
            "Acquis-More": "true" if page.more else "false",
        },
    )


@router.get(
    "/api/v1/results/{id}",
    tags=["Results"],
    response_model=ResultOut,
    summary="One result",
    responses=problems("unauthenticated", "forbidden", "not_found")
    | {
        200: {
            "links": {
                "credential": link("read_credential", "Its signed file.", {"path.id": "$request.path.id"}),
                "badge": link("read_badge", "It as a badge.", {"path.id": "$request.path.id"}),
            }
        }
    },
)
async def read_result(request: Request, client: Reader, id: Id) -> Response:
    """As it stands in the feed."""
    return JSONResponse(
        await _runtime(request).read(feed.one, client.organisation, id), headers={"Cache-Control": "no-store"}
    )


@router.get(
    "/api/v1/results/{id}/credential",
    tags=["Results"],
    summary="The signed file of a result",
    response_class=Response,
    responses=problems("unauthenticated", "forbidden", "not_found") | {200: _CREDENTIAL},
)
async def read_credential(request: Request, client: Reader, id: Id) -> Response:
    """What ``acquis verify`` checks, without this server where its public key is known."""
    runtime = _runtime(request)
    return Response(
        await runtime.read(feed.credential, runtime.keyring, client.organisation, id),
        media_type=CREDENTIAL_TYPE,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="acquis-result-{id}.json"',
        },
    )


@router.get(
    "/.well-known/jwks.json",
    tags=["Access"],
    summary="The public keys that verify results",
    response_class=Response,
    responses=problems() | {200: {"content": {"application/jwk-set+json": {"schema": reference(KeySetOut)}}}},
)
async def read_keys(request: Request) -> Response:
    """Keys that have signed before stay here, so that it can be verified; revoked ones are named apart."""
    keys = await _runtime(request).read(key_set)
    return Response(
        json.dumps(keys, separators=(",", ":")),
        media_type="application/jwk-set+json",
        headers={"Cache-Control": f"public, max-age={KEPT}", "Access-Control-Allow-Origin": "*"},
    )
