"""Sentences that say why something could not be judged: English here, other languages by their code.

A `Sentence` is a plain string to files and to the command line; the report asks for its code and its values
and says the same in the reader's language (section ``sentences`` of ``calibration/report/fr.toml``).
"""

from __future__ import annotations

from typing import Any

__all__ = ["ENGLISH", "NotApplicable", "Sentence"]

ENGLISH = {
    "incomplete": (
        "it needs everyone's answers to all items, and {share:.0%} of the persons gave them; pv_q1, infit, "
        "outfit and q3 judge these data"
    ),
    "incomplete-structure": "it needs complete responses, and {share:.0%} of the persons gave them",
    "one-dimension": "it is made for one dimension",
    "loglik-of-calibration": "it is known of the responses that the parameters were estimated from",
    "one-item": "one item has no pairs",
    "few-items": "it needs at least {least} items",
    "few-moments": "too few degrees of freedom: {moments} moments for {free} free parameters",
    "many-moments": "{moments} moments are more than can be handled; judge a part of the test",
    "empty-group": "a group has nobody who answered every item",
    "dependent-moments": "the moments are linearly dependent",
    "many-patterns": "{cells:.3g} possible patterns for {persons} persons: nearly all are empty",
    "complete-one-group": "it needs complete responses of one group",
    "few-patterns": "too few degrees of freedom: {cells} patterns for {free} parameters",
    "few-pairs": "some pairs of items were met together by too few persons",
    "not-calibrated": "it could not be calibrated",
    "persons-without-response": "no response, so nothing to learn, from {n} of {of} persons",
    "recoded": "items whose categories were named anew: {n}; {item}: {codes} became 0 to {top}",
    "repeated-items": "{n} items repeat the responses of another: their slopes are inflated",
    "islands": "the items fall into {n} sets that no person links",
    "not-converged": (
        "not converged after {steps} steps: about {gain:.2g} of log-likelihood is left to gain; the data do "
        "not determine some parameters (priors would)"
    ),
    "no-variance": ("the variance of group '{group}' is estimated as 0: the items do not tell people apart"),
    "endless-variance": (
        "the standard deviation of group '{group}' is {sd:.0f}: the items put nearly everybody in the same "
        "order, as if they were one item"
    ),
    "coarse-windows": (
        "the dimensions correlate so much that the log-likelihood may be off by about {error:.2g}; a larger "
        "--quadrature makes it exact"
    ),
    "inseparable": (
        "the dimensions '{one}' and '{other}' correlate by {r:.3f}: the items measure one dimension, not two"
    ),
    "no-errors": (
        "no standard errors: {parameters} parameters need matrices of {size:.1f} GB each; calibrate fewer "
        "items at a time for them"
    ),
}
"""Sentence by code."""


class Sentence(str):
    """An English sentence that remembers what it was made from.

    Attributes
    ----------
    code
        Key of `ENGLISH`.
    values
        What was put in.
    """

    code: str
    values: dict[str, Any]

    def __new__(cls, code: str, **values: Any) -> Sentence:
        """Make the sentence of a code."""
        text = super().__new__(cls, ENGLISH[code].format(**values))
        text.code, text.values = code, values
        return text


class NotApplicable(Exception):
    """Why a statistic says nothing about these data; its only argument is a `Sentence`."""

    def __init__(self, code: str, **values: Any) -> None:
        self.why = Sentence(code, **values)
        super().__init__(self.why)
