"""The room of published tests: what each version stands on, and what sittings say of it.

It shows no content of an item and no parameter; psychometricians see items by their names in the bank.
"""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from api.catalogue.live import LiveTest
from api.catalogue.store import load, published
from api.console.desk import Desk, at
from api.console.drawings import bins, chart
from api.console.evidence import MOST, UNANSWERED, Evidence, ItemUse, evidence
from api.pages.reception import PageRoute
from api.problems import Problem
from api.results.table import safe

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Reader = Annotated[Desk, at("psychometrician", "hr")]
Psychometrician = Annotated[Desk, at("psychometrician")]
_WIDTHS = (640, 300)
"""Of a drawing on a desk, and on a telephone."""
_STEP = 0.05
"""Of theta, between the edges of the histogram of standard errors."""


@router.get("/console/tests")
async def overview(desk: Reader) -> Response:
    """Show every published version, by test, the newest first."""
    rows = await desk.runtime.read(published)
    return desk.page("tests.html", tests=list(reversed(rows)))


@router.get("/console/tests/{id}")
async def one(desk: Reader, id: str) -> Response:
    """Show what a version stands on: its design, its levels, its bank by domain, its time rules."""
    row, test = await _found(desk, id)
    return desk.page(
        "test.html",
        row=row,
        test=test,
        design=_design(test),
        domains=_domains(desk, test),
        evident="psychometrician" in desk.staff.roles,
    )


async def _found(desk: Desk, id: str) -> tuple[dict[str, Any], LiveTest]:
    row = next((row for row in await desk.runtime.read(published) if row["id"] == id), None)
    if row is None:
        raise Problem("not_found", "There is no such test.")
    return row, await desk.runtime.read(load, desk.runtime.tests, id)


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
    return [(_domain(desk, test, code), n) for code, n in sorted(counts.items())]


def _domain(desk: Desk, test: LiveTest, code: str) -> str:
    return str(test.domains.get(code, {}).get(desk.visit.t.language) or code or "–")


# What sittings say of it


@router.get("/console/tests/{id}/passations")
async def sittings(desk: Psychometrician, id: str) -> Response:
    """Show what the organisation's sittings say of a version, drawn and in tables."""
    row, test = await _found(desk, id)
    found = await desk.runtime.read(evidence, id, desk.organisation)
    uses = _uses(desk, test, found)
    stop, rates = test.design.stop, [use["rate"] for use in uses]
    exposure = test.design.exposure
    limit = exposure.rate if exposure.method == "eligibility" else None
    errors, lengths = bins(found.errors, _STEP), bins(found.lengths, 1)
    goal = None if stop.se is None or not errors else (stop.se - errors[0].low) / _STEP
    number = desk.visit.t.number
    return desk.page(
        "sittings.html",
        row=row,
        test=test,
        found=found,
        most=MOST,
        uses=uses,
        never=sum(rate == 0 for rate in rates),
        above=0 if limit is None else sum(rate > limit for rate in rates),
        limit=limit,
        goal=stop.se,
        exposures=[chart(width, rates, across=limit) for width in _WIDTHS],
        errors=errors,
        error_charts=[
            chart(width, [one.n for one in errors], [number(one.low, 2) for one in errors], down=goal)
            for width in _WIDTHS
        ],
        middle=found.errors[len(found.errors) // 2] if found.errors else None,
        lengths=lengths,
        length_charts=[
            chart(width, [one.n for one in lengths], [number(one.low) for one in lengths])
            for width in _WIDTHS
        ],
        room="tests",
    )


@router.get("/console/tests/{id}/questions.csv")
async def items(desk: Psychometrician, id: str) -> Response:
    """Hand out how often each item was served and left without an answer, as a table."""
    _, test = await _found(desk, id)
    found = await desk.runtime.read(evidence, id, desk.organisation)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["item", "domain", "sittings", "served", "rate", *UNANSWERED])
    for use in _uses(desk, test, found):
        rate = f"{use['rate']:.4f}"
        writer.writerow(
            [safe(use["item"]), use["code"], found.sittings, use["served"], rate, *use["unanswered"]]
        )
    return Response(
        out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="items-{test.code}-{test.version}.csv"'},
    )


def _uses(desk: Desk, test: LiveTest, found: Evidence) -> list[dict[str, Any]]:
    """Return every item of the bank with what became of it, the most frequent first."""
    known = {use.item: use for use in found.items}
    unused = [ItemUse(item.id, 0, (0,) * len(UNANSWERED)) for item in test.items if item.id not in known]
    domains = {item.id: item.domain for item in test.items}
    return [
        {
            "item": use.item,
            "code": domains.get(use.item, ""),
            "domain": _domain(desk, test, domains.get(use.item, "")),
            "served": use.served,
            "rate": use.served / found.sittings if found.sittings else 0.0,
            "unanswered": use.unanswered,
        }
        for use in (*found.items, *unused)
    ]
