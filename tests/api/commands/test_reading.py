"""Every command that reads RESPONSES reads what real files hold: options, missing codes, other columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.command import main
from item_bank.parameters import ParameterSet, write_parameters

KEY = {"A": "b", "B": "a", "C": "d"}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = [{"id": item, "model": "2pl", "a": 1.0, "b": 0.1 * k} for k, item in enumerate(KEY)]
    write_parameters("params.json", ParameterSet(items))
    scored, chosen = ["person,A,B,C"], ["ID,sex,A,B,C"]
    for p in range(60):
        right = [p * k % 3 % 2 for k in (1, 2, 5)]
        met = p % 7 != 3
        scored.append(f"{p},{right[0]},{right[1]},{right[2] if met else ''}")
        options = [key if x else "c" for key, x in zip(KEY.values(), right, strict=True)]
        chosen.append(f"{p},{'fm'[p % 2]},{options[0]},{options[1]},{options[2] if met else 'X'}")
    Path("scored.csv").write_text("\n".join(scored))
    Path("chosen.csv").write_text("\n".join(chosen))
    Path("key.csv").write_text("item,key\n" + "".join(f"{item},{key}\n" for item, key in KEY.items()))
    Path("line.csv").write_text(",".join(KEY) + "\n" + ",".join(KEY.values()))


REAL = "chosen.csv --person ID --leave-out sex --missing X --key"


def run(words: str) -> int:
    return main(words.split())


@pytest.mark.parametrize("key", ["key.csv", "line.csv"])
def test_a_raw_file_scores_as_the_scored_one(key: str) -> None:
    assert run("score scored.csv --params params.json --method eap --out plain.csv") == 0
    assert run(f"score {REAL} {key} --params params.json --method eap --out raw.csv") == 0
    assert Path("raw.csv").read_text() == Path("plain.csv").read_text()


def test_groups_stand_in_the_same_file() -> None:
    assert run("dif scored.csv --groups chosen.csv:sex --method mh --out plain.json") == 0
    assert run(f"dif {REAL} key.csv --groups chosen.csv:sex --method mh --out raw.json") == 0
    plain, raw = (json.loads(Path(f"{name}.json").read_text()) for name in ("plain", "raw"))
    assert raw["items"] == plain["items"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("score scored.csv --missing -1,9 --params params.json", "--missing=-1,9"),
        (
            "score chosen.csv --person ID --leave-out sex --params params.json",
            "score chosen options with --key",
        ),
        (
            "calibrate scored.csv --model 2pl --scheduler tcp://h:1 --missing 9",
            "no --missing with --scheduler",
        ),
    ],
)
def test_a_refusal_says_what_to_do(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    method = " --method eap" if words.startswith("score") else ""
    assert run(f"{words}{method} --out out.csv") == 2
    assert said in capsys.readouterr().err


def test_a_key_in_other_letters_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("capitals.csv").write_text("B,A,D")
    assert run(f"score {REAL} capitals.csv --params params.json --method eap --out out.csv") == 2
    assert (
        "written as in the key capitals.csv ('A', 'B', 'D'), got 'a', 'b', 'c', 'd'"
        in capsys.readouterr().err
    )
