"""Items of every kind, small enough to reason about: one English and one French version each."""

from __future__ import annotations

from collections.abc import Mapping

from item_bank.bank import Bank
from item_bank.content import (
    Area,
    Choice,
    Content,
    GapMatch,
    Hotspot,
    Image,
    InlineChoice,
    Interaction,
    Item,
    Mapped,
    Match,
    Node,
    Option,
    Order,
    Outcome,
    Response,
    Rules,
    SelectPoint,
    Source,
    Stimulus,
    TextEntry,
)
from item_bank.framework import Domain, Framework, Skill

SLOT = '<slot name="RESPONSE"></slot>'
PICTURE = Image("plan.svg", 200, 100, "A plan:\ntwo rooms & a door")
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100">'
    b'<rect x="10" y="10" width="80" height="80" fill="none" stroke="black"/>'
    b'<rect x="110" y="10" width="80" height="80" fill="none" stroke="black"/></svg>'
)
SOURCE = Source("A text", "article 1", "2020-01-01", "What it says.", "copy", "here, 2026-01-01")


def options(*texts: str, uses: int = 1) -> tuple[Option, ...]:
    """Options A, B, C, ... with these texts."""
    return tuple(Option("ABCDEFGH"[i], text, match_max=uses) for i, text in enumerate(texts))


def item(
    name: str,
    control: Interaction | Mapping[str, Interaction],
    response: Response | Mapping[str, Response],
    *,
    body: str | None = None,
    processing: str = "match_correct",
    scores: tuple[float, ...] = (0.0, 1.0),
    rules: Rules | None = None,
    **fields: object,
) -> Item:
    """An item in French and English around one control, or several."""
    controls = dict(control) if isinstance(control, Mapping) else {"RESPONSE": control}
    responses = dict(response) if isinstance(response, Mapping) else {"RESPONSE": response}
    situation = ", ".join(f"{name}{letter}" for letter in "klmnopqr")
    asked = f"<p>{situation} &amp; plus.</p>" + (body or f"<p>Que faites-vous ?</p>{SLOT}")
    content = Content(name, asked, controls, responses, processing, "<p>Parce que.</p>", rules)
    known: dict[str, object] = {
        "domain": "D1",
        "skill": "D1.1",
        "source": SOURCE,
        "authors": ("Ada",),
        **fields,
    }
    return Item(name, {"fr": content, "en": content}, scores, **known)  # type: ignore[arg-type]


def single(name: str = "single", key: str = "B", **fields: object) -> Item:
    """A single choice among four."""
    return item(
        name,
        Choice(options("Le premier", "Le second", "Le tiers", "Le quart")),
        Response("single", "identifier", (key,)),
        **fields,  # type: ignore[arg-type]
    )


