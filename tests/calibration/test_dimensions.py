"""Calibration in several dimensions: the likelihood by brute force, what is recovered, what is refused."""

from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from api.command import main
from calibration.covariance_file import read_covariance
from calibration.data import InMemory
from calibration.estimation import calibrate
from calibration.kernels.windows import _margins
from calibration.multidimensional.estimation import posed
from calibration.multidimensional.likelihood import information_of
from calibration.multidimensional.pattern import Pattern
from cat_engine import family
from cat_engine.errors import InputError
from cat_engine.family import COMPENSATORY
from cat_engine.pool import ItemPool
from item_bank.parameters import ParameterSet, Population, read_parameters
from item_bank.responses import Responses

BETWEEN = np.kron(np.eye(2, dtype=int), np.ones((4, 1), dtype=int))
BIFACTOR = np.array([[1, j < 3, 3 <= j < 6] for j in range(8)], dtype=int)
WITHIN = np.array([[1, 0]] * 3 + [[0, 1]] * 3 + [[1, 1]] * 2)


def written(path: Path, pattern: np.ndarray, names: list[str], items: list[str]) -> Path:
    rows = [[item, *row] for item, row in zip(items, pattern.astype(int).tolist(), strict=True)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["item", *names], *rows])
    return path


def simulated(rows: list[dict[str, Any]], cov: np.ndarray, persons: int, seed: int) -> Responses:
    """Answers of a normal population to items of several dimensions."""
    rng = np.random.default_rng(seed)
    pool = ItemPool.from_rows(rows, len(cov))
    theta = rng.multivariate_normal(np.zeros(len(cov)), cov, persons)
    answers = np.empty((persons, len(rows)), np.int64)
    for block in pool.blocks:
        lp = np.empty(int(block.table.n_cat.max()))
        for r, j in enumerate(block.index.tolist()):
            k = int(block.table.n_cat[r])
            for i in range(persons):
                family.logp(block.table, r, theta[i], lp)
                answers[i, j] = min(int((np.cumsum(np.exp(lp[:k])) < rng.random()).sum()), k - 1)
    return Responses.from_dense(answers, [row["id"] for row in rows])


def items_like(pattern: np.ndarray, model: str, seed: int) -> list[dict[str, Any]]:
    """Items with random slopes where `pattern` has a 1."""
    rng = np.random.default_rng(seed)
    rows = []
    for j, row in enumerate(pattern):
        slopes = np.where(row, rng.uniform(0.8, 1.8, len(row)), 0.0).tolist()
        d = sorted(rng.normal(size=2).tolist(), reverse=True)
        fields: dict[str, Any] = {
            "m2pl": {"intercept": d[0]},
            "m3pl": {"intercept": d[0], "c": 0.2},
            "mgrm": {"intercept": [d[0] + 0.3, d[1] - 0.3]},
            "mgpcm": {"intercept": [0.0, *d]},
        }[model]
        rows.append({"id": f"i{j}", "model": model, "slopes": slopes, **fields})
    return rows


def working_of(row: dict[str, Any]) -> np.ndarray:
    """Intercepts, and logit(c), of one item as estimation moves them."""
    d = np.atleast_1d(row["intercept"])[1 if row["model"] == "mgpcm" else 0 :]
    return np.append(d, np.log(row["c"] / (1.0 - row["c"]))) if "c" in row else d


