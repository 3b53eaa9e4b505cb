"""What the OpenAPI document says of problems, tags and security."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, Field

from api.problems import PROBLEMS

__all__ = ["DESCRIPTION", "TAGS", "WHOLE", "ProblemOut", "problems"]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Marks a whole number, which JSON may also write as 30.0; stands last, so that bounds stay in the schema."""

DESCRIPTION = """\
Acquis serves adaptive tests and hands out signed results.

Every refusal is `application/problem+json` (RFC 9457) with a stable `code`. A refusal with status 503 carries
`Retry-After`; repeat the request with the same idempotency key. Moments are ISO 8601 in UTC.
"""

TAGS = [
    {"name": "Sittings", "description": "What a candidate's browser or application calls."},
    {"name": "Invitations", "description": "Inviting people (scope `invitations:write`)."},
    {"name": "Supervision", "description": "Deciding about a sitting (scope `sittings:supervise`)."},
    {"name": "Results", "description": "Fetching results (scope `results:read`)."},
    {"name": "Webhooks", "description": "Being told of results (scope `webhooks:write`)."},
    {
        "name": "1EdTech CAT 1.0",
        "description": "The engine behind another test player (scope `sections:run`). Implements the REST "
        "binding; nobody has certified it.",
    },
    {"name": "Access", "description": "OAuth2 client credentials and public keys."},
    {"name": "Operation", "description": "Health, readiness, metrics."},
]


class ProblemOut(BaseModel):
    """A refusal."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable: clients may branch on it.")
    detail: str | None = None


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` entry for an endpoint that may refuse with `codes`.

    Every endpoint may also say that the request is not well formed or that the server is busy.
    """
    by_status: dict[int, list[str]] = {}
    for code in (*codes, "malformed", "busy", "unavailable"):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: {
            "description": "; ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in found),
            "content": {"application/problem+json": {"schema": ProblemOut.model_json_schema()}},
        }
        for status, found in sorted(by_status.items())
    }
