"""The demonstration bank: read from the TOML files beside this one (see ``README.md``)."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cat_engine.errors import InputError
from item_bank import forms
from item_bank.bank import Bank
from item_bank.content import Area, Content, Hotspot, Image, Item, Option, Response, Source, Stimulus
from item_bank.demo.ratings import disagreement, location, read_grades
from item_bank.forms import RESPONSE, Form
from item_bank.framework import Framework

__all__ = ["FOLDER", "FRAMEWORK", "LANGUAGES", "DemoBank", "load", "provisional"]

FOLDER = Path(__file__).resolve().parent
FRAMEWORK = ("socle-numerique-sante", "2022-11-10")
"""Identifier and version of the framework: the common *socle* by the date of its arrêté."""
LANGUAGES = ("fr", "en")
SLOPE = 0.33
"""Assumed standard error of a slope of 1."""
STEP = 0.5
"""Assumed standard error of one step's place, in logits, beside that of the item's location."""


@dataclass(frozen=True, slots=True)
class DemoBank:
    """Items and what stands around them, in canonical order (by file, then as written)."""

    items: tuple[Item, ...]
    stimuli: Mapping[str, Stimulus]
    domains: Mapping[str, Mapping[str, Any]]
    skills: Mapping[str, Mapping[str, Any]]
    media: Path
    ratings: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The grades of an item: its author's, then its readers'."""

    @property
    def framework(self) -> Framework:
        """The domains and skills as a framework."""
        return Framework.from_tables(*FRAMEWORK, self.domains.values(), self.skills.values())

    def bank(self) -> Bank:
        """Return the whole as a bank, with its pictures and its provisional parameters."""
        return Bank(
            self.items,
            self.stimuli,
            self.framework,
            {path.name: path.read_bytes() for path in sorted(self.media.glob("*.svg"))},
            self.parameters(),
        )

    def parameters(self) -> tuple[dict[str, Any], ...]:
        """Return the provisional parameters of every item, from all that is known of its difficulty."""
        between = disagreement(self.ratings.values())
        return tuple(provisional(item, self.ratings.get(item.id, ()), between) for item in self.items)


def load(folder: Path = FOLDER) -> DemoBank:
    """Read the bank in `folder`.

    Raises
    ------
    InputError
        With the file and the item, when something does not fit the format of ``README.md``.
    """
    items: list[Item] = []
    stimuli: dict[str, Stimulus] = {}
    domains: dict[str, Mapping[str, Any]] = {}
    skills: dict[str, Mapping[str, Any]] = {}
    for path in sorted((folder / "framework").glob("*.toml")):
        text = _read(path)
        domains[text["domain"]["code"]] = text["domain"]
        skills.update((skill["code"], skill) for skill in text["skill"])
    for path in sorted((folder / "items").glob("*.toml"), key=_natural):
        text = _read(path)
        for row in text.get("stimulus", ()):
            stimuli[row["id"]] = _stimulus(row, folder / "media")
        for row in text.get("item", ()):
            try:
                items.append(_item(row, text["skill"], stimuli))
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    f"{path.name}: item '{row.get('id', '?')}' does not fit the format of "
                    f"item_bank/demo/README.md ({type(error).__name__}: {error})"
                ) from error
    grades = read_grades(folder / "review" / "readings.csv")
    ratings = {item.id: (item.grade or 3, *grades.get(item.id, ())) for item in items}
    return DemoBank(tuple(items), stimuli, domains, skills, folder / "media", ratings)


def provisional(item: Item, ratings: Sequence[int] = (), between: float = 1.0) -> dict[str, Any]:
    """Return parameters made from rated difficulty, as a row of the parameter file.

    Grades 1 to 5 stand at -2, -1, 0, 1, 2, and the location is their mean; slopes are 1 for all. The standard
    errors say how little that is worth: see :func:`item_bank.demo.ratings.location` for the location, a third
    for the slope. ``cov`` is the covariance matrix of the parameters in their order in the row (a, then b):
    the steps of an item share the error of its location, and each has its own besides, half a logit.

    Parameters
    ----------
    ratings
        The grades given to the item; its author's alone when empty.
    between
        The variance between raters over the bank.
    """
    b, error = (round(x, 4) for x in location(ratings or (item.grade or 3,), between))
    row: dict[str, Any] = {
        "id": item.id,
        "n": 0,
        "flags": ["provisional"],
        "calibration": "rated difficulty",
        "scale": "demonstration",
    }
    if item.n_cat == 2:
        cov = [[round(SLOPE**2, 6), 0.0], [0.0, round(error**2, 6)]]
        return {**row, "model": "2pl", "a": 1.0, "b": b, "se": {"a": SLOPE, "b": error}, "cov": cov}
    steps = item.n_cat - 1
    spread = [b + 1.5 * (k - (steps - 1) / 2) / steps for k in range(steps)]
    cov = [[round((SLOPE / steps) ** 2, 6)] + [0.0] * steps]
    for k in range(steps):
        cov.append([0.0] + [round(error**2 + (STEP**2 if j == k else 0.0), 6) for j in range(steps)])
    return {
        **row,
        "model": "gpcm",
        "a": 1.0 / steps,
        "b": spread,
        "se": {"a": round(SLOPE / steps, 4), "b": [round((error**2 + STEP**2) ** 0.5, 4)] * steps},
        "cov": cov,
    }


