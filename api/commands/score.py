"""``acquis score``: ability estimates from responses and item parameters.

Prior: the file's population (each person's own group's, with ``--groups``), 61 nodes on mean +- 6 sd.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cat_engine.answers import Answers
    from cat_engine.pool import ItemPool
    from cat_engine.scoring import Scores
    from item_bank.parameters import ParameterSet
    from item_bank.responses import Responses

__all__ = ["score_responses"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``acquis score``."""
    parser.add_argument("responses", metavar="RESPONSES", help="responses, CSV or Parquet, wide or long")
    parser.add_argument("--params", required=True, metavar="PARAMS.json", help="item parameters")
    parser.add_argument("--method", required=True, choices=("eap", "map", "ml", "wle"), help="estimator")
    parser.add_argument(
        "--se",
        choices=("expected", "observed"),
        default="expected",
        help="information behind the standard error of map, ml and wle (default: expected)",
    )
    parser.add_argument("--groups", metavar="FILE:COLUMN", help="each person's group in the population")
    parser.add_argument("--recode", help="how to mend categories that do not start at 0 or have gaps")
    parser.add_argument(
        "--out", required=True, metavar="SCORES.csv", help="where to write person,theta,se,flag"
    )


def _pool(parameters: ParameterSet) -> ItemPool:
    from cat_engine.errors import InputError

    if len(parameters.dimensions) != 1:
        raise InputError(
            f"expected parameters of one dimension, got {len(parameters.dimensions)} "
            f"({', '.join(parameters.dimensions)}); score each dimension with parameters of its own"
        )
    return parameters.pool()


def _answers(pool: ItemPool, responses: Responses) -> tuple[ItemPool, Answers]:
    """Return the asked items as a pool in canonical order, and the answers to it."""
    import numpy as np

    from cat_engine.answers import Answers

    positions = pool.positions(responses.items)
    order = np.argsort(positions)
    asked = pool if np.array_equal(positions, np.arange(len(pool))) else pool.subset(positions[order])
    if responses.density > 0.5:
        return asked, Answers.from_matrix(responses.dense()[:, order])
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return asked, Answers.from_sparse(responses.indptr, responses.item, responses.category, place)


def score_responses(
    parameters: ParameterSet,
    responses: Responses,
    method: str,
    se: str = "expected",
    groups: list[str] | None = None,
) -> Scores:
    """Score responses with the population of a parameter file as the prior.

    Parameters
    ----------
    groups
        Each person's group; needed when the file has several.

    Raises
    ------
    InputError
        For an item or a category that the file does not know, or a group that it has not.
    """
    import numpy as np

    from cat_engine.errors import InputError
    from cat_engine.scoring import Prior, Scores, score

    pool, answers = _answers(_pool(parameters), responses)
    if groups is None:
        if len(parameters.population) > 1:
            names = ", ".join(p.group for p in parameters.population)
            raise InputError(
                f"expected --groups FILE:COLUMN because the parameters hold several groups ({names}), got "
                "none; say which group each person belongs to"
            )
        groups = [parameters.population[0].group] * responses.n_persons
    of_group = np.array(groups)
    theta, error = np.empty(len(of_group)), np.empty(len(of_group))
    flag = np.zeros(len(of_group), dtype=np.uint8)
    for name in dict.fromkeys(groups):
        population = parameters.group(name)
        prior = Prior.normal(population.mean[0], population.sd)
        members = np.flatnonzero(of_group == name)
        part = answers if len(members) == len(of_group) else answers.take(members)
        theta[members], error[members], flag[members] = score(pool, part, method, prior, se)  # type: ignore[arg-type]
    return Scores(theta, error, flag)


def _write(path: Path, persons: list[str], scores: Scores) -> None:
    from math import isfinite

    from cat_engine.scoring import FLAGS

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["person", "theta", "se", "flag"])
        rows = zip(persons, scores.theta.tolist(), scores.se.tolist(), scores.flag.tolist(), strict=True)
        writer.writerows(
            (person, repr(theta), repr(se) if isfinite(se) else "", FLAGS[flag])
            for person, theta, se, flag in rows
        )


def run(args: argparse.Namespace) -> None:
    """Read, score and write."""
    import numpy as np

    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters
    from item_bank.responses import read_groups, read_responses

    parameters = read_parameters(args.params)
    pool = _pool(parameters)
    known: dict[str, int] = dict(zip(pool.ids, pool.n_cat.tolist(), strict=True))
    silent = dict.fromkeys(parameters.left_out, 127)  # items without parameters say nothing
    responses = read_responses(args.responses, recode=args.recode, known=known | silent)
    if silent:
        responses = responses.select([j for j, item in enumerate(responses.items) if item not in silent])
    groups = read_groups(args.groups, responses) if args.groups else None
    scores = score_responses(parameters, responses, args.method, args.se, groups)
    persons = responses.persons or [str(p + 1) for p in range(responses.n_persons)]
    out = Path(args.out)
    try:
        _write(out, persons, scores)
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {out} ({error.strerror}); choose another --out"
        ) from None
    flagged = np.count_nonzero(scores.flag)
    print(f"{out}: {len(persons)} persons scored by {args.method}, {flagged} flagged")