def brute_force(rows: list[dict[str, Any]], cov: np.ndarray, answers: np.ndarray, n: int) -> float:
    """Return the marginal log-likelihood by a sum over `n` nodes a dimension, formulas written out."""
    axis = np.linspace(-7.0, 7.0, n)
    theta = np.stack(np.meshgrid(*[axis] * len(cov), indexing="ij"), axis=-1).reshape(-1, len(cov))
    log = np.tile(multivariate_normal(np.zeros(len(cov)), cov).logpdf(theta), (len(answers), 1))
    for j, row in enumerate(rows):
        z = theta @ np.array(row["slopes"])
        if row["model"] == "mgpcm":
            p = np.exp(np.outer(z, np.arange(len(row["intercept"]))) + row["intercept"])
            p /= p.sum(axis=1, keepdims=True)
        else:
            above = 1.0 / (1.0 + np.exp(-(z[:, None] + np.atleast_1d(row["intercept"]))))
            c = row.get("c", 0.0)
            above = np.hstack([np.ones((len(z), 1)), c + (1.0 - c) * above, np.zeros((len(z), 1))])
            p = above[:, :-1] - above[:, 1:]
        for i in np.flatnonzero(answers[:, j] >= 0):
            log[i] += np.log(p[:, answers[i, j]])
    return float((np.log(np.exp(log).sum(axis=1)) + len(cov) * np.log(axis[1] - axis[0])).sum())


@pytest.mark.parametrize(
    ("pattern", "model", "rho"),
    [
        (BETWEEN, "mgrm", 0.5),
        (BETWEEN, "m2pl", 0.95),
        (WITHIN, "m3pl", 0.5),
        (BIFACTOR, "mgpcm", 0.0),
    ],
)
def test_the_likelihood_is_the_integral_and_its_gradient_the_derivative(
    pattern: np.ndarray, model: str, rho: float
) -> None:
    """A few persons, some answers missing: each way to integrate against a sum over all of the space."""
    rows = items_like(pattern, model, 1)
    size = pattern.shape[1]
    cov = np.eye(size) + rho * (1.0 - np.eye(size))
    answers = simulated(rows, cov, 40, 2).dense().astype(float)
    answers[np.random.default_rng(3).random(answers.shape) < 0.15] = np.nan
    for k in range(1 + len(working_of(rows[0])) - ("c" in rows[0])):
        answers[k] = k  # every category is seen
    data = InMemory(Responses.from_dense(answers, [row["id"] for row in rows]))
    names = ("general", "s", "t") if size == 3 else ("u", "v")
    models = [COMPENSATORY[model](size)] * len(rows)
    problem = posed(data, models, Pattern(names, pattern.astype(bool), size == 2), prior=["none"])
    free = np.zeros(problem.n_free)
    seen: dict[str, int] = {}
    for k, (item, _, _) in enumerate(problem.structure.names):
        row = rows[int(item[1:])]
        values = np.concatenate([[x for x in row["slopes"] if x != 0.0], working_of(row)])
        free[k] = values[seen.setdefault(item, 0)]
        seen[item] += 1
    free[problem.structure.n_free :] = rho
    point = problem.evaluate(free)
    for _ in range(5):
        if not problem.integral.follow(last=True):
            break
        point = problem.evaluate(free)
    assert point is not None
    dense = data.responses.dense()
    assert point.loglik == pytest.approx(brute_force(rows, cov, dense, 401 if size == 2 else 71), abs=2e-5)
    information = information_of(problem, point).observed
    for k in (0, 1, 5, problem.n_free - 1):
        step = np.zeros(len(free))
        step[k] = 1e-4
        sides = [problem.evaluate(free + step), problem.evaluate(free - step)]
        assert all(side is not None for side in sides)
        above, below = (side for side in sides if side is not None)
        assert point.gradient[k] == pytest.approx((above.loglik - below.loglik) / 2e-4, abs=1e-5)
        np.testing.assert_allclose(information[k], (below.gradient - above.gradient) / 2e-4, atol=2e-3)


