"""``acquis score``: ability estimates from responses and item parameters.

Prior: the file's population (each person's own group's, with ``--groups``), 61 nodes on mean +- 6 sd.
Parameters of several dimensions give one estimate a dimension, by eap or map.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.commands.inputs import add_reading, groups_of, read_answers

if TYPE_CHECKING:
    import numpy as np

    from cat_engine.answers import Answers
    from cat_engine.pool import ItemPool
    from cat_engine.scoring import DimensionScores, Scores
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
    parser.add_argument(
        "--covariance",
        action="store_true",
        help="several dimensions: write the errors' covariances too, as cov_<dimension>_<dimension>",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="SCORES.csv",
        help="where to write person,theta,se,flag (several dimensions: theta_<dimension>,se_<dimension>,...)",
    )
    add_reading(parser)


def _refuse(parameters: ParameterSet, method: str, covariance: bool) -> None:
    """Refuse what the number of dimensions does not allow."""
    from cat_engine.errors import InputError

    dimensions = parameters.dimensions
    if len(dimensions) > 1 and method not in ("eap", "map"):
        raise InputError(
            f"expected --method eap or map because the parameters hold {len(dimensions)} dimensions "
            f"({', '.join(dimensions)}), got {method}; choose one of these"
        )
    if len(dimensions) == 1 and covariance:
        raise InputError(
            "expected parameters of several dimensions beside --covariance, got one dimension; leave it out"
        )


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
) -> Scores | DimensionScores:
    """Score responses with the population of a parameter file as the prior.

    Parameters
    ----------
    groups
        Each person's group; needed when the file has several.

    Returns
    -------
    Scores or DimensionScores
        The latter where the file holds several dimensions.

    Raises
    ------
    InputError
        For an item or a category that the file does not know, a group that it has not, or a method that
        does not work in several dimensions.
    """
    import numpy as np

    from cat_engine.errors import InputError
    from cat_engine.scoring import DimensionScores, Prior, Scores, score, score_dimensions

    pool, answers = _answers(parameters.pool(several=True), responses)
    if groups is None:
        if len(parameters.population) > 1:
            names = ", ".join(p.group for p in parameters.population)
            raise InputError(
                f"expected --groups FILE:COLUMN because the parameters hold several groups ({names}), got "
                "none; say which group each person belongs to"
            )
        groups = [parameters.population[0].group] * responses.n_persons
    of_group = np.array(groups)
    found: list[Scores | DimensionScores] = []
    places: list[np.ndarray] = []
    for name in dict.fromkeys(groups):
        population = parameters.group(name)
        members = np.flatnonzero(of_group == name)
        part = answers if len(members) == len(of_group) else answers.take(members)
        mean, cov = population.mean, population.cov
        if pool.dimensions > 1:
            found.append(score_dimensions(pool, part, mean, cov, method, se))  # type: ignore[arg-type]
        else:
            found.append(score(pool, part, method, Prior.normal(mean[0], population.sd), se))  # type: ignore[arg-type]
        places.append(members)
    back = np.argsort(np.concatenate(places))
    kind = Scores if pool.dimensions == 1 else DimensionScores
    return kind(*(np.concatenate(values)[back] for values in zip(*found, strict=True)))


def _columns(scores: Scores | DimensionScores, dimensions: Sequence[str], covariance: bool) -> dict[str, Any]:
    """Return the columns of numbers, inf where there is no standard error."""
    if len(dimensions) == 1:
        return {"theta": scores.theta, "se": scores.se}
    columns: dict[str, Any] = {}
    for d, name in enumerate(dimensions):
        columns[f"theta_{name}"] = scores.theta[:, d]
        columns[f"se_{name}"] = scores.se[:, d]
    if covariance:
        for d, e in combinations(range(len(dimensions)), 2):
            columns[f"cov_{dimensions[d]}_{dimensions[e]}"] = scores.cov[:, d, e]  # type: ignore[union-attr]
    return columns


def _write(path: Path, persons: list[str], columns: Mapping[str, Any], flag: Any) -> None:
    from math import isfinite

    from cat_engine.scoring import FLAGS

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["person", *columns, "flag"])
        numbers = zip(*(values.tolist() for values in columns.values()), strict=True)
        rows = zip(persons, numbers, flag.tolist(), strict=True)
        writer.writerows(
            (person, *(repr(x) if isfinite(x) else "" for x in values), FLAGS[code])
            for person, values, code in rows
        )


def run(args: argparse.Namespace) -> None:
    """Read, score and write."""
    import numpy as np

    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters

    parameters = read_parameters(args.params)
    _refuse(parameters, args.method, args.covariance)
    responses, _ = read_answers(args, parameters)
    silent = {*parameters.left_out}  # items without parameters say nothing
    if silent:
        responses = responses.select([j for j, item in enumerate(responses.items) if item not in silent])
    groups = groups_of(args, responses)
    scores = score_responses(parameters, responses, args.method, args.se, groups)
    persons = responses.persons or [str(p + 1) for p in range(responses.n_persons)]
    out = Path(args.out)
    try:
        _write(out, persons, _columns(scores, parameters.dimensions, args.covariance), scores.flag)
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {out} ({error.strerror}); choose another --out"
        ) from None
    flagged = np.count_nonzero(scores.flag)
    print(f"{out}: {len(persons)} persons scored by {args.method}, {flagged} flagged")
