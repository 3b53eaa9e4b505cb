"""What a design file may say, and how it is told that it may not."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from cat_engine.design import SCHEMA, Design
from cat_engine.errors import InputError
from cat_engine.selection.criteria import CRITERIA
from cat_engine.selection.exposure import RULES
from cat_engine.stopping import CLASSIFIERS

ROOT = Path(__file__).resolve().parents[2]


def read(**sections: Any) -> Design:
    return Design.from_mapping({"schema": SCHEMA, **sections})


def sections() -> dict[str, type]:
    found = {}
    for name, hint in get_type_hints(Design).items():
        kind = hint if is_dataclass(hint) else get_args(hint)[0]
        found[name] = kind
    return found


def test_everything_has_a_default() -> None:
    assert read() == Design()


def test_the_example_of_the_reference_is_read() -> None:
    design = read(
        start={"theta": 0.0},
        score={"method": "eap"},
        select={"criterion": "mfi"},
        constraint=[{"attribute": "domain", "value": "D1", "min": 5, "max": 7}],
        exposure={"method": "eligibility", "rate": 0.25},
        stop={"min": 15, "max": 30, "se": 0.3},
        cuts={"values": [0.0], "confidence": 0.9},
    )
    assert design.constraint[0].max == 7
    assert design.stop.se == 0.3


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"stopp": {}}, "unknown key 'stopp' in the design file; did you mean 'stop'"),
        ({"stop": {"maxx": 3}}, r"unknown key 'maxx' in \[stop\] .* did you mean 'max'"),
        ({"constraint": [{"attribute": "d", "vaule": "x"}]}, "did you mean 'value'"),
        ({"constraint": [{"value": "x"}]}, "'constraint.attribute' is missing"),
        ({"select": {"criterion": "mfl"}}, "did you mean 'mfi'"),
        ({"select": {"criterion": "MFI"}}, "did you mean 'mfi'"),
        ({"select": {"criterion": "what"}}, "got 'what'; choose one of them"),
        ({"exposure": {"method": "eligible"}}, "did you mean 'eligibility'"),
        ({"exposure": {"rate": 1.5}}, "'exposure.rate' between 0.01 and 1.0"),
        ({"stop": {"max": 3.5}}, "'stop.max' to be a whole number"),
        ({"stop": {"max": True}}, "'stop.max' to be a whole number"),
        ({"stop": {"se": float("nan")}}, "'stop.se'"),
        ({"stop": {"min": 9, "max": 3}}, "not above 'stop.max', got 9 and 3"),
        ({"score": {"grid": [4, -4, 33]}}, "low < high"),
        ({"score": {"prior": [0, 0]}}, "sd > 0"),
        ({"cuts": {"values": [1.0, 0.0]}}, "ascending"),
        ({"cuts": {"values": [9.0]}}, "inside 'score.grid'"),
        ({"stop": {"classify": "sprt"}}, "cut scores"),
        ({"constraint": [{"attribute": "d", "value": "x", "min": 4, "max": 2}]}, "min <= max"),
        ({"constraint": [{"attribute": "d", "value": "x", "max": 2.5}]}, "whole numbers"),
        ({"constraint": [{"attribute": "d", "value": "x", "share": 0.4}]}, "add up to 1, got 0.4"),
        ({"constraint": [{"attribute": "d", "share": 1.0}]}, "different values of one attribute"),
        ({"start": 3}, r"\[start\] to be a section"),
        ({"cuts": {"values": 0.0}}, "to be a list"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read(**sections)
    assert "\n" not in str(caught.value)


def test_the_schema_comes_first() -> None:
    with pytest.raises(InputError, match="acquis/design/1"):
        Design.from_mapping({"stop": {"max": 3}})


def test_every_key_stands_in_the_reference_with_its_default() -> None:
    """docs/design-file.md lists each section's keys, and no others."""
    text = (ROOT / "docs" / "design-file.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## `\[+(\w+)\]+`.*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(parts) == set(sections())
    for name, kind in sections().items():
        keys = parts[name].partition("| key |")[2]
        rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", keys, re.MULTILINE))
        assert set(rows) == {f.name for f in fields(kind)}, name  # type: ignore[arg-type]
        for f in fields(kind):  # type: ignore[arg-type]
            told = rows[f.name].strip().strip("`")
            if isinstance(f.default, bool | int | float | str) and f.default == f.default:
                if f.default in ("", float("inf")):
                    assert told in ("none", "")
                else:
                    assert told == str(f.default).removesuffix(".0") or told == str(f.default), (name, f.name)
    for name in (*CRITERIA, *RULES, *CLASSIFIERS):
        assert f"`{name}`" in text, name