@pytest.mark.parametrize("radius", [100.0, 1.7])
@pytest.mark.parametrize("dims", [2, 3, 4, 5])
def test_margins_are_sums_over_the_nodes_within_an_ellipsoid(dims: int, radius: float) -> None:
    """The factored sum of the windows against one over an array of all nodes, those outside set to 0."""
    rng = np.random.default_rng(dims)
    width, names = 4, "abcde"[:dims]
    couples = list(combinations(range(dims), 2))
    unary, pairs = rng.random((dims, width)), rng.random((len(couples), width, width))
    margin, joint = np.empty((dims, width)), np.empty(pairs.shape)
    delta, middle = np.tile(np.arange(width) - 1.2, (dims, 1)), np.full(dims, 0.4)
    root = np.linalg.cholesky(np.full((dims, dims), 0.6) + 0.4 * np.eye(dims))
    block, running = np.empty((2, dims - 1, width, width))
    total = _margins(unary, pairs, delta, middle, root, radius, margin, joint, block, running)
    factors = [*names, *(names[d] + names[e] for d, e in couples)]
    whole = np.einsum(",".join(factors) + "->" + names, *unary, *pairs)
    nodes = (
        np.stack(np.meshgrid(*delta[:-1], indexing="ij")) - 0.4
    )  # all nodes of the last dimension are taken
    far = np.tensordot(np.linalg.inv(root[:-1, :-1]), nodes, 1)
    whole[(far**2).sum(axis=0) > radius**2] = 0.0
    assert total == pytest.approx(whole.sum(), rel=1e-12)
    for d in range(dims):
        others = tuple(e for e in range(dims) if e != d)
        np.testing.assert_allclose(margin[d], whole.sum(axis=others) / total, rtol=1e-12)
    for k, couple in enumerate(couples):
        others = tuple(e for e in range(dims) if e not in couple)
        np.testing.assert_allclose(joint[k], whole.sum(axis=others) / total, rtol=1e-12)


def fitted(pattern: np.ndarray, model: str, persons: int, seed: int, folder: Path, **more: Any) -> Any:
    """Return the true rows and what is estimated from answers to them."""
    rows = items_like(pattern, model, seed)
    names = more.pop("names", ["general", "s", "t"] if pattern is BIFACTOR else ["u", "v"])
    rho = 0.0 if names[0] == "general" else 0.6
    size = pattern.shape[1]
    responses = simulated(rows, np.eye(size) + rho * (1.0 - np.eye(size)), persons, seed)
    file = written(folder / "dimensions.csv", pattern, names, [row["id"] for row in rows])
    return rows, responses, calibrate(responses, model, dimensions=file, **more)


@pytest.mark.parametrize(
    ("pattern", "model"),
    [
        (np.kron(np.eye(3, dtype=int), np.ones((5, 1), dtype=int)), "mgrm"),
        (WITHIN, "m2pl"),
        (BIFACTOR, "mgpcm"),
    ],
)
def test_true_values_are_recovered(pattern: np.ndarray, model: str, tmp_path: Path) -> None:
    names = ["u", "v", "w"] if len(pattern) == 15 else None
    more = {"names": names} if names else {}
    rows, _, result = fitted(pattern, model, 1500, 5, tmp_path, **more)
    assert result.converged
    off = []
    for row, found in zip(rows, result.parameters.items, strict=True):
        assert [x != 0.0 for x in found["slopes"]] == [x != 0.0 for x in row["slopes"]]
        errors = found["se"]["slopes"]
        off += [
            (x - y) / e
            for x, y, e in zip(found["slopes"], row["slopes"], errors, strict=True)
            if e is not None
        ]
        d, errors = np.atleast_1d(found["intercept"]), np.atleast_1d(found["se"]["intercept"])
        off += [(x - y) / e for x, y, e in zip(d, np.atleast_1d(row["intercept"]), errors, strict=True) if e]
    assert 0.6 < np.std(off) < 1.5  # differences are as large as their standard errors say
    assert np.abs(off).max() < 4.0
    cov = np.array(result.parameters.population[0].cov)
    if names:
        assert np.abs(cov[np.triu_indices(3, 1)] - 0.6).max() < 0.1
        assert all(0.01 < e < 0.05 for e in result.parameters.population[0].se.values())


