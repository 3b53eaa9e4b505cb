"""The pictures that the pages draw themselves: zones over a picture, and a result on its scale."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from item_bank.content import Area, Image

__all__ = ["Band", "ScaleDrawing", "Zone", "scale_drawing", "zone"]


@dataclass(frozen=True, slots=True)
class Zone:
    """One area of a hotspot as SVG."""

    outline: Markup
    box: tuple[float, float, float, float]
    """Left, top, width, height: what a pointer can hit."""
    pin: tuple[float, float]
    """Where its number stands: on the right border, mostly empty in forms; on top of tall areas."""


def zone(area: Area, image: Image) -> Zone:
    """Return `area` of `image` as a zone (QTI shapes: rect, circle, ellipse, poly, default)."""
    c = area.coords
    match area.shape:
        case "rect":
            left, top, right, bottom = c[0], c[1], c[2], c[3]
            shape = _rect(left, top, right, bottom)
        case "circle":
            left, top, right, bottom = c[0] - c[2], c[1] - c[2], c[0] + c[2], c[1] + c[2]
            shape = Markup('<circle class="outline" cx="{:g}" cy="{:g}" r="{:g}"/>').format(*c[:3])
        case "ellipse":
            left, top, right, bottom = c[0] - c[2], c[1] - c[3], c[0] + c[2], c[1] + c[3]
            shape = Markup('<ellipse class="outline" cx="{:g}" cy="{:g}" rx="{:g}" ry="{:g}"/>').format(
                *c[:4]
            )
        case "poly":
            left, top, right, bottom = min(c[::2]), min(c[1::2]), max(c[::2]), max(c[1::2])
            points = " ".join(f"{x:g},{y:g}" for x, y in zip(c[::2], c[1::2], strict=True))
            shape = Markup('<polygon class="outline" points="{}"/>').format(points)
        case _:
            left, top, right, bottom = 0.0, 0.0, float(image.width), float(image.height)
            shape = _rect(left, top, right, bottom)
    x, y = right, (top + bottom) / 2
    if bottom - top > 1.5 * (right - left):
        x, y = (left + right) / 2, top
    pin = (min(max(x, 16), image.width - 16), min(max(y, 16), image.height - 16))
    return Zone(shape, (left, top, right - left, bottom - top), pin)


def _rect(left: float, top: float, right: float, bottom: float) -> Markup:
    return Markup('<rect class="outline" x="{:g}" y="{:g}" width="{:g}" height="{:g}" rx="3"/>').format(
        left, top, right - left, bottom - top
    )


@dataclass(frozen=True, slots=True)
class Band:
    """A level on the scale, in the drawing's units."""

    x: float
    width: float
    label: str
    reached: bool
    anchor: str
    """SVG's ``text-anchor`` of the label."""
    at: float
    """Where the label is anchored."""
    row: int
    """Of the label: 1 for every second one where they would touch."""


@dataclass(frozen=True, slots=True)
class ScaleDrawing:
    """A score with its interval on the scale of levels, drawn `width` units wide."""

    width: int
    font: float
    bands: tuple[Band, ...]
    cuts: tuple[tuple[float, int], ...]
    """Where one level ends and the next begins: place and points."""
    score: float
    low: float
    high: float


def scale_drawing(
    width: int,
    bounds: tuple[int, int],
    cuts: tuple[int, ...],
    labels: tuple[str, ...],
    reached: range,
    score: int,
    interval: tuple[int, int],
) -> ScaleDrawing:
    """Return the drawing of `score` and `interval` among levels, those of `reached` darker.

    The drawing shows the part of the scale that matters: the cuts and the interval, with room around, so
    that the ends of an almost empty scale do not squeeze what is to be seen.
    """
    inner = (*cuts, *interval, score)
    room = max(100, (max(inner) - min(inner)) // 4)
    left = max(bounds[0], min(inner) - room)
    right = max(min(bounds[1], max(inner) + room), left + 1)

    def place(points: int) -> float:
        return round(min(max((points - left) / (right - left), 0.0), 1.0) * width, 1)

    edges = [0.0, *(place(cut) for cut in cuts), float(width)]
    font = 16.0 if width > 400 else 12.5
    return ScaleDrawing(
        width,
        font,
        _bands(edges, labels, reached, font),
        tuple((place(cut), cut) for cut in cuts),
        place(score),
        place(interval[0]),
        place(interval[1]),
    )


def _bands(edges: list[float], labels: tuple[str, ...], reached: range, font: float) -> tuple[Band, ...]:
    """Return the levels; labels that would touch stand in two rows, the outer ones at the drawing's ends."""
    last = len(labels) - 1
    widths = [edges[k + 1] - edges[k] for k in range(len(labels))]
    crowded = any(0.62 * font * len(label) > width for label, width in zip(labels, widths, strict=True))
    bands = []
    for k, label in enumerate(labels):
        anchor, at = "middle", (edges[k] + edges[k + 1]) / 2
        if crowded and k in (0, last):
            anchor, at = ("start", edges[0]) if k == 0 else ("end", edges[-1])
        row = k % 2 if crowded else 0
        bands.append(Band(edges[k], round(widths[k], 1), label, k in reached, anchor, round(at, 1), row))
    return tuple(bands)
