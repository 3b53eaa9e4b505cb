"""`calibrate` and its command: what comes out, what is flagged, what is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from api.command import main
from calibration import calibrate
from calibration.em.priors import parse_priors
from calibration.verdict import flag_lines
from cat_engine.errors import InputError
from item_bank.parameters import ParameterSet, read_parameters
from item_bank.responses import Responses

# Bock & Lieberman (1970): LSAT section 7, how many of 1000 people gave each pattern, 00000 to 11111.
LSAT7 = (
    12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28,
    7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32, 308,
)  # fmt: skip


def lsat7() -> Responses:
    patterns = np.array(list(itertools.product((0, 1), repeat=5)))
    return Responses.from_dense(np.repeat(patterns, LSAT7, axis=0), [f"Item.{k}" for k in range(1, 6)])


def simulated(n: int, slopes: np.ndarray, locations: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n)
    p = 1.0 / (1.0 + np.exp(-slopes * (theta[:, None] - locations)))
    return (rng.random(p.shape) < p).astype(np.int8)


def test_lsat7_gives_the_published_values():
    found = calibrate(lsat7(), "2pl")
    assert found.loglik == pytest.approx(-2658.805, abs=5e-4)
    slopes = [row["a"] for row in found.parameters.items]
    assert [round(a, 4) for a in slopes] == [0.9875, 1.0808, 1.7075, 0.7650, 0.7357]
    assert found.converged and not found.flagged
    assert found.covariance.shape == (10, 10)
    assert found.items.height == 10 and found.population["sd"].to_list() == [1.0]


def test_the_path_leaves_no_trace_in_the_result():
    responses = lsat7()
    first = calibrate(responses, "2pl")
    turned = calibrate(responses.take(np.random.default_rng(1).permutation(1000)), "2pl")
    assert np.allclose(first.estimates, turned.estimates, atol=1e-6)
    tight = calibrate(responses, "2pl", tol=1e-12)
    assert np.allclose(first.estimates, tight.estimates, atol=1e-5)


def test_sparse_and_dense_storage_say_the_same():
    x = simulated(600, np.linspace(0.6, 1.8, 12), np.linspace(-1.5, 1.5, 12), 3)
    x[np.random.default_rng(4).random(x.shape) < 0.8] = -1
    dense = Responses.from_dense(x)
    sparse = Responses(dense.items, dense.n_cat, sparse=(dense.indptr, dense.item, dense.category))
    padded = np.hstack([x, np.full((600, 1), -1)])
    for other in (sparse, Responses.from_dense(padded)):
        one, two = calibrate(dense, "2pl"), calibrate(other, "2pl")
        assert one.loglik == pytest.approx(two.loglik, abs=1e-7)
        assert np.allclose(one.estimates, two.estimates, atol=1e-5)
        assert np.allclose(one.covariance, two.covariance, rtol=1e-3, atol=1e-6, equal_nan=True)


def test_weights_are_repeated_persons():
    patterns = np.array(list(itertools.product((0, 1), repeat=5)))
    counted = calibrate(Responses.from_dense(patterns), "2pl", weights=np.array(LSAT7, dtype=float))
    assert counted.loglik == pytest.approx(-2658.805, abs=5e-4)
    assert np.allclose(counted.covariance, calibrate(lsat7(), "2pl").covariance, rtol=1e-3, atol=3e-5)


def test_standard_errors_agree_where_the_model_holds():
    x = simulated(4000, np.array([0.8, 1.2, 1.6, 1.0, 1.4, 0.7, 1.1]), np.linspace(-1, 1, 7), 8)
    by = {kind: np.sqrt(np.diag(calibrate(x, "2pl", errors=kind).covariance)) for kind in
          ("oakes", "louis", "crossproduct", "sandwich")}  # fmt: skip
    assert np.array_equal(by["oakes"], by["louis"])
    assert np.allclose(by["crossproduct"], by["oakes"], rtol=0.15)
    assert np.allclose(by["sandwich"], by["oakes"], rtol=0.15)
    assert not np.array_equal(by["crossproduct"], by["oakes"])
    assert calibrate(x, "2pl", errors="none").covariance.size == 0


def test_hostile_items_are_flagged_and_the_rest_calibrated():
    x = simulated(500, np.full(8, 1.2), np.linspace(-1, 1, 8), 5)
    x[:, 1] = 1
    x[:, 3] = -1
    x[:, 5] = x[:, 4]
    x[:, 6] = 1 - x[:, 6]
    found = calibrate(x, "2pl")
    flags = {item: " ".join(flags) for item, flags in found.flagged.items()}
    assert "constant" in flags["I2"] and "no-responses" in flags["I4"]
    assert "duplicate" in flags["I6"] and "negative-slope" in flags["I7"]
    rows = {row["id"]: row for row in found.parameters.items}
    assert rows["I2"]["status"] == "left-out" and rows["I2"]["a"] is None
    assert rows["I1"]["status"] == "calibrated" and 0.3 < rows["I1"]["a"] < 1.8
    assert found.pool.ids == ("I1", "I3", "I5", "I6", "I7", "I8")


def test_items_that_nobody_links_are_flagged():
    x = simulated(400, np.full(6, 1.2), np.zeros(6), 6)
    x[:250, 4:] = -1
    x[250:, :4] = -1
    found = calibrate(x, "2pl")
    assert all("disconnected" in " ".join(found.flagged[item]) for item in ("I5", "I6"))
    assert "2 sets" in found.notes[0]


def test_an_item_that_separates_people_stays_finite():
    theta = np.random.default_rng(7).normal(size=300)
    x = (theta[:, None] > np.linspace(-1.5, 1.5, 6)).astype(np.int8)
    found = calibrate(x, "2pl")
    assert np.isfinite(found.estimates).all()
    assert all(
        "at-bound" in " ".join(flags) or "steep" in " ".join(flags) for flags in found.flagged.values()
    )


def test_mixed_models_and_equal_and_held_parameters():
    x = simulated(800, np.array([1.0, 1.0, 1.5, 0.8, 1.2]), np.linspace(-1, 1, 5), 9)
    found = calibrate(
        x,
        "2pl",
        item_models={"I5": "3pl"},
        equal=[[("I1", "a"), ("I2", "a")]],
        hold={("I3", "a"): 1.5},
    )
    rows = {row["id"]: row for row in found.parameters.items}
    assert rows["I1"]["a"] == rows["I2"]["a"]
    assert rows["I3"]["a"] == 1.5 and "a" not in rows["I3"]["se"]
    assert rows["I5"]["model"] == "3pl" and 0.0 < rows["I5"]["c"] < 0.5
    assert found.parameters.fit["priors"] == ["logit(c)=normal(-1.4,0.5)"]
    assert len(found.estimates) == 9


def test_priors_pull_and_can_be_dropped():
    x = simulated(400, np.full(6, 1.0), np.linspace(-1, 1, 6), 10)
    free = calibrate(x, "2pl")
    pulled = calibrate(x, "2pl", prior=["a=lognormal(0,0.01)", "b[I1]=normal(0,0.01)"])
    assert all(abs(row["a"] - 1.0) < 0.02 for row in pulled.parameters.items)
    assert abs(pulled.parameters.items[0]["b"]) < 0.05 < abs(free.parameters.items[0]["b"])
    assert free.logprior == 0.0 != pulled.logprior
    assert calibrate(x, "3pl", prior=["none"]).parameters.fit["priors"] == []
    assert calibrate(x, "3pl", prior=["c=beta(5,17)"]).parameters.fit["priors"] == ["c=beta(5,17)"]


@pytest.mark.parametrize(
    "name", ["a=lognormal(0.2,0.5)", "b=normal(0.5,2)", "c=beta(5,17)", "logit(c)=normal(-1,1)"]
)
def test_the_gradient_of_the_log_posterior_is_its_gradient(name):
    from calibration.data import InMemory
    from calibration.em.latent import Normal
    from calibration.em.likelihood import Likelihood
    from calibration.em.priors import Priors
    from calibration.em.structure import Structure
    from cat_engine.family import MODELS

    responses = Responses.from_dense(simulated(50, np.full(4, 1.0), np.linspace(-1, 1, 4), 11))
    structure = Structure(responses.items, [MODELS["3pl"]] * 4, responses.n_cat)
    persons = InMemory(responses).persons(structure)
    problem = Likelihood(
        structure, persons, [Normal(free_mean=True, free_sd=True)], Priors(structure, [name])
    )
    free = np.concatenate([np.tile([1.1, 0.3, -1.2], 4), [0.2, -0.1]])
    point = problem.evaluate(free)
    assert point is not None
    for p in range(len(free)):
        sides = []
        for sign in (1.0, -1.0):
            moved = free.copy()
            moved[p] += sign * 1e-5
            sides.append(problem.evaluate(moved).value)
        assert point.gradient[p] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("shape", ["davidian:4", "histogram"])
def test_other_latent_shapes_fit_skewed_abilities_better(shape):
    rng = np.random.default_rng(12)
    theta = (rng.gamma(2.0, 1.0, 1500) - 2.0) / np.sqrt(2.0)
    p = 1.0 / (1.0 + np.exp(-1.3 * (theta[:, None] - np.linspace(-1.2, 2.0, 15))))
    x = (rng.random(p.shape) < p).astype(np.int8)
    normal, other = calibrate(x, "2pl", errors="none"), calibrate(x, "2pl", latent=shape, errors="none")
    assert other.converged and other.loglik > normal.loglik + 10.0
    latent = other.parameters.fit["latent"][0]
    nodes, weights = np.array(latent["nodes"]), np.array(latent["weights"])
    assert weights @ nodes == pytest.approx(0.0, abs=2e-3)
    assert weights @ nodes**2 == pytest.approx(1.0, abs=5e-3)
    assert weights @ nodes**3 > 0.5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "5pl"}, "among rasch.*got '5pl'"),
        ({"model": "2PL"}, "got '2PL'; did you mean '2pl'"),
        ({"model": "graded"}, "R mirt's 'graded' is 'grm' here"),
        ({"item_models": {"Item.9": "2pl"}}, "'Item.9'; did you mean"),
        ({"prior": ["a~normal(0,1)"]}, "NAME=DENSITY"),
        ({"prior": ["a=cauchy(0,1)"]}, "normal, lognormal or beta"),
        ({"prior": ["a=normal(0,-1)"]}, "above 0"),
        ({"prior": ["c=beta(5,17)"]}, "got one on 'c'"),
        ({"prior": ["a[X]=normal(0,1)"]}, "got 'X'"),
        ({"groups": ["a"] * 3}, "expected 1000 groups"),
        ({"groups": ["a", "b"] * 500, "reference": "c"}, "among a, b, got 'c'"),
        ({"weights": np.ones(3)}, "1000 weights"),
        ({"tol": 0.0}, "above 0"),
        ({"errors": "exact"}, "got 'exact'"),
        ({"latent": "davidian:99"}, "davidian"),
        ({"hold": {("Item.1", "c"): 0.2}}, "working parameter among a, d"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(InputError, match=sentence):
        calibrate(lsat7(), **{"model": "2pl", **options})


def test_what_was_recoded_is_told():
    found = calibrate(Responses.from_dense(lsat7().dense() + 1, recode="shift"), "2pl", errors="none")
    assert found.notes == ["items whose categories were named anew: 5; I1: 1, 2 became 0 to 1"]


def test_categories_and_models_must_match():
    with pytest.raises(InputError, match="grm, gpcm, pcm or nrm"):
        calibrate(np.array([[0, 1], [1, 2], [0, 0], [1, 1]]), "2pl")
    with pytest.raises(InputError, match="every item is constant"):
        calibrate(np.zeros((5, 2)), "rasch")


def test_a_prior_is_read_item_and_all():
    (prior,), defaults = parse_priors(["logit(c)[It[em] 1]=normal(-1.4, 0.5)"])
    assert (prior.name, prior.item, prior.numbers, defaults) == ("logit(c)", "It[em] 1", (-1.4, 0.5), True)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    rows = lsat7().dense()
    path.write_text("\n".join(["A,B,C,D,E", *(",".join(map(str, row)) for row in rows)]))
    return path


def test_the_command_writes_the_parameter_file(answers, tmp_path, capsys):
    out = tmp_path / "params.json"
    assert main(["calibrate", str(answers), "--model", "2pl", "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    parameters = read_parameters(out)
    assert printed["loglik"] == parameters.fit["loglik"] == pytest.approx(-2658.805, abs=5e-4)
    assert isinstance(parameters, ParameterSet) and len(parameters.pool()) == 5
    for key in (
        "logprior",
        "aic",
        "bic",
        "n_persons",
        "n_items",
        "converged",
        "iterations",
        "seconds",
        "seconds_se",
    ):
        assert key in printed
    fixed = tmp_path / "fixed.json"
    assert main(["calibrate", str(answers), "--model", "2pl", "--fixed", str(out), "--out", str(fixed)]) == 0
    population = read_parameters(fixed).population[0]
    assert population.mean[0] == pytest.approx(0.0, abs=1e-3) and population.sd == pytest.approx(
        1.0, abs=2e-3
    )


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        (None, [], "there is no file"),
        ("", [], "empty file"),
        ("A,B\n0,1\n1\n", [], "on line 3"),
        ("A,B\n0,x\n1,0\n", [], "'x'"),
        ("A,B\n0,-1\n1,0\n", [], "'-1'"),
        ("A,A\n0,1\n1,0\n", [], "name of its own"),
        ("A,B\n0,1\n1,0\n", ["--model", "2ppl"], "2ppl"),
        ("A,B\n0,1\n1,0\n", ["--model", "2pl", "--model", "Z=3pl"], "'Z'"),
        ("A,B\n0,1\n1,0\n", ["--model", "2pl", "--tol", "abc"], "--tol"),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(tmp_path, capsys, text, words, sentence):
    path = tmp_path / "answers.csv"
    if text is not None:
        path.write_text(text)
    words = words or ["--model", "2pl"]
    assert main(["calibrate", str(path), "--out", str(tmp_path / "out.json"), *words]) == 2
    message = capsys.readouterr().err
    assert sentence in message and message.count("\n") == 1 and "Traceback" not in message
    assert not (tmp_path / "out.json").exists()


def test_an_interruption_passes_through():
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(lsat7(), "2pl", watch=stop)


def test_what_is_said_of_many_items_is_said_once() -> None:
    few = "few-responses: 60, the 2pl model asks for 200"
    flagged = {f"I{j}": [few] for j in range(9)}
    assert flag_lines(flagged, 9) == [f"all 9 items: {few}"]
    assert flag_lines(flagged, 20) == [f"I0, I1, I2 and 6 more items: {few}"]
    flagged["I3"] = [few, "steep: slope 7.0"]
    assert flag_lines(flagged, 9)[1:] == ["I3: steep: slope 7.0"]
    each = {f"I{j}": [f"few-responses: {j}"] for j in range(9)}
    lines = flag_lines(each, 9)
    assert lines[3:] == ["I3: few-responses: 3", "I4, I5, I6 and 2 more items: few-responses as well"]
    assert flag_lines({}, 9) == []


def test_too_many_parameters_for_standard_errors_are_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = calibrate(lsat7(), "2pl")
    monkeypatch.setattr("calibration.estimation.MOST_PARAMETERS", 9)
    found = calibrate(lsat7(), "2pl")
    assert found.converged and not found.covariance.size
    assert found.loglik == pytest.approx(whole.loglik, abs=1e-5)
    assert [note for note in found.notes if note.startswith("no standard errors: 10 parameters")]
    assert not calibrate(lsat7(), "2pl", errors="none").notes