def test_names_and_order_of_dimensions_do_not_matter(tmp_path: Path) -> None:
    rows, responses, result = fitted(BETWEEN, "m2pl", 400, 7, tmp_path)
    swapped = written(tmp_path / "e.csv", BETWEEN[:, ::-1], ["zeta", "alpha"], [row["id"] for row in rows])
    again = calibrate(responses, "m2pl", dimensions=swapped)
    assert again.parameters.dimensions == ("zeta", "alpha")
    assert again.loglik == pytest.approx(result.loglik, abs=1e-6)
    for one, other in zip(result.parameters.items, again.parameters.items, strict=True):
        np.testing.assert_allclose(one["slopes"], other["slopes"][::-1], atol=1e-4)
    assert again.parameters.population[0].se["cov(zeta,alpha)"] == pytest.approx(
        result.parameters.population[0].se["cov(u,v)"], rel=1e-3
    )


def test_windows_and_the_product_grid_agree(tmp_path: Path) -> None:
    """One item with a slope on both dimensions, held at 0, sends the same model over the product grid."""
    _, responses, result = fitted(BETWEEN, "m2pl", 400, 9, tmp_path, errors="none")
    data = InMemory(responses)
    models = [COMPENSATORY["m2pl"](2)] * 8
    both = BETWEEN.astype(bool)
    both[0, 1] = True
    problem = posed(data, models, Pattern(("u", "v"), both), {("i0", "a2"): 0.0})
    free = result.estimates
    point = problem.evaluate(free)
    assert point is not None
    assert point.loglik == pytest.approx(result.loglik, abs=1e-4)


def test_fixed_items_free_the_population(tmp_path: Path) -> None:
    """People who are abler on one dimension and more alike on the other, with items that are known."""
    rows = items_like(BETWEEN, "m2pl", 11)
    file = written(tmp_path / "d.csv", BETWEEN, ["u", "v"], [row["id"] for row in rows])
    rng = np.random.default_rng(4)
    theta = rng.multivariate_normal([0.8, 0.0], [[1.0, 0.3], [0.3, 0.5]], 1500)
    z = theta @ np.array([row["slopes"] for row in rows]).T + [row["intercept"] for row in rows]
    new = Responses.from_dense(
        (rng.random(z.shape) < 1.0 / (1.0 + np.exp(-z))).astype(int), [r["id"] for r in rows]
    )
    kept = [row for row in rows if row["id"] not in ("i0", "i5")]
    fixed = ParameterSet(kept, (Population("all", (0.0, 0.0), ((1.0, 0.0), (0.0, 1.0))),), ("u", "v"))
    second = calibrate(new, "m2pl", dimensions=file, fixed=fixed)
    assert second.converged
    population = second.parameters.population[0]
    np.testing.assert_allclose(population.mean, [0.8, 0.0], atol=0.15)
    np.testing.assert_allclose(population.cov, [[1.0, 0.3], [0.3, 0.5]], atol=0.25)
    assert set(population.se) == {"mean(u)", "mean(v)", "var(u)", "var(v)", "cov(u,v)"}
    for row in second.parameters.items:
        if row["id"] in ("i0", "i5"):
            assert np.abs(np.array(row["slopes"]) - rows[int(row["id"][1:])]["slopes"]).max() < 0.5
        else:
            assert row["status"] == "fixed"
            assert row["slopes"] == next(x["slopes"] for x in kept if x["id"] == row["id"])