def every() -> list[Item]:
    """One item of every kind, with every way of scoring."""
    area = (Area("", "rect", (10.0, 10.0, 90.0, 90.0)), Area("", "circle", (150.0, 50.0, 40.0)))
    multiple = Response(
        "multiple",
        "identifier",
        ("A", "C"),
        Mapped({"A": 1.0, "B": -1.0, "C": 1.0, "D": -0.5}, lower=0.0),
    )
    pairs = ("A 1", "B 2", "C 1")
    several = ("A 1", "A 2", "B 2")
    rows = options("Un", "Deux", "Trois")
    columns = (Option("1", "Gauche", match_max=0), Option("2", "Droite", match_max=0))
    gaps = '<p>Un <slot name="g1"></slot> puis <slot name="g2"></slot>.</p>'
    sentence = '<p>Il <slot name="g1"></slot> et <slot name="g2"></slot>.</p>'
    return [
        single(),
        item(
            "multiple",
            Choice(options("Le <em>un</em>", "Le deux", "Le trois", "Le quatre"), "<p>Deux.</p>", 1, 0, True),
            multiple,
            processing="map_response",
            scores=(0.0, 0.5, 1.0, 1.5, 2.0),
        ),
        item(
            "all-right",
            Choice(options("Un", "Deux", "Trois", "Quatre"), maximum=0),
            Response("multiple", "identifier", ("A", "C")),
        ),
        item(
            "order", Order(options("Un", "Deux", "Trois")), Response("ordered", "identifier", ("C", "A", "B"))
        ),
        item(
            "match",
            Match(rows, columns),
            Response("multiple", "directedPair", pairs, Mapped(dict.fromkeys(pairs, 1.0))),
            processing="map_response",
            scores=(0.0, 1.0, 2.0, 3.0),
            access=("visual",),
            features=("longDescription", "glossary"),
        ),
        item("match-all", Match(rows, columns), Response("multiple", "directedPair", pairs)),
        item(
            "match-several",
            Match((Option("A", "Un", match_max=0), Option("B", "Deux", match_max=2)), columns, blanks=True),
            Response("multiple", "directedPair", ("A 1", "A 2", "B 2"), Mapped(dict.fromkeys(several, 1.0))),
            processing="map_response",
            scores=(0.0, 1.0, 2.0, 3.0),
        ),
        item(
            "inline",
            {name: InlineChoice(options("dort", "court"), label=name) for name in ("g1", "g2")},
            {name: Response("single", "identifier", (key,)) for name, key in (("g1", "A"), ("g2", "B"))},
            body=sentence,
        ),
        item(
            "inline-partial",
            {name: InlineChoice(options("dort", "court")) for name in ("g1", "g2")},
            {
                "g1": Response("single", "identifier", ("A",), Mapped({"A": 2.0, "B": 0.5})),
                "g2": Response("single", "identifier", ("B",)),
            },
            body=sentence,
            processing="map_response",
            scores=(0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
        ),
        item(
            "number",
            TextEntry("Durée", 4, "heures", "[0-9]+"),
            Response("single", "integer", ("72",)),
        ),
        item(
            "word",
            TextEntry(length=12),
            Response(
                "single",
                "string",
                ("Paris",),
                Mapped({"Paris": 2.0, "paname": 1.0}, caseless=("paname",)),
            ),
            processing="map_response",
            scores=(0.0, 1.0, 2.0),
        ),
        item(
            "hotspot",
            Hotspot(
                PICTURE,
                (
                    Area("A", "rect", (10.0, 10.0, 90.0, 90.0), "La gauche"),
                    Area("B", "rect", (110.0, 10.0, 190.0, 90.0), "La droite"),
                ),
            ),
            Response("single", "identifier", ("B",)),
            stimulus="plan",
        ),
        item(
            "point",
            SelectPoint(PICTURE, maximum=2),
            Response(
                "multiple",
                "point",
                ("50 50", "150 50"),
                Mapped({}, areas=tuple(zip(area, (1.0, 0.5), strict=True))),
            ),
            processing="map_response_point",
            scores=(0.0, 0.5, 1.0, 1.5),
        ),
        item(
            "gaps",
            GapMatch(options("pas", "saut", "cri"), ("g1", "g2"), gaps, "<p>Complétez.</p>", True),
            Response(
                "multiple", "directedPair", ("A g1", "B g2"), Mapped({"A g1": 1.0, "B g2": 1.0}, -1.0, 0.0)
            ),
            processing="map_response",
            scores=(0.0, 1.0, 2.0),
        ),
        item(
            "rules",
            TextEntry(),
            Response("single", "float", ("37.5",)),
            processing="rules",
            rules=tolerant(),
            scores=(0.0, 1.0, 2.0),
        ),
    ]


def tolerant() -> Rules:
    """Two points within 0.1 of 37.5, one within 1, else none."""

    def within(tolerance: str) -> Node:
        named = (("identifier", "RESPONSE"),)
        how = (("tolerance", f"{tolerance} {tolerance}"), ("tolerance-mode", "absolute"))
        return Node("equal", how, (Node("correct", named), Node("variable", named)))

    def give(score: str) -> Node:
        value = Node("base-value", (("base-type", "float"),), (), score)
        return Node("set-outcome-value", (("identifier", "SCORE"),), (value,))

    return Rules(
        (Outcome("SCORE", default=("0",)),),
        (
            Node(
                "response-condition",
                (),
                (
                    Node("response-if", (), (within("0.1"), give("2"))),
                    Node("response-else-if", (), (within("1"), give("1"))),
                    Node("response-else", (), (give("0"),)),
                ),
            ),
        ),
    )


def bank(*items: Item) -> Bank:
    """A bank of `items` (of every kind when none is given), with all that stands around them."""
    held = items or tuple(every())
    names = {"fr": "Domaine", "en": "Domain"}
    return Bank(
        tuple(held),
        {
            "plan": Stimulus(
                "plan",
                {"fr": "Le plan", "en": "The plan"},
                {"fr": "<p>Regardez.</p>", "en": "<p>Look.</p>"},
                {"fr": PICTURE, "en": PICTURE},
            )
        },
        Framework(
            "test", "1", {"D1": Domain("D1", names, True, 8)}, {"D1.1": Skill("D1.1", "D1", names, names)}
        ),
        {"plan.svg": SVG},
        tuple(
            {"id": one.id, "model": "2pl", "a": 1.0, "b": 0.25, "n": 500, "se": {"a": 0.1, "b": 0.2}}
            | {"flags": [], "scale": "2026", "calibration": "c1", "date": "2026-01-01"}
            for one in held
            if one.n_cat == 2
        ),
    )


def forms_multiple(*keys: str, among: str) -> Response:
    """A multiple response with right choices minus wrong ones."""
    worth = {name: 1.0 if name in keys else -1.0 for name in among}
    return Response("multiple", "identifier", keys, Mapped(worth, lower=0.0))


def accepted(**worths: float) -> Response:
    """Answers accepted in upper or lower case."""
    return Response(
        "single", "string", (max(worths, key=lambda a: worths[a]),), Mapped(worths, caseless=tuple(worths))
    )
