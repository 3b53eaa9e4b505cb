"""The result in words: the level, how sure that is, the score with its interval, what to do next.

Nothing is computed here that the signed claims do not hold; an interval is what their standard error says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.moments import from_iso
from api.pages.drawing import scale_drawing
from api.pages.language import Messages
from api.sittings.view import ResultView

__all__ = ["possible_levels", "result_context"]

NINE_IN_TEN = 1.645
"""Standard errors on either side of a score that hold 90 % of a normal distribution."""

_SURE = ((0.995, "all_but"), (0.95, "almost"), (0.8, "very"), (0.6, "likely"), (0.0, "open"))


def result_context(result: ResultView, t: Messages) -> dict[str, Any]:
    """Return what ``result.html`` shows of a result."""
    claims = result.document
    score, level, levels = claims["score"], claims["level"], claims["levels"]
    interval = _interval(score, score)
    decided = claims["decision"] is not None
    k = [one["code"] for one in levels].index(level["code"])
    probabilities = [one["probability"] for one in levels]
    reached = range(k, k + 1) if decided else possible_levels(probabilities, claims["confidence"])
    drawings = [
        scale_drawing(
            width,
            (score["scale_low"], score["scale_high"]),
            tuple(score["cuts"]),
            tuple(_in(one["label"], t) for one in levels),
            reached,
            score["points"],
            interval,
        )
        for width in (640, 300)
    ]
    chances = round(100 * level["probability"])
    ended = f"ended.{claims['ended']}"
    return {
        "demonstration": claims["demonstration"],
        "test": _in(claims["test"]["title"], t),
        "level": _in(level["label"], t),
        "between": (_in(levels[reached[0]]["label"], t), _in(levels[reached[-1]]["label"], t)),
        "decided": decided,
        "sure": next(word for least, word in _SURE if level["probability"] >= least),
        "chances": chances,
        "confidence": round(100 * claims["confidence"]),
        "points": score["points"],
        "low": interval[0],
        "high": interval[1],
        "scale": (score["scale_low"], score["scale_high"]),
        "drawings": drawings,
        "levels": [
            (_in(one["label"], t), one["probability"], _percentage(one["probability"], t)) for one in levels
        ],
        "domains": [
            (_in(one["title"], t), one["items"], one["points"], *_interval(one, score))
            for one in claims["domains"]
        ],
        "items": claims["items"],
        "ended": ended if t.has(ended) else "ended.other",
        "id": result.id,
        "person": _who(claims["person"]),
        "issuer": claims["issuer"],
        "day": t.day(from_iso(claims["assessed"]["until"])),
        "valid_until": t.day(from_iso(claims["valid_until"])),
        "state": result.status,
    }


def possible_levels(probabilities: Sequence[float], confidence: float) -> range:
    """Return the levels that an undecided result lies between: the fewest side by side, two at least, with
    the likeliest among them, that hold `confidence` together.
    """
    first = max(range(len(probabilities)), key=probabilities.__getitem__)
    last = first
    while (first == last or sum(probabilities[first : last + 1]) < confidence) and (
        last - first + 1 < len(probabilities)
    ):
        below = probabilities[first - 1] if first else -1.0
        above = probabilities[last + 1] if last + 1 < len(probabilities) else -1.0
        if above > below:
            last += 1
        else:
            first -= 1
    return range(first, last + 1)


def _who(person: Mapping[str, str | None]) -> str:
    """Return what the organisation told of the person: the name, and how it numbers them."""
    name = " ".join(part for part in (person["given_name"], person["family_name"]) if part)
    number = " ".join(part for part in (person["identifier_type"], person["identifier"]) if part)
    if not person["identifier"]:
        return name
    return ", ".join(part for part in (name, number) if part)


def _in(texts: Mapping[str, str], t: Messages) -> str:
    return texts.get(t.language) or next(iter(texts.values()))


def _interval(estimate: Mapping[str, Any], scale: Mapping[str, Any]) -> tuple[int, int]:
    half = NINE_IN_TEN * estimate["points_error"]
    low = max(scale["scale_low"], round(estimate["points"] - half))
    return low, min(scale["scale_high"], round(estimate["points"] + half))


def _percentage(share: float, t: Messages) -> str:
    """Return a share in words that never say 0 or 100 for what is only nearly so."""
    percent = round(100 * share)
    if percent < 1:
        return t.plain("result.under_one")
    if percent > 99:
        return t.plain("result.over_99")
    return t.plain("result.percent", n=percent)
