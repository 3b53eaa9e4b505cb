"""The room of published tests: what each version stands on. It shows no item and no parameter."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from api.catalogue.live import LiveTest
from api.catalogue.store import load, published
from api.console.desk import Desk, at
from api.pages.reception import PageRoute
from api.problems import Problem

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Reader = Annotated[Desk, at("psychometrician", "hr")]


@router.get("/console/tests")
async def overview(desk: Reader) -> Response:
    """Show every published version, by test, the newest first."""
    rows = await desk.runtime.read(published)
    return desk.page("tests.html", tests=list(reversed(rows)))


@router.get("/console/tests/{id}")
async def one(desk: Reader, id: str) -> Response:
    """Show what a version stands on: its design, its levels, its bank by domain, its time rules."""
    row = next((row for row in await desk.runtime.read(published) if row["id"] == id), None)
    if row is None:
        raise Problem("not_found", "There is no such test.")
    test = await desk.runtime.read(load, desk.runtime.tests, id)
    return desk.page("test.html", row=row, test=test, design=_design(test), domains=_domains(desk, test))


def _design(test: LiveTest) -> dict[str, Any]:
    """Return what a design decides, as a page tells it."""
    design = test.design
    cuts = [test.scale.points(cut) for cut in design.cuts.values]
    return {
        "least": design.stop.min,
        "most": design.stop.max,
        "error": None if design.stop.se is None else test.scale.error(design.stop.se),
        "cuts": cuts,
        "confidence": round(100 * design.cuts.confidence),
        "exposure": design.exposure.method,
        "rate": round(100 * design.exposure.rate) if design.exposure.method == "eligibility" else None,
        "criterion": design.select.criterion,
        "needs": design.accommodation.needs,
        "minutes": None if test.rules.limit is None else test.rules.limit // 60_000_000,
    }


def _domains(desk: Desk, test: LiveTest) -> list[tuple[str, int]]:
    """Return the domains of the bank with their numbers of items."""
    counts: dict[str, int] = {}
    for item in test.items:
        counts[item.domain] = counts.get(item.domain, 0) + 1
    language = desk.visit.t.language
    return [
        (str(test.domains.get(code, {}).get(language) or code or "–"), n)
        for code, n in sorted(counts.items())
    ]
