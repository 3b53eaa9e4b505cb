"""Pictures of an item, wherever they stand, are served under names that say nothing."""

from __future__ import annotations

import re
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from api.sittings.shown import picture, shown
from item_bank.content import Choice, Content, Image, Item, Option, Response, Stimulus


def img(name: str) -> str:
    return f'<img src="{name}" alt="x">'


def sat() -> tuple[Any, Any, Any]:
    """A test of one item with pictures in its text, an option and a stimulus of one language."""
    control = Choice((Option("A", img("right-answer.png")), Option("B", "b")), img("prompt.svg"))
    content = Content(
        "t",
        f'{img("body.jpg")}<slot name="R"></slot>',
        {"R": control},
        {"R": Response("single", "identifier")},
    )
    item = Item("SECRET", {"fr": content, "en": content}, stimulus="s")
    stimulus = Stimulus("s", {"fr": "S"}, {"fr": img("text.gif")}, {"fr": Image("big.png", 1, 1, "x")})
    media = {
        n: (f"sha-{n}", "image/x")
        for n in ("right-answer.png", "prompt.svg", "body.jpg", "big.png", "text.gif")
    }
    test = SimpleNamespace(
        item=lambda id: item,
        stimuli={"s": stimulus},
        media=media,
        languages=("fr", "en"),
        illustrated=frozenset({"SECRET"}),
    )
    return test, SimpleNamespace(seed=b"seed"), SimpleNamespace(item="SECRET", position=3)


def test_every_picture_is_served_under_a_name_of_the_sitting() -> None:
    test, sitting, pending = sat()
    for language in ("fr", "en"):
        text = str(asdict(shown(test, sitting, pending, language)))
        names = re.findall(r"[0-9a-f]{24}\.[a-z]+", text)
        assert len(names) == len(set(names)) == len(test.media)
        found = [picture(test, sitting, pending, name) for name in names]
        assert sorted(f for f in found if f) == sorted(test.media.values())
        assert not any(name in text for name in (*test.media, "SECRET"))
    assert picture(test, sitting, pending, "big.png") is None
    assert picture(test, SimpleNamespace(seed=b"other"), pending, names[0]) is None
