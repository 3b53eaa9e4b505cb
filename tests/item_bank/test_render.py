"""What a candidate sees holds no key, and is the same at every look."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from item_bank.content import Choice, Content, GapMatch, Image, Item, Option, Response, Stimulus
from item_bank.render import Slot, pictures, present, renamed, slots
from tests.item_bank import samples

ITEMS = {item.id: item for item in samples.every()}


@pytest.mark.parametrize("name", ITEMS)
def test_every_control_stands_in_its_place(name: str) -> None:
    content = ITEMS[name].versions["fr"]
    view = present(ITEMS[name], "fr", b"seed")
    shown = [part for part in view.parts if isinstance(part, Slot)]
    assert [part.response for part in shown] == slots(content.body)
    assert {part.response for part in shown} == set(content.interactions)
    html = "".join(part for part in view.parts if isinstance(part, str))
    assert "<slot" not in html


@pytest.mark.parametrize("name", ITEMS)
def test_no_key_no_rationale_no_source_is_shown(name: str) -> None:
    secret = replace(
        ITEMS[name].versions["fr"],
        rationale="<p>TELLTALE</p>",
        responses={
            variable: Response(r.cardinality, r.base_type, ("TELLTALE",), r.mapping)
            for variable, r in ITEMS[name].versions["fr"].responses.items()
        },
    )
    item = replace(ITEMS[name], versions={"fr": secret})
    shown = str(asdict(present(item, "fr", b"seed")))
    assert "TELLTALE" not in shown
    assert "article 1" not in shown


def test_shuffling_follows_the_seed_and_leaves_fixed_options() -> None:
    options = tuple(Option(f"o{i}", str(i), fixed=i in (0, 9)) for i in range(10))
    item = samples.item("many", Choice(options, shuffle=True), Response("single", "identifier", ("o1",)))

    def order(seed: bytes) -> list[str]:
        slot = next(part for part in present(item, "fr", seed).parts if isinstance(part, Slot))
        return [option.id for option in slot.interaction.options]  # type: ignore[union-attr]

    assert order(b"a") == order(b"a")
    assert len({tuple(order(bytes([k]))) for k in range(20)}) > 15
    assert all(order(bytes([k]))[0] == "o0" and order(bytes([k]))[9] == "o9" for k in range(20))
    assert sorted(order(b"x")) == sorted(option.id for option in options)


def pictured() -> tuple[Item, Stimulus]:
    """An item with a picture wherever one can stand, and its stimulus."""

    def img(name: str) -> str:
        return f'<img src="{name}.png" alt="{name}">'

    gaps = GapMatch(
        (Option("A", img("option")),), ("g",), f'<p>{img("gap")}<slot name="g"></slot></p>', img("prompt")
    )
    body = f"<p>{img('body')}</p>{samples.SLOT}"
    content = Content(
        "t", body, {"RESPONSE": gaps}, {"RESPONSE": Response("multiple", "directedPair", ("A g",))}
    )
    image = Image("image.png", 1, 1, "x")
    stimulus = Stimulus("s", {"fr": "S"}, {"fr": img("text")}, {"fr": image})
    return Item("i", {"fr": content, "en": content}, stimulus="s"), stimulus


def test_every_picture_is_found_and_renamed() -> None:
    item, stimulus = pictured()
    names = ["body.png", "gap.png", "option.png", "prompt.png"]
    assert {k: sorted(v) for k, v in pictures(item).items()} == {"fr": names, "en": names}
    every = sorted([*names, "image.png", "text.png"])
    assert {k: sorted(v) for k, v in pictures(item, stimulus).items()} == {"fr": every, "en": every}
    view = renamed(present(item, "fr", b"", stimulus), lambda name: f"alias-{name}")
    shown = str(asdict(view))
    assert all(f"alias-{name}" in shown for name in every)
    assert shown.count(".png") == len(every) == shown.count("alias-")
