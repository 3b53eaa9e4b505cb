"""Every kind of interaction on a page of its own, without a sitting: what the browser tests look at.

Items come from the demonstration bank, and from here for the kinds that it has not got.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api.pages.controls import Sent, read
from api.pages.item_markup import draw
from api.pages.language import messages
from api.pages.routes import router
from api.pages.site import Visit, page, template
from item_bank.content import (
    Area,
    Choice,
    GapMatch,
    Hotspot,
    Image,
    InlineChoice,
    Interaction,
    Match,
    Option,
    SelectPoint,
    TextEntry,
)
from item_bank.demo import FOLDER, load
from item_bank.render import SLOT, Slot, View, present


@dataclass(frozen=True)
class Shown:
    """An item to show and what a candidate may have filled in."""

    view: View
    filled: Sent


def _view(language: str, body: str, **interactions: Interaction) -> View:
    pieces = SLOT.split(body)
    kinds = {
        Choice: "choice", GapMatch: "gap_match", Hotspot: "hotspot", InlineChoice: "inline_choice",
        Match: "match", SelectPoint: "select_point", TextEntry: "text_entry",
    }  # fmt: skip
    parts = [
        Slot(piece, kinds[type(interactions[piece])], interactions[piece]) if index % 2 else piece
        for index, piece in enumerate(pieces)
        if piece
    ]
    return View(language, "", tuple(parts), None)


def _options(**texts: str) -> tuple[Option, ...]:
    return tuple(Option(name, text) for name, text in texts.items())


IMAGE = Image("D2.1-S1.fr.svg", 720, 500, "Un courriel reçu.\nIl annonce une boîte pleine.")
PICTURE = '<img src="D2.1-S1.fr.svg" alt="Un courriel reçu" width="360" height="250">'
SLOT_R = '<slot name="R"></slot>'


def made(language: str) -> dict[str, Shown]:
    """Return items of the kinds that the demonstration bank has not got."""
    return {
        "inline_short": Shown(
            _view(
                language,
                '<p>Le mot de passe est <slot name="A"></slot>, puis <slot name="B"></slot> ans.</p>',
                A=InlineChoice(_options(x="personnel", y="commun")),
                B=TextEntry(label="Durée", length=4),
            ),
            {"a.A": ["y"], "a.B": ["dix"]},
        ),
        "match_any": Shown(
            _view(
                language,
                f"<p>Cochez ce qui convient à chaque cas.</p>{SLOT_R}",
                R=Match(
                    (Option("p", "Le matin", match_max=0), Option("q", "Le soir", match_max=2)),
                    (
                        Option("1", "Lire", match_max=0),
                        Option("2", "Écrire", match_max=0),
                        Option("3", "Dormir"),
                    ),
                ),
            ),
            {"a.R.p": ["1", "2"], "a.R.q": ["3"]},
        ),
        "match_blanks": Shown(
            _view(
                language,
                f"<p>Reliez ce qui va ensemble.</p>{SLOT_R}",
                R=Match(
                    _options(p="Le médecin", q="L'infirmier", r="Le patient"),
                    _options(x="prescrit", y="administre"),
                    blanks=True,
                ),
            ),
            {"a.R.p": ["x"], "a.R.r": [""]},
        ),
        "drawn": Shown(
            _view(
                language,
                f"<p>Le message reçu : {PICTURE} Quel logo est le bon ?</p>{SLOT_R}",
                R=Choice(tuple(Option(k, PICTURE.replace("courriel", f"logo {k}")) for k in "AB")),
            ),
            {"a.R": ["A"]},
        ),
        "hotspots": Shown(
            _view(
                language,
                f"<p>Montrez deux endroits.</p>{SLOT_R}",
                R=Hotspot(
                    IMAGE,
                    (
                        Area("c", "circle", (80, 110, 40), "L'expéditeur"),
                        Area("e", "ellipse", (185, 245, 160, 30), "Le logo"),
                        Area("p", "poly", (20, 370, 250, 370, 250, 420, 20, 420), "Le bouton"),
                        Area("r", "rect", (100, 146, 560, 172), ""),
                    ),
                    maximum=2,
                ),
            ),
            {"a.R": ["c", "p"]},
        ),
        "point": Shown(
            _view(language, f"<p>Montrez le bouton.</p>{SLOT_R}", R=SelectPoint(IMAGE)),
            {"a.R.0.x": ["18,5"], "a.R.0.y": ["79"]},
        ),
        "gaps": Shown(
            _view(
                language,
                f"<p>Complétez.</p>{SLOT_R}",
                R=GapMatch(
                    _options(a="chiffrer", b="sauvegarder", c="publier"),
                    ("g1", "g2"),
                    '<p>Il faut <slot name="g1"></slot> ceci et <slot name="g2"></slot> cela.</p>',
                    prompt="<p>Un texte par trou.</p>",
                ),
            ),
            {"a.R.g1": ["a"], "a.R.g2": ["b"]},
        ),
    }


@cache
def bank() -> Mapping[str, Shown]:
    """Return one item of the demonstration bank for each of its kinds, in French and English."""
    demo = load()
    found: dict[str, Shown] = {}
    for language in ("fr", "en"):
        for item in demo.items:
            stimulus = demo.stimuli.get(item.stimulus)
            view = present(item, language, b"gallery", stimulus)
            slot = next(part for part in view.parts if isinstance(part, Slot))
            kind = slot.kind
            if isinstance(slot.interaction, Choice):
                kind = "single" if slot.interaction.maximum == 1 else "multiple"
                if stimulus is not None and stimulus.image:
                    kind = "picture"
                elif stimulus is not None:
                    kind = "text"
            found.setdefault(f"{kind}.{language}", Shown(view, {}))
            found[f"{item.id}.{language}"] = Shown(view, {})
    return found


KINDS = ("single", "multiple", "picture", "text", "order", "match", "inline_choice", "text_entry", "hotspot")
MADE = ("inline_short", "match_any", "match_blanks", "drawn", "hotspots", "point", "gaps")


def shown(kind: str, language: str) -> Shown:
    """Return what the page `kind` shows: a kind, or the identifier of an item."""
    return made(language)[kind] if kind in MADE else bank()[f"{kind}.{language}"]


def create_gallery() -> FastAPI:
    """Return the gallery: ``/kind/KIND?language=fr&faults=1&filled=1``."""
    app = FastAPI()
    app.state.runtime = SimpleNamespace(
        settings=SimpleNamespace(walk_in=False, secure=False, base_url="http://127.0.0.1"),
        mac=lambda purpose, text: f"{purpose}-{len(text)}",
    )

    @app.get("/kind/{kind}")
    async def kind_page(
        request: Request, kind: str, language: str = "fr", faults: int = 0, filled: int = 0
    ) -> Response:
        visit = Visit.of(request)
        visit.t = messages(language)
        item = shown(kind, language)
        sent = item.filled if filled else {}
        wrong = read(item.view, sent).faults if faults else ()
        return page(
            visit,
            "question.html",
            position=7,
            least=15,
            most=25,
            deadline=None,
            handle="gallery",
            item=draw(item.view, visit.t, template("controls.html"), "gallery", sent, wrong),
            faults=wrong,
            notice="",
            title="Compétences numériques en santé",
            demonstration=True,
        )

    @app.get("/question/image/gallery/{name}")
    async def image(name: str) -> Response:
        return Response((FOLDER / "media" / name).read_bytes(), media_type="image/svg+xml")

    app.include_router(router)
    return app
