"""Every combination of options works with any bank and with missing answers, or is refused with a reason."""

from __future__ import annotations

import random
from typing import Any

import numba
import numpy as np
import pytest

from cat_engine.compile import Direct
from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from cat_engine.selection.criteria import CRITERIA
from cat_engine.selection.exposure import RULES
from cat_engine.session import (
    NOT_REACHED,
    OMITTED,
    TIMED_OUT,
    AdaptiveTest,
    State,
    Stop,
    answered,
    conclude,
    next_item,
    served,
    start,
)
from cat_engine.simulation import simulate
from cat_engine.stopping import CLASSIFIERS, REASONS

N = 40
MODELS = {
    "dichotomous": ("2pl", "3pl", "4pl", "rasch"),
    "polytomous": ("grm", "gpcm", "nrm", "pcm"),
    "mixed": ("2pl", "grm", "3pl", "nrm"),
}
ATTRIBUTES = {
    "domain": [f"D{i % 3}" for i in range(N)],
    "format": [f"F{i % 4}" for i in range(N)],
    "words": [20 + i for i in range(N)],
    "time": [30 + i for i in range(N)],
    "enemies": ["" if i % 9 else f"e{i % 3}" for i in range(N)],
}
DOMAINS = [{"attribute": "domain", "value": f"D{k}", "min": 1, "max": 4} for k in range(3)]
FORMATS = [{"attribute": "format", "value": f"F{k}", "min": 1, "max": 3} for k in range(4)]
CONSTRAINTS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "nested": DOMAINS,
    "shares": [one | {"share": share} for one, share in zip(DOMAINS, (0.5, 0.3, 0.2), strict=True)],
    "crossed": [*DOMAINS, *FORMATS, {"attribute": "words", "min": 50, "max": 400}],
}
STOPS: dict[str, dict[str, Any]] = {
    "length": {},
    "se": {"se": 0.5},
    "change": {"change": 0.05},
    "information": {"information": 0.3},
    "time": {"time": 250},
    "several": {"se": 0.6, "classify": "posterior", "combine": "all"},
    **{name: {"classify": name} for name in CLASSIFIERS if name != "none"},
}
REFUSALS = (
    "nested requirements beside a constraint's share",
    "or none with the criterion",
    "one difficulty 'b'",
)


@pytest.fixture(autouse=True)
def kernels_get_the_types_they_were_compiled_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called without looking at types is always handed the same ones, live and simulated."""
    settled: dict[Direct, tuple[object, ...]] = {}
    call = Direct.__call__

    def checked(self: Direct, *arguments: Any) -> Any:
        given = tuple(numba.typeof(a) for a in arguments)
        assert settled.setdefault(self, given) == given
        return call(self, *arguments)

    monkeypatch.setattr(Direct, "__call__", checked)


def bank(kind: str) -> ItemPool:
    rng = np.random.default_rng(8)
    rows: list[dict[str, Any]] = []
    for i in range(N):
        model = MODELS[kind][i % 4]
        row: dict[str, Any] = {"id": f"i{i}", "model": model}
        if model == "nrm":
            slopes, steps = np.array([-0.8, 0.1, 0.7]) * rng.lognormal(0, 0.2), rng.normal(size=3)
            row |= {"alpha": (slopes - slopes.mean()).tolist(), "delta": (steps - steps.mean()).tolist()}
        else:
            row["a"] = 1.0 if model in ("rasch", "pcm") else float(rng.lognormal(0, 0.3))
            several = model in ("grm", "gpcm", "pcm")
            row["b"] = np.sort(rng.normal(size=3)).tolist() if several else float(rng.normal())
            row |= {"c": 0.2} if model in ("3pl", "4pl") else {}
            row |= {"d": 0.95} if model == "4pl" else {}
        rows.append(row)
    return ItemPool.from_rows(rows)


POOLS = {kind: bank(kind) for kind in MODELS}


def prepared(chosen: dict[str, str]) -> AdaptiveTest:
    content = {
        "schema": "acquis/design/1",
        "score": {"method": chosen["method"]},
        "select": {"criterion": chosen["criterion"], "evaluate": chosen["evaluate"]},
        "exposure": {"method": chosen["rule"], "rate": 0.5},
        "constraint": CONSTRAINTS[chosen["constraint"]],
        "stop": {"min": 4, "max": 8, **STOPS[chosen["stop"]]},
        "cuts": {"values": [-0.3, 0.6]},
        "answers": {"omitted": chosen["omitted"]},
    }
    attributes = dict(ATTRIBUTES)
    if chosen["constraint"] == "shares":
        del attributes["enemies"]  # they cross the domains
    return AdaptiveTest.prepare(POOLS[chosen["bank"]], Design.from_mapping(content), attributes)


def kept(test: AdaptiveTest, items: list[int]) -> bool:
    """Whether a finished test has no item twice and meets every bound and no pair of enemies."""
    needs = test.machine.blueprint.requirements
    inside = set(items)
    sums = [
        (sum(a for i, a in zip(bound.items, bound.amount, strict=True) if int(i) in inside), bound)
        for bound in (*needs.bounds, *needs.enemies)
    ]
    return len(inside) == len(items) and all(bound.low <= total <= bound.high for total, bound in sums)


def sit(test: AdaptiveTest, chance: random.Random) -> tuple[State, str]:
    state, snapshot = start(test, b"x"), test.no_exposure()
    for _ in range(N):
        step = next_item(test, state, snapshot)
        if isinstance(step, Stop):
            return state, step.reason
        categories = [*range(int(test.pool.n_cat[step.item])), OMITTED, TIMED_OUT, NOT_REACHED]
        state = answered(test, served(test, state, step.item), step.item, chance.choice(categories))
    raise AssertionError("the sitting does not end")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_combination_works_or_is_refused_with_a_reason(criterion: str, rule: str) -> None:
    chance = random.Random(f"{criterion} {rule}")
    others = {
        "bank": [*MODELS],
        "method": ["eap", "map", "ml", "wle"],
        "evaluate": ["exact", "table"],
        "constraint": [*CONSTRAINTS],
        "stop": [*STOPS],
        "omitted": ["ignored", "lowest"],
    }
    chosen = {"criterion": criterion, "rule": rule} | {k: chance.choice(v) for k, v in others.items()}
    try:
        test = prepared(chosen)
    except InputError as error:
        said = str(error)
    else:
        works(test, chosen, chance)
        return
    assert any(reason in said for reason in REFUSALS), (chosen, said)


def works(test: AdaptiveTest, chosen: dict[str, str], chance: random.Random) -> None:
    """A live sitting with missing answers and simulated ones end, score and keep their rules."""
    state, reason = sit(test, chance)
    result = conclude(test, state)
    assert np.isfinite([result.theta, result.se]).all()
    assert sum(result.levels) == pytest.approx(1.0)
    done = simulate(test, np.linspace(-2.0, 2.0, 4), 1, snapshot=test.no_exposure())
    assert np.isfinite(done.theta).all()
    tests = [row[row >= 0].tolist() for row in done.items]
    reasons = [REASONS[int(r)] for r in done.reason]
    if NOT_REACHED not in state.categories:
        tests, reasons = [*tests, list(state.items)], [*reasons, reason]
    for items, why in zip(tests, reasons, strict=True):
        assert kept(test, items) or why == "time", (chosen, items, why)
