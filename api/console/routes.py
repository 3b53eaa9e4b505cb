"""Every room of the console."""

from __future__ import annotations

from fastapi import APIRouter

from api.console import accounts, invitations, jury, programs, results, signing, tests

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for room in (signing, invitations, results, jury, tests, accounts, programs):
    router.include_router(room.router)
