"""A stranger's tool reads the OpenAPI document and tries every operation with it, in every role."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode

from tests.api.browser import Browser
from tests.api.desk import bearer, enter, invite

ROLES = {
    "nobody": "",
    "candidate": "",
    "reader": "results:read",
    "inviter": "invitations:write",
    "registrar": "webhooks:write",
    "supervisor": "sittings:supervise",
    "player": "sections:run",
}

load_all_checks()
RESENDING = ("ignored_auth", "use_after_free", "ensure_resource_availability", "object_level_authorization")
"""Checks that send requests of their own, to a server at an address; `tests.api.test_roles` asks that."""

OPAQUE = (
    "/ims/cat/v1p0/sections",
    "/api/v1/oauth/token",
    "/api/v1/sittings/current/answers",
    "/api/v1/results",
)
"""Operations that take more than JSON Schema can say: base 64 over JSON, a client's secret, a response that
fits the open item, a cursor that the feed has made."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: it is the interface that is tried."""
    return sqlite_url


def as_role(client: Browser, role: str) -> dict[str, str]:
    """The headers of a role."""
    if role == "nobody":
        return {}
    if role == "candidate":
        return enter(client, invite(client))[0]
    return bearer(client, ROLES[role])


def broken_promise(client: Browser, case: Any, declared: dict[str, Any], headers: dict[str, str]) -> str:
    """Send a generated request; return what the document does not say of its reply, or nothing."""
    told = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
    own = {name: value for name, value in told.get("headers", {}).items() if value.isascii()}
    if isinstance(told.get("data"), bytes | str):
        told["content"] = told.pop("data")
    reply = client.request(
        told["method"],
        told["url"],
        headers=own | headers,
        **{name: told[name] for name in ("params", "json", "data", "content") if told.get(name) is not None},
    )
    if reply.status_code >= 500:
        return f"{reply.status_code}: {reply.text[:200]}"
    if str(reply.status_code) not in declared:
        return f"{reply.status_code} is not declared: {reply.text[:200]}"
    try:
        case.validate_response(reply, excluded_checks=excluded(case))
    except (AssertionError, FailureGroup) as failure:
        return " ".join(str(failure).split())
    return ""


def excluded(case: Any) -> list[Any]:
    """The checks that an operation is not put to."""
    names = (*RESENDING, "positive_data_acceptance") if case.path.startswith(OPAQUE) else RESENDING
    return list(CHECKS.get_by_names(list(names)))


def try_out(client: Browser, operation: Any, headers: dict[str, str]) -> set[str]:
    """Generate requests for an operation; return its broken promises."""
    found: set[str] = set()
    declared = operation.definition.raw["responses"]

    def strategy(mode: GenerationMode) -> Any:
        return operation.as_strategy(generation_mode=mode)

    @given(case=strategy(GenerationMode.POSITIVE) | strategy(GenerationMode.NEGATIVE))
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def tried(case: Any) -> None:
        promise = broken_promise(client, case, declared, headers)
        if promise:
            found.add(f"{operation.label}: {promise}")

    tried()
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_keeps_its_promises(client: Browser, role: str) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    headers = as_role(client, role)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 25
    broken = [promise for one in operations for promise in sorted(try_out(client, one, headers))]
    assert broken == []
