"""Whole sittings under several designs, in a process of its own.

``python -m tests.cat_engine.choices`` prints a digest of the items served and of the score, design by
design, live and simulated, and evidence that the settings of the process are in force.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numba
import numpy as np

from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.session import AdaptiveTest, Serve, answered, conclude, next_item, served, start
from cat_engine.simulation import simulate
from tests.cat_engine.histories import Stream

BLUEPRINT = [{"attribute": "domain", "value": f"D{d}", "min": 2, "max": 4} for d in range(3)]
DESIGNS: dict[str, dict[str, Any]] = {
    "table": {},
    "exact": {"select": {"evaluate": "exact"}, "constraint": BLUEPRINT},
    "exact mepv, map": {"select": {"criterion": "mepv", "evaluate": "exact"}, "score": {"method": "map"}},
    "mei, wle": {"select": {"criterion": "mei"}, "score": {"method": "wle"}},
    "kl, ml": {
        "select": {"criterion": "kl"},
        "score": {"method": "ml"},
        "exposure": {"method": "progressive"},
    },
    "entropy, randomesque": {"select": {"criterion": "entropy"}, "exposure": {"method": "randomesque"}},
    "classified": {
        "cuts": {"values": [-0.5, 0.6], "confidence": 0.6},
        "stop": {"min": 3, "max": 8, "classify": "posterior"},
        "constraint": [{"attribute": "domain", "value": "D1", "min": 1}],
    },
}
LENGTH = 8


def bank() -> tuple[ItemPool, dict[str, list[str]]]:
    """Items with parameters of two decimals, dichotomous and polytomous."""
    draw = Stream("acquis choices bank 1", 200)
    rows: list[dict[str, Any]] = []
    for i in range(36):
        row: dict[str, Any] = {"id": f"c{i}", "model": ("3pl", "gpcm")[i % 3 == 2]}
        row["a"] = draw.hundredths(60, 200)
        row["b"] = (
            [draw.hundredths(-200, 200) for _ in range(2)] if i % 3 == 2 else draw.hundredths(-250, 250)
        )
        rows.append(row if i % 3 == 2 else {**row, "c": 0.2})
    return ItemPool.from_rows(rows), {"domain": [f"D{i % 4}" for i in range(36)]}


def prepare(sections: dict[str, Any]) -> AdaptiveTest:
    """The test of one design, over a coarse grid: without a compiler every node counts."""
    pool, columns = bank()
    content = {"schema": "acquis/design/1", "stop": {"min": LENGTH, "max": LENGTH}, **sections}
    content["score"] = {"grid": [-4.0, 4.0, 17], **sections.get("score", {})}
    return AdaptiveTest.prepare(pool, Design.from_mapping(content), columns)


def live(test: AdaptiveTest, person: int) -> list[Any]:
    """Items, the criterion's integers and the record of one sitting."""
    draw = Stream(f"acquis choices person {person}", LENGTH)
    state = start(test, bytes([person]))
    seen: list[Any] = []
    while isinstance(step := next_item(test, state), Serve):
        seen.append([step.item, step.criterion])
        category = draw.below(int(test.pool.n_cat[step.item]))
        state = answered(test, served(test, state, step.item), step.item, category)
    result = conclude(test, state)
    return [seen, result.reason, result.record, result.theta.hex(), result.se.hex()]


def digest(content: object) -> str:
    """Digest of whatever JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Sit every test."""
    digests = {}
    with np.errstate(over="ignore"):  # without a compiler numpy reports what the random numbers live by
        for name, sections in DESIGNS.items():
            test = prepare(sections)
            done = simulate(test, np.array([-1.0, 0.3, 1.4]), 7)
            simulated = [done.items.tolist(), done.reason.tolist(), [x.hex() for x in done.theta.tolist()]]
            digests[name] = digest([[live(test, person) for person in range(2)], simulated])
    evidence = {
        "jit": not numba.config.DISABLE_JIT,
        "cpu": numba.config.CPU_NAME,
        "threads": int(numba.config.NUMBA_NUM_THREADS),
    }
    print(json.dumps({"digests": digests, "evidence": evidence}))


if __name__ == "__main__":
    main()
