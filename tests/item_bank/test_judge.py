"""Our scores are those of an independent QTI 3 player, on the same items and responses, in a browser."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest

from item_bank import demo
from item_bank.bank import Bank
from item_bank.content import (
    Choice,
    Content,
    GapMatch,
    Hotspot,
    InlineChoice,
    Interaction,
    Match,
    Order,
    Response,
    SelectPoint,
)
from item_bank.forms import assemble
from item_bank.moodle import within
from item_bank.qti.importing import import_item
from item_bank.qti.writing import write_item
from item_bank.scoring import score
from tests.item_bank import samples
from tests.item_bank.foreign import QTI2, QTI3
from tests.item_bank.judge import Judge, judge

RANDOM = 6
"""Random responses to each item, beside the key and none at all."""


TOLERANCE = "rules"
"""The sample with a tolerance: the player says it does not support tolerances yet, and scores it as exact."""


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with judge(tmp_path_factory.mktemp("chromium")) as running:
        yield running


def given(control: Interaction, response: Response, chance: random.Random) -> list[str]:
    """A response as a candidate could give it: often right in part, sometimes nothing."""

    def some(values: list[str]) -> list[str]:
        return chance.sample(values, chance.randint(0, len(values)))

    match control:
        case Choice():
            values = [o.id for o in control.options]
            return [chance.choice(values)] if response.cardinality == "single" else some(values)
        case InlineChoice():
            return [chance.choice(control.options).id]
        case Order():
            return chance.sample([o.id for o in control.options], len(control.options))
        case Match():
            return [f"{row.id} {chance.choice(control.columns).id}" for row in some_of(control.rows, chance)]
        case GapMatch():
            options = chance.sample(
                [o.id for o in control.options], min(len(control.options), len(control.gaps))
            )
            return some([f"{o} {gap}" for o, gap in zip(options, control.gaps, strict=False)])
        case Hotspot():
            return [chance.choice(control.areas).id]
        case SelectPoint():
            points = [f"{chance.randint(0, 200)} {chance.randint(0, 100)}" for _ in range(control.maximum)]
            return some(points)
        case _:
            near = [*response.correct, *(response.mapping.values if response.mapping else ())]
            return [chance.choice([*near, "0", "37.4", "36.9", "autre", "PANAME"])]


def some_of(rows: tuple[samples.Option, ...], chance: random.Random) -> list[samples.Option]:
    return chance.sample(rows, chance.randint(0, len(rows)))


def answers(content: Content, seed: str, count: int) -> list[dict[str, list[str]]]:
    chance = random.Random(seed)
    key = {name: list(r.correct) for name, r in content.responses.items()}
    drawn = [
        {name: given(content.interactions[name], r, chance) for name, r in content.responses.items()}
        for _ in range(count)
    ]
    if content.processing == "rules" and any(r.base_type == "string" for r in content.responses.values()):
        return [key, *drawn]  # the player stops at a text that is not there
    return [key, {name: [] for name in key}, *drawn]


def sent(content: Content, response: Mapping[str, list[str]]) -> dict[str, str | list[str] | None]:
    """A response in the player's own form: one value, or a list, with the identifiers of the file."""
    told: dict[str, str | list[str] | None] = {}
    for name, values in response.items():
        declared = content.responses[name]
        named = declared.base_type in ("identifier", "directedPair")
        spelled = [" ".join(in_file(part) for part in v.split()) if named else v for v in values]
        if not spelled:
            told[name] = None
        else:
            told[name] = spelled[0] if declared.cardinality == "single" else spelled
    return told


def in_file(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name


def agree(player: Judge, contents: dict[str, Content], files: dict[str, bytes], count: int = RANDOM) -> int:
    """Every score is the player's; return how many were compared."""
    tried = {name: answers(content, name, count) for name, content in contents.items()}
    cases = [(files[name], [sent(contents[name], r) for r in tried[name]]) for name in contents]
    theirs = dict(zip(contents, player.scores(cases), strict=True))
    differences = [
        (name, response, score(contents[name], response), other)
        for name in contents
        for response, other in zip(tried[name], theirs[name], strict=True)
        if abs(score(contents[name], response) - other) > 1e-9
    ]
    assert differences == []
    return sum(len(scores) for scores in theirs.values())


def written(contents: dict[str, Content]) -> dict[str, bytes]:
    return {name: write_item(name, "fr", content, lambda p: f"/{p}") for name, content in contents.items()}


def test_items_of_every_kind_score_alike(player: Judge) -> None:
    contents = {item.id: item.versions["fr"] for item in samples.every() if item.id != TOLERANCE}
    bounds = within([(37.0, 38.0, 2.0), (36.0, 39.0, 1.0)])
    contents["bounds"] = assemble(bounds, "bounds", "<p>Combien ?</p>")
    assert agree(player, contents, written(contents)) == len(contents) * (RANDOM + 2)


def test_the_demonstration_bank_scores_alike(player: Judge) -> None:
    bank: Bank = demo.load().bank()
    contents = {item.id: item.versions["fr"] for item in bank.items}
    assert agree(player, contents, written(contents), 2) == 224 * 4


def test_items_of_others_score_alike_as_they_came_and_as_we_write_them(player: Judge) -> None:
    contents = {
        name: import_item(data, name).bank.items[0].versions["en"] for name, (data, _, _) in QTI3.items()
    }
    agree(player, contents, {name: data for name, (data, _, _) in QTI3.items()})
    contents |= {
        f"2: {name}": import_item(data, name).bank.items[0].versions["en"]
        for name, (data, _, _) in QTI2.items()
    }
    agree(
        player, contents, {name: write_item("i", "en", c, lambda p: f"/{p}") for name, c in contents.items()}
    )


def test_the_player_would_notice(player: Judge) -> None:
    """A control: with another key in the file, the comparison fails."""
    content = samples.single().versions["fr"]
    other = samples.single(key="C").versions["fr"]
    with pytest.raises(AssertionError):
        agree(player, {"x": content}, written({"x": other}))
