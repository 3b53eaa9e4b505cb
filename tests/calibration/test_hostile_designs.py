"""Whatever the data, nothing fails in silence: every number is finite or its item says why not.

``ACQUIS_HOSTILE=1000`` runs a thousand designs; a few dozen run every time.
"""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibration import calibrate
from calibration.sentences import Sentence
from cat_engine.errors import InputError
from item_bank.responses import Responses

TWO = ("rasch", "1pl", "2pl", "3pl", "4pl")
MORE = ("grm", "gpcm", "pcm", "rsm", "nrm")
KINDS = (
    "plain",
    "missing",
    "twins",
    "constant",
    "guttman",
    "islands",
    "noise",
    "reversed",
    "one answer each",
)


def design(seed: int, persons: int, items: int, size: int, kind: str) -> np.ndarray:
    """Return responses of `persons` to `items` with `size` categories, spoilt in one way."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(0.0, rng.choice([0.1, 1.0, 3.0]), (persons, 1, 1))
    slopes = rng.normal(1.0, 1.0, (items, 1)) * rng.choice([0.1, 1.0, 5.0])
    cuts = np.sort(rng.normal(0.0, rng.choice([0.5, 2.0, 5.0]), (items, size - 1)), axis=1)
    x = (slopes * theta + rng.logistic(size=(persons, items, 1)) > cuts).sum(axis=2)
    if kind == "missing":
        x[rng.random(x.shape) < rng.choice([0.1, 0.5, 0.9])] = -1
    elif kind == "twins":
        x[:, -1] = x[:, 0]
    elif kind == "constant":
        x[:, 0] = x[0, 0]
    elif kind == "guttman":
        x = (theta[:, :, 0] > np.linspace(-1.5, 1.5, items)).astype(int) * (size - 1)
    elif kind == "islands":
        x[: persons // 2, : items // 2] = -1
        x[persons // 2 :, items // 2 :] = -1
    elif kind == "noise":
        x = rng.integers(0, size, x.shape)
    elif kind == "reversed":
        x[:, ::2] = size - 1 - x[:, ::2]
    elif kind == "one answer each":
        kept = rng.integers(0, items, persons)
        x = np.where(np.arange(items) == kept[:, None], x, -1)
    return x


@settings(
    max_examples=int(os.environ.get("ACQUIS_HOSTILE", "40")),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=st.integers(0, 2**31),
    persons=st.sampled_from([2, 5, 20, 100, 300]),
    items=st.integers(1, 8),
    size=st.sampled_from([2, 2, 3, 4]),
    kind=st.sampled_from(KINDS),
    choice=st.integers(0, 4),
    bare=st.booleans(),
    grouped=st.booleans(),
)
def test_no_failure_is_silent(seed, persons, items, size, kind, choice, bare, grouped):
    x = design(seed, persons, items, size, kind)
    model = (TWO if x.max() <= 1 else MORE)[choice]
    groups = [str(g) for g in np.random.default_rng(seed).integers(0, 2, persons)] if grouped else None
    try:
        responses = Responses.from_dense(x, recode="rank")
        found = calibrate(responses, model, prior=["none"] if bare else [], groups=groups)
    except InputError:
        return  # refused in a sentence: every item is constant, a category is not one
    assert np.isfinite(found.loglik) and np.isfinite(found.estimates).all()
    assert found.converged or any("not converged" in note for note in found.notes)
    assert all(isinstance(note, Sentence) for note in found.notes)  # the report says it in French, too
    for row in found.parameters.items:
        if row["status"] == "left-out":
            assert row["flags"]
            continue
        names = [name for name in ("a", "b", "c", "d", "tau", "alpha", "delta") if name in row]
        values = np.concatenate([np.atleast_1d(np.array(row[name], dtype=float)) for name in names])
        assert np.isfinite(values).all()
        errors = [e for value in row["se"].values() for e in np.atleast_1d(np.array(value, dtype=float))]
        assert np.isfinite(errors).all() or row["flags"]


def test_a_group_that_does_not_vary_ends_the_climb():
    """Three people tell nothing of a variance: it goes to 0, and the shared nodes stop following it."""
    rng = np.random.default_rng(1)
    theta, slopes, cuts = rng.normal(size=(300, 1)), rng.uniform(0.7, 2.0, 8), rng.normal(0.0, 1.2, 8)
    x = (slopes * (theta - cuts) + rng.logistic(size=(300, 8)) > 0).astype(int)
    found = calibrate(Responses.from_dense(x), "rasch", groups=["a"] * 3 + ["b"] * 297)
    assert found.converged and found.parameters.fit["iterations"] < 100
    assert any(note.code == "no-variance" and note.values["group"] == "a" for note in found.notes)


def test_one_item_many_times_has_an_endless_variance():
    x = np.repeat(design(1, 300, 1, 2, "plain"), 8, axis=1)
    found = calibrate(Responses.from_dense(x), "rasch")
    assert [note.code for note in found.notes] == ["repeated-items", "endless-variance"]


def test_without_standard_errors_the_maximum_is_the_same():
    """A Davidian curve starts near a saddle that gradients alone take for the maximum."""
    rng = np.random.default_rng(8)
    theta = rng.normal(size=(2000, 1))
    slopes, cuts = rng.uniform(0.7, 2.0, 15), rng.normal(0.0, 1.2, 15)
    x = (slopes * (theta - cuts) + rng.logistic(size=(2000, 15)) > 0).astype(int)
    bare, full = (calibrate(x, "2pl", latent="davidian", errors=kind) for kind in ("none", "oakes"))
    assert bare.converged and bare.covariance.size == 0 and not any(bare.parameters.items[0]["se"])
    assert bare.loglik > full.loglik - 1e-4


def test_what_the_data_hardly_determine_is_flagged():
    """Slopes of one item or of two have no maximum of their own: any standard error there is noise."""
    x = design(5, 300, 2, 2, "plain")
    for columns in (x[:, :1], x):
        found = calibrate(Responses.from_dense(columns), "2pl")
        for row in found.parameters.items:
            assert row["status"] == "doubtful"
            assert any(flag.startswith(("not-determined", "at-bound")) for flag in row["flags"])