def test_the_command_writes_a_file_that_is_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, responses, result = fitted(BETWEEN, "m2pl", 300, 13, tmp_path)
    answers = tmp_path / "answers.csv"
    lines = [",".join(responses.items), *(",".join(map(str, row)) for row in responses.dense().tolist())]
    answers.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "out.json"
    words = ["calibrate", str(answers), "--model", "m2pl", "--dimensions", str(tmp_path / "dimensions.csv")]
    covariance = tmp_path / "c.parquet"
    assert main([*words, "--out", str(out), "--json", "--covariance", str(covariance)]) == 0
    printed = json.loads(capsys.readouterr().out)
    read = read_parameters(out)
    assert printed["dimensions"] == list(read.dimensions) == ["u", "v"]
    assert read.fit["loglik"] == pytest.approx(result.loglik, abs=1e-9)
    assert read.pool(several=True).dimensions == 2
    kept = read_covariance(covariance)
    assert ("i4", "a2", None) in kept.names
    assert ("population", "cov(u,v)", "all") in kept.names
    with pytest.raises(InputError, match=r"2 \(u, v\); only calibrate, score and fit"):
        read.pool()
    for refused in (["--report", str(tmp_path / "r")], ["--cross-check"], ["--estimator", "conditional"]):
        assert main([*words, "--out", str(out), *refused]) == 2
        assert "made for one dimension" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item,u\ni0,1\n", "at least two dimensions"),
        ("item,u,v\ni0,1,0\n", "none for 'i1'"),
        ("item,u,v\ni0,1,0\ni0,1,0\n", "'i0' again in line 3"),
        ("item,u,v\ni0,1,x\n", "expected 0 or 1 in the column 'v', got 'x' in line 2"),
        ("item,u,v\n" + "".join(f"i{j},0,0\n" for j in range(8)), "only 0 for 'i0'"),
        ("item,u,v\n" + "".join(f"i{j},1,0\n" for j in range(8)), "none for 'v'"),
        ("item,general,v\n" + "".join(f"i{j},{j % 2},1\n" for j in range(8)), "no general dimension"),
        ("item,general,v,w\n" + "".join(f"i{j},1,1,1\n" for j in range(8)), "several specific dimensions"),
        ("item,u,v\n" + "".join(f"i{j},1,1\n" for j in range(8)), "leaves dimension 'u', dimension 'v'"),
        ("item,u,v\n" + "".join(f"i{j},{int(j > 0)},{int(j < 1)}\n" for j in range(8)), "dimension 'v'"),
        (
            "item,general,v,w\n" + "".join(f"i{j},1,{int(j < 2)},{int(j > 2)}\n" for j in range(8)),
            "leaves dimension 'v' undetermined",
        ),
        (
            "item,a,b,c,d\n"
            + "".join(
                f"i{j},{int(j < 3)},{int(j in (2, 3, 4))},{int(j > 4)},{int(j in (5, 6, 7, 1))}\n"
                for j in range(8)
            ),
            "where items measure several|undetermined",
        ),
    ],
)
def test_patterns_that_are_no_model_are_refused(text: str, words: str, tmp_path: Path) -> None:
    responses = simulated(items_like(BETWEEN, "m2pl", 1), np.eye(2), 60, 1)
    file = tmp_path / "d.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        calibrate(responses, "m2pl", dimensions=file)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"model": "2pl"}, "among m2pl, m3pl, mgrm, mgpcm in several dimensions, got '2pl'"),
        ({"groups": ["a", "b"] * 30}, "got groups"),
        ({"latent": "davidian"}, "got a latent distribution 'davidian'"),
        ({"errors": "sandwich"}, "got standard errors 'sandwich'"),
        ({"prior": ["b=normal(0,2)"]}, "put it on d"),
        ({"quadrature": 900}, "lower --quadrature"),
    ],
)
def test_what_is_not_offered_is_said(more: dict[str, Any], words: str, tmp_path: Path) -> None:
    responses = simulated(items_like(BETWEEN, "m2pl", 1), np.eye(2), 60, 1)
    file = written(tmp_path / "d.csv", BETWEEN, ["u", "v"], list(responses.items))
    with pytest.raises(InputError, match=words):
        calibrate(responses, dimensions=file, **{"model": "m2pl", **more})
    with pytest.raises(InputError, match="--dimensions FILE"):
        calibrate(responses, "m2pl")
