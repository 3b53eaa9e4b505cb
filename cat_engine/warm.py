"""Compile every kernel of scoring, information, the record and a sitting by using it once on a few items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csc_array

from cat_engine import session
from cat_engine.answers import Answers
from cat_engine.design import SCHEMA, Design
from cat_engine.family import MODELS, ItemModel
from cat_engine.grid import tabulate
from cat_engine.information import best, information, observed_information
from cat_engine.pool import Block, ItemPool
from cat_engine.record import score_of_record
from cat_engine.scoring import Prior, level_probabilities, plausible_values, score
from cat_engine.selection.solver import Program
from cat_engine.simulation import simulate

__all__ = ["smallest_pool", "warm"]


def smallest_pool(model: ItemModel, n: int = 2) -> ItemPool:
    """Return a pool of `n` items of `model` at its starting values."""
    k = 2 if model.dichotomous else 3
    start = model.start(k, np.full(k, 1.0 / k), 1.0)
    table = model.build(np.full(n, k), [start] * n)
    return ItemPool.from_blocks([f"i{i}" for i in range(n)], [Block(model, table, np.arange(n))])


def warm() -> Iterator[str]:
    """Compile; yield the name of each part when it is done."""
    answers = Answers.from_matrix(np.array([[0, 1], [-1, 1]], dtype=np.int8))
    tables = {model.table: model for model in MODELS.values()}
    for model in tables.values():
        pool = smallest_pool(model)
        best(information(pool, 0.0), np.ones(2, dtype=bool))
        observed_information(pool, 0.0, np.zeros(2))
        for method in ("map", "eap"):
            score(pool, answers, method)
        yield f"the {model.table.__name__} table"
    grid = Prior.normal().grid()
    score_of_record(tabulate(pool, grid), grid, [0, 1], [0, 1], [0.0])
    level_probabilities(pool, answers, np.zeros(1))
    plausible_values(pool, answers, np.full((2, 1), 0.5))
    yield "the score of record"
    for code in ("2pl", "gpcm"):
        _sit(smallest_pool(MODELS[code], 4))
    Program(csc_array([[2.0, 2.0, 2.0]]), np.zeros(1), np.full(1, 3.0)).solve(
        np.array([3, 2, 1]), np.zeros(3), np.ones(3), 10
    )
    yield "the sitting"


def _sit(pool: ItemPool) -> None:
    """Two answers under a blueprint, by look ahead and, with enemies, by shadow tests."""
    attributes = {"domain": ["A", "A", "B", "B"], "enemies": ["i1", "", "", ""]}
    blueprint = [{"attribute": "domain", "value": "A", "min": 1, "max": 1}]
    for columns in ({"domain": attributes["domain"]}, attributes):
        design = Design.from_mapping(
            {
                "schema": SCHEMA,
                "stop": {"min": 1, "max": 2},
                "constraint": blueprint,
                "cuts": {"values": [0.0]},
            }
        )
        test = session.AdaptiveTest.prepare(pool, design, columns)
        state = session.start(test, b"warm")
        while isinstance(step := session.next_item(test, state), session.Serve):
            state = session.served(test, state, step.item, step.assembled)
            state = session.answered(test, state, step.item, 0)
        session.conclude(test, state)
        simulate(test, np.zeros(1), 0)
