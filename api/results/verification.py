"""Public verification: how it is done, and the status list. A browser gets a page that does it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from api.openapi import problems, reference
from api.pages.reception import wants_page
from api.pages.site import Visit
from api.pages.verifying import verify_page
from api.results.schemas import StatusListOut
from api.results.status import listed
from api.runtime import Runtime

__all__ = ["router"]

router = APIRouter(tags=["Results"])

_HOW = """\
VÉRIFIER UNE ATTESTATION (English below)

L'attestation est un fichier JSON signé (Ed25519). Dans un navigateur : {base}/verify
Avec le programme libre Acquis :

    acquis verify attestation.json --status

Il dit si le fichier est authentique, s'il a été remplacé par une version plus récente, et s'il a été retiré.
Clés publiques : {base}/.well-known/jwks.json
Liste signée des résultats remplacés ou retirés : {base}/verify/status.json
Badges (Open Badges 3.0), avec d'autres logiciels aussi : {base}/.well-known/did.json

VERIFYING A RESULT

The result is a signed JSON file (Ed25519). In a browser: {base}/verify
With the open program Acquis:

    acquis verify result.json --status

It says whether the file is authentic, whether a newer version has replaced it, and whether it was withdrawn.
Public keys: {base}/.well-known/jwks.json
Signed list of the results that were replaced or withdrawn: {base}/verify/status.json
Badges (Open Badges 3.0), with other software, too: {base}/.well-known/did.json
"""


@router.get(
    "/verify",
    summary="How anyone verifies a result",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def how_to_verify(request: Request) -> Response:
    """In French and English; a browser gets a page where a file can be verified."""
    if wants_page(request):
        return verify_page(Visit.of(request))
    runtime: Runtime = request.app.state.runtime
    return PlainTextResponse(_HOW.format(base=runtime.settings.base_url), headers={"Vary": "Accept"})


@router.get(
    "/verify/status.json",
    summary="Which results no longer stand, signed",
    response_class=Response,
    responses=problems() | {200: {"content": {"application/json": {"schema": reference(StatusListOut)}}}},
)
async def read_status_list(request: Request) -> Response:
    """Every superseded or withdrawn result by its identifier: who asks does not say which one is verified."""
    runtime: Runtime = request.app.state.runtime
    return Response(
        await runtime.read(listed, runtime.settings.base_url, runtime.keyring),
        media_type="application/json",
        headers={"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"},
    )
