"""What the report of a study says: texts of ``fr.toml`` and ``en.toml`` beside this file."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from calibration.report.words import Words

__all__ = ["StudyWords"]


class StudyWords(Words):
    """Texts of a study in one language; numbers as everywhere in the reports."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        text = files("calibration.study").joinpath(f"{language}.toml").read_text(encoding="utf-8")
        if language == "fr":  # French sets its double signs off by spaces that must not break
            for sign in ":;?!»":
                text = text.replace(f" {sign}", f"\u00a0{sign}")
            text = text.replace("« ", "«\u00a0")
        self._messages: dict[str, dict[str, str]] = tomllib.loads(text)

    def stop(self, code: str) -> str:
        """Return why a sitting ended."""
        return self._messages["reasons"].get(code, code)

    def name(self, rule: Any) -> str:
        """Return what a rule of the design is called."""
        return self._messages["names"].get(str(rule), str(rule))
