"""The tests that people can be invited to, and that sections can run."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from api.accounts.clients import Client
from api.accounts.endpoints import client_with
from api.catalogue.live import LiveTest
from api.catalogue.store import newest
from api.openapi import Out, link, problems
from api.runtime import Runtime

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["Tests"])


class PublishedOut(Out):
    """The newest version of a published test."""

    code: str
    version: Annotated[int, Field(ge=1)]
    title: Annotated[dict[str, str], Field(description="By language.")]
    languages: Annotated[list[str], Field(min_length=1)]
    demonstration: Annotated[bool, Field(description="Results are worth nothing.")]
    needs: Annotated[list[str], Field(description="What an invitation may name as `need`.")]
    section_configuration: Annotated[
        str,
        Field(
            description="What another test player sends as `sectionConfiguration` (1EdTech CAT 1.0).",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ]


class PublishedTests(Out):
    """Published tests in the order of their codes."""

    tests: list[PublishedOut]


def _out(test: LiveTest) -> dict[str, Any]:
    return {
        "code": test.code,
        "version": test.version,
        "title": dict(test.title),
        "languages": list(test.languages),
        "demonstration": test.demonstration,
        "needs": list(test.design.accommodation.needs),
        "section_configuration": base64.b64encode(json.dumps({"test": test.code}).encode()).decode(),
    }


@router.get(
    "/tests",
    response_model=PublishedTests,
    summary="Tests that are published",
    responses=problems("unauthenticated")
    | {
        200: {
            "links": {
                "invite": link(
                    "invite_someone",
                    "Invite someone to the first.",
                    body={"test": "$response.body#/tests/0/code", "person": {}},
                ),
                "section": link(
                    "createSection",
                    "Run the first in another test player.",
                    body={"sectionConfiguration": "$response.body#/tests/0/section_configuration"},
                ),
            }
        }
    },
)
async def read_tests(request: Request, client: Annotated[Client, Depends(client_with())]) -> JSONResponse:
    """For every client, whatever its scopes."""
    runtime: Runtime = request.app.state.runtime
    tests = await runtime.read(newest, runtime.tests)
    return JSONResponse({"tests": [_out(test) for test in tests]}, headers={"Cache-Control": "no-store"})
