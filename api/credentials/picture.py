"""A badge as a picture that people recognise, drawn from what the badge itself says and nothing else.

A picture proves nothing; the credential that is baked into it does (`api.credentials.baking`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from api.results.claims import NOTICE

__all__ = ["drawn", "painted"]

SIDE = 480
"""Width and height, in pixels."""
_INK, _PAPER, _BLUE, _RED = "#1b1f3b", "#ffffff", "#1d3f8f", "#9b1c1c"
_TEXTS = {
    "fr": {
        "kind": "Attestation de résultat",
        "until": "Valable jusqu'au {day}",
        "verify": "À vérifier : {at}",
    },
    "en": {"kind": "Statement of result", "until": "Valid until {day}", "verify": "To be verified: {at}"},
}
_FONT = "font-family='Liberation Sans, Arial, Helvetica, sans-serif'"


def _line(y: int, size: int, text: str, ink: str = _INK, bold: bool = False) -> str:
    weight = " font-weight='bold'" if bold else ""
    return (
        f"<text x='{SIDE // 2}' y='{y}' {_FONT} font-size='{size}'{weight} fill='{ink}' "
        f"text-anchor='middle'>{escape(text)}</text>"
    )


def _wrapped(text: str, width: int) -> list[str]:
    """Return lines of a text; a French colon begins none."""
    return textwrap.wrap(text.replace(" :", "\u00a0:"), width, max_lines=5, placeholder=" …")


def _lines(badge: Mapping[str, Any]) -> Iterator[str]:
    subject = badge["credentialSubject"]
    said = _TEXTS[subject["achievement"]["inLanguage"]]
    yield _line(62, 25, said["kind"], _PAPER, bold=True)
    y = 142
    for text in _wrapped(badge["name"], 30):
        yield _line(y, 26, text, bold=True)
        y += 33
    y += 8
    for text in _wrapped(subject["narrative"], 46):
        yield _line(y, 17, text)
        y += 23
    yield _line(SIDE - 64, 17, said["until"].format(day=badge["validUntil"][:10]))
    at = f"{badge['issuer']['url']}/verify".partition("://")[2]
    yield _line(SIDE - 36, 15, textwrap.shorten(said["verify"].format(at=at), 54, placeholder=" …"))
    if NOTICE in badge["name"]:
        yield f"<rect y='{SIDE - 22}' width='{SIDE}' height='22' fill='{_RED}'/>"
        yield _line(SIDE - 6, 15, NOTICE.upper(), _PAPER, bold=True)


def drawn(badge: Mapping[str, Any]) -> str:
    """Return a badge as SVG: what it is, its name, scores with their errors, its last day, its issuer."""
    frame = f"width='{SIDE - 2}' height='{SIDE - 2}' fill='none' stroke='{_BLUE}' stroke-width='2'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{SIDE}' height='{SIDE}' viewBox='0 0 {SIDE} {SIDE}' "
        f"role='img'><title>{escape(badge['name'])}</title><desc>{escape(badge['description'])}</desc>"
        f"<rect width='{SIDE}' height='{SIDE}' fill='{_PAPER}'/>"
        f"<rect width='{SIDE}' height='96' fill='{_BLUE}'/>"
        f"<rect x='1' y='1' {frame}/>"
        f"{''.join(_lines(badge))}</svg>"
    )


def painted(svg: str) -> bytes:
    """Return an SVG picture as PNG."""
    import vl_convert

    painted: bytes = vl_convert.svg_to_png(svg)
    return painted