def _natural(path: Path) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not valid TOML: {error}; mend that line") from error


def _paragraphs(text: str) -> str:
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))
    return "".join(f"<p>{html.escape(part, quote=False)}</p>" for part in parts if part)


def _stimulus(row: Mapping[str, Any], media: Path) -> Stimulus:
    images: dict[str, Image] = {}
    if row.get("media"):
        for language in LANGUAGES:
            name = f"{row['id']}.{language}.svg"
            width, height = _size(media / name)
            images[language] = Image(name, width, height, row[language]["alt"].strip())
    return Stimulus(
        row["id"],
        {language: row[language]["title"] for language in LANGUAGES},
        {language: _paragraphs(row[language].get("text", "")) for language in LANGUAGES},
        images,
    )


def _size(path: Path) -> tuple[int, int]:
    box = ElementTree.parse(path).getroot().attrib["viewBox"].split()  # noqa: S314 - a file of ours
    return round(float(box[2])), round(float(box[3]))


def _item(row: Mapping[str, Any], skill: str, stimuli: Mapping[str, Stimulus]) -> Item:
    stimulus = stimuli.get(row.get("stimulus", ""))
    if row.get("stimulus") and stimulus is None:
        raise ValueError(f"there is no stimulus '{row['stimulus']}' in this file")
    asked = {language: _form(row, language, stimulus) for language in LANGUAGES}
    versions = {language: _content(row, asked[language], language) for language in LANGUAGES}
    return Item(
        id=row["id"],
        versions=versions,
        scores=asked[LANGUAGES[0]].scores,
        domain=skill.split(".")[0],
        skill=skill,
        stimulus=row.get("stimulus", ""),
        enemies=tuple(row.get("enemies", ())),
        tags=tuple(row.get("tags", ())),
        profession=row["profession"],
        grade=row["grade"],
        source=Source(**row["source"]),
        authors=("Acquis",),
        status="provisional",
    )


def _options(texts: Mapping[str, str], uses: int = 1) -> tuple[Option, ...]:
    return tuple(
        Option(name, html.escape(text.strip(), quote=False), match_max=uses) for name, text in texts.items()
    )


def _content(row: Mapping[str, Any], form: Form, language: str) -> Content:
    text = row[language]
    stem = _paragraphs(text["stem"])
    for name in form.interactions:
        stem = stem.replace(f"[[{name}]]", f'<slot name="{name}"></slot>')
    return forms.assemble(form, row["id"], stem, _paragraphs(text["rationale"]))


def _form(row: Mapping[str, Any], language: str, stimulus: Stimulus | None) -> Form:
    text = row[language]
    key = row["key"]
    partial = row.get("scoring") == "partial"
    match row["form"]:
        case "single":
            _known([key], text["options"])
            return forms.single(_options(text["options"]), key)
        case "multiple":
            _known(key, text["options"])
            return forms.multiple(_options(text["options"]), key, partial)
        case "order":
            _known(key, text["options"])
            return forms.order(_options(text["options"]), key)
        case "match":
            _known(key, text["rows"])
            _known(key.values(), text["columns"])
            rows, columns = _options(text["rows"]), _options(text["columns"], uses=0)
            return forms.match(rows, columns, key, partial)
        case "inline":
            for name, right in key.items():
                _known([right], text["gaps"][name])
                if f"[[{name}]]" not in text["stem"]:
                    raise ValueError(f"the stem ({language}) has no [[{name}]]")
            return forms.inline({name: _options(text["gaps"][name]) for name in key}, key)
        case "number":
            return forms.numeric(str(key), text.get("unit", ""))
        case "hotspot":
            return _hotspot(row, language, stimulus)
        case form:
            raise ValueError(f"the form '{form}' is not in the table of forms")


def _hotspot(row: Mapping[str, Any], language: str, stimulus: Stimulus | None) -> Form:
    if stimulus is None or language not in stimulus.image:
        raise ValueError("a hotspot needs a stimulus with a picture")
    _known([row["key"]], row["areas"])
    areas = tuple(
        Area(name, "rect", (x, y, x + width, y + height), row[language]["options"][name])
        for name, (x, y, width, height) in row["areas"].items()
    )
    return Form(
        {RESPONSE: Hotspot(stimulus.image[language], areas)},
        {RESPONSE: Response("single", "identifier", (row["key"],))},
    )


def _known(names: Any, among: Mapping[str, Any]) -> None:
    for name in names:
        if name not in among:
            raise ValueError(f"the key names '{name}', which is not among {', '.join(among)}")
