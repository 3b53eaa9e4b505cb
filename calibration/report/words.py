"""What a report says, in French and in English: texts of ``fr.toml`` and ``en.toml``, numbers as each
language writes them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from calibration.report.verdict import Reason
from cat_engine.errors import InputError

__all__ = ["LANGUAGES", "Words", "messages"]

LANGUAGES = ("fr", "en")

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_STATISTICS = {"s_x2": "S-X2", "ld_x2": "LD-X2", "pv_q1": "PV-Q1"}


@cache
def messages(language: str) -> dict[str, dict[str, str]]:
    """Return all texts of one language by section and key."""
    if language not in LANGUAGES:
        raise InputError(f"expected a language among {', '.join(LANGUAGES)}, got '{language}'; choose one")
    text = files("calibration.report").joinpath(f"{language}.toml").read_text(encoding="utf-8")
    if language == "fr":  # French sets its double signs off by spaces that must not break
        for sign in ":;?!»":
            text = text.replace(f" {sign}", f"\u00a0{sign}")
        text = text.replace("« ", "«\u00a0")
    return tomllib.loads(text)


class Words:
    """Texts and numbers of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._messages = messages(language)

    def __call__(self, code: str, **values: Any) -> str:
        """Return a text, with values put in."""
        return self._messages["texts"][code].format(**values)

    def method(self, code: str) -> str:
        """Return the name of a method."""
        return self._messages["methods"].get(code, code)

    def reason(self, reason: Reason) -> str:
        """Explain a reason, in the singular where its text has one (French counts none as one)."""
        values = dict(reason.values)
        if isinstance(values.get("statistic"), str):
            values["statistic"] = self.statistic(values["statistic"])
        if "method" in values:
            values["method"] = self.method(values["method"])
        reasons = self._messages["reasons"]
        single = "n" in values and (values["n"] < 2 if self.language == "fr" else values["n"] == 1)
        text = (single and reasons.get(f"{reason.code}_one")) or reasons[reason.code]
        return text.format_map(_Known(values, self))

    def statistic(self, code: str) -> str:
        """Return the name of a statistic, or of what could not be judged."""
        own = self._messages["statistics"]
        if code.startswith("item "):
            return own["item"].format(code.removeprefix("item "))
        return own.get(code) or _STATISTICS.get(code) or code.upper()

    def sentence(self, said: str | Mapping[str, Any]) -> Markup:
        """Say a sentence of the findings in this language; what has no code stays English, marked as such."""
        if isinstance(said, str):
            english = escape(said)
            return (
                english if self.language == "en" else Markup('<span lang="en">') + english + Markup("</span>")
            )
        if self.language == "en":
            return escape(said["text"])
        return escape(self._messages["sentences"][said["code"]].format_map(_Known(said["values"], self)))

    def number(self, value: float | None, digits: int = 2) -> str:
        """Return a number with the language's decimal sign, or a dash."""
        if value is None or value != value:
            return "–"
        text = f"{value:.{digits}f}"
        if float(text) == 0.0:
            text = text.removeprefix("-")
        return (text.replace(".", ",") if self.language == "fr" else text).replace("-", "\u2212")

    def significant(self, value: float, digits: int) -> str:
        """Return a number of any size with so many significant digits: 0.012, 3.4 × 10⁻⁷."""
        mantissa, _, power = f"{value:.{digits}g}".partition("e")
        text = mantissa.replace(".", ",") if self.language == "fr" else mantissa
        if power:
            text += "\u00a0×\u00a010" + str(int(power)).translate(_RAISED)
        return text.replace("-", "\u2212")

    def percent(self, value: float | None, digits: int = 0) -> str:
        """Return a share in percent."""
        if value is None or value != value:
            return "–"
        return self.number(100.0 * value, digits) + ("\u202f%" if self.language == "fr" else "%")

    def p(self, value: float | None) -> str:
        """Return a p-value."""
        if value is not None and value < 0.001:
            return "<\u00a0" + self.number(0.001, 3)
        return self.number(value, 3)

    def whole(self, value: float) -> str:
        """Return a whole number with thin spaces or commas between thousands."""
        return f"{int(value):,}".replace(",", "\u202f" if self.language == "fr" else ",")

    def glossary(self) -> list[tuple[str, str]]:
        """Return terms and what they mean."""
        return list(self._messages["glossary"].items())


class _Figure:
    """A number that writes itself in a language: ``{a:.2f}``, ``{p:.3p}`` (p-value), ``{x:.1%}``, ``{n}``;
    ``{x:.2g}`` has significant digits."""

    def __init__(self, value: float | None, words: Words) -> None:
        self.value = value
        self.words = words

    def __format__(self, spec: str) -> str:
        if self.value is None or self.value != self.value:
            return "–"
        sign = "+" if spec.startswith("+") and self.value > 0 else ""
        spec = spec.removeprefix("+")
        if not spec:
            return self.words.whole(self.value)
        digits = int(spec[1:-1])
        if spec.endswith("%"):
            return self.words.percent(self.value, digits)
        if spec.endswith("p"):
            return self.words.p(self.value)
        if spec.endswith("g"):
            return self.words.significant(self.value, digits)
        return sign + self.words.number(self.value, digits)


class _Known(dict[str, Any]):
    """Values for `str.format_map`, numbers in the language's writing."""

    def __init__(self, values: Mapping[str, Any], words: Words) -> None:
        super().__init__(
            {
                k: _Figure(v, words) if v is None or isinstance(v, int | float) else v
                for k, v in values.items()
            }
        )
