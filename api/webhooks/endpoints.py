"""Where an organisation is told of results (scope ``webhooks:write``)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.accounts.clients import Client
from api.accounts.endpoints import client_with
from api.moments import iso
from api.openapi import MOMENT, WHOLE, Id, Name, Out, link, problems
from api.problems import Problem
from api.results.schemas import ResultOut
from api.runtime import Runtime
from api.sittings.timing import SECOND
from api.webhooks import store
from api.webhooks.message import secret_of
from api.webhooks.post import Refused, checked

__all__ = ["MessageOut", "messages", "router"]

router = APIRouter(prefix="/api/v1/webhooks", tags=["Webhooks"])

Registrar = Annotated[Client, Depends(client_with("webhooks:write"))]
Address = Annotated[str, Field(json_schema_extra={"format": "uri"})]


class WebhookIn(BaseModel):
    """Where to send messages."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[
        str,
        Field(
            min_length=9,
            max_length=500,
            pattern="^https?://",
            description="https, without credentials or a fragment; not an address inside the house, "
            "unless the deployment allows those, and http with them.",
            examples=["https://hr.example.org/acquis"],
            json_schema_extra={"format": "uri"},
        ),
    ]


class WebhookOut(Out):
    """An address; `waiting` messages are on their way, `dead` ones were given up."""

    id: Name
    url: Address
    created_at: Annotated[str, Field(json_schema_extra=MOMENT)]
    waiting: Annotated[int, Field(ge=0)]
    dead: Annotated[int, Field(ge=0)]


class NewWebhookOut(Out):
    """A new address and the secret that signs what it is sent (Standard Webhooks 1.0)."""

    id: Name
    url: Address
    secret: Annotated[str, Field(pattern="^whsec_")]


class RenewalIn(BaseModel):
    """For how long the former secret goes on signing beside the new one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    former_hours: Annotated[
        int,
        Field(
            ge=0,
            le=168,
            description="0 when somebody else may know it: nothing is signed with it any more.",
            examples=[24],
        ),
        WHOLE,
    ] = 24


class RenewedOut(NewWebhookOut):
    """An address and its new secret; the former one signs, too, until `former_until`."""

    former_until: Annotated[str, Field(json_schema_extra=MOMENT)]


class WebhooksOut(Out):
    """The organisation's addresses."""

    webhooks: list[WebhookOut]


class MessageOut(Out):
    """What is sent to an address: a change of a result, and the result as it stands now."""

    type: Literal["result.issued", "result.superseded", "result.revoked", "result.erased"]
    timestamp: Annotated[str, Field(description="Of the change.", json_schema_extra=MOMENT)]
    data: Annotated[ResultOut, Field(description="As it stands in `/api/v1/results`.")]


messages = APIRouter(tags=["Webhooks"])


@messages.post(
    "result",
    operation_id="result_changed",
    summary="A result was issued or has changed",
    response_class=Response,
    response_description="Taken in: any status from 200 to 299, within ten seconds.",
)
def result_changed(
    body: MessageOut,
    webhook_id: Annotated[str, Header(description="The same at every attempt.")],
    webhook_timestamp: Annotated[str, Header(description="Seconds since 1970 (UTC); refuse what is old.")],
    webhook_signature: Annotated[
        str,
        Header(
            description="`v1,` and base64 of HMAC-SHA256(secret, `{webhook-id}.{webhook-timestamp}.{body}`); "
            "while a secret is being changed several, with a space between: one that fits is enough."
        ),
    ],
) -> None:
    """Messages may come twice, and in another order than the changes (Standard Webhooks 1.0)."""


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


@router.post(
    "",
    status_code=201,
    response_model=NewWebhookOut,
    summary="Be told of results at an address",
    responses=problems("unauthenticated", "forbidden", "address_refused", "conflict", "too_large")
    | {
        201: {
            "links": {
                "renew": link(
                    "renew_secret", "Another secret.", {"path.id": "$response.body#/id"}, {"former_hours": 24}
                ),
                "remove": link("remove_webhook", "Forget it.", {"path.id": "$response.body#/id"}),
            }
        }
    },
)
async def register_webhook(body: WebhookIn, request: Request, client: Registrar) -> JSONResponse:
    """Each change of a result is sent as `POST`, as this document says under `webhooks`.

    The identifier is the same at every attempt: do not take in again what was taken in before. Reply with a
    status from 200 to 299 within ten seconds.
    """
    runtime = _runtime(request)
    try:
        checked(body.url, runtime.settings.webhooks_inside)
    except Refused as refused:
        raise Problem("address_refused", f"Give another address: {refused}.") from refused
    id = await runtime.write(store.register, client.organisation, body.url)
    return JSONResponse(
        {"id": id, "url": body.url, "secret": secret_of(runtime, id)},
        201,
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "",
    response_model=WebhooksOut,
    summary="The addresses that are told of results",
    responses=problems("unauthenticated", "forbidden")
    | {
        200: {
            "links": {
                "remove": link(
                    "remove_webhook", "Forget the first.", {"path.id": "$response.body#/webhooks/0/id"}
                )
            }
        }
    },
)
async def read_webhooks(request: Request, client: Registrar) -> JSONResponse:
    """Without their secrets."""
    rows: list[dict[str, Any]] = await _runtime(request).read(store.registered, client.organisation)
    return JSONResponse(
        {"webhooks": [row | {"created_at": iso(row["created_at"])} for row in rows]},
        headers={"Cache-Control": "no-store"},
    )


@router.post(
    "/{id}/secret",
    response_model=RenewedOut,
    summary="Change the secret of an address",
    responses=problems("unauthenticated", "forbidden", "not_found", "conflict", "too_large"),
)
async def renew_secret(body: RenewalIn, request: Request, client: Registrar, id: Id) -> JSONResponse:
    """Messages carry a signature by the new secret and, for `former_hours`, by those before it.

    Asked for again, because the reply was lost, it makes one more, and what a receiver still has goes on.
    """
    runtime = _runtime(request)
    overlap = body.former_hours * 3_600 * SECOND
    url, number, until = await runtime.write(store.renew_secret, client.organisation, id, overlap)
    return JSONResponse(
        {"id": id, "url": url, "secret": secret_of(runtime, id, number), "former_until": iso(until)},
        headers={"Cache-Control": "no-store"},
    )


@router.delete(
    "/{id}",
    status_code=204,
    summary="Tell an address nothing more",
    responses=problems("unauthenticated", "forbidden", "not_found"),
)
async def remove_webhook(request: Request, client: Registrar, id: Id) -> Response:
    """What is on its way is not sent any more."""
    await _runtime(request).write(store.remove, client.organisation, id)
    return Response(status_code=204)
