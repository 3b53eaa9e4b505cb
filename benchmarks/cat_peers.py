"""The peers that run adaptive tests, at their best settings: one step, and whole sittings of known people.

All get the same 3PL bank, EAP over 33 nodes on [-4, 4] with a standard normal prior (what differs is said
beside the figure), maximum information and a length of 30 items. Few people suffice where a sitting takes
seconds; how many were run is printed, with the error of their estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from benchmarks.harness import Table, median_seconds, once_seconds

__all__ = ["PEERS_SITTING", "PEERS_STEP", "compare"]

Bank = tuple[np.ndarray, np.ndarray, np.ndarray]
Measured = tuple[float, str]
Peer = Callable[[ModuleType, Bank], Measured]
LENGTH = 30
ASKED, GIVEN = list(range(11)), [k % 2 for k in range(11)]


def compare(table: Table, peers: dict[str, Peer], bank: Bank) -> None:
    """Measure every peer of a list and print it, or that it is not installed."""
    for package, measure in peers.items():
        table.peer(package, "", lambda module, measure=measure: measure(module, bank))  # type: ignore[misc]


def people(n: int) -> np.ndarray:
    """Normal abilities."""
    return np.random.default_rng(3).normal(size=n)


def _note(theta: np.ndarray, estimates: np.ndarray, more: str = "") -> str:
    error = float(np.sqrt(((np.asarray(estimates) - theta) ** 2).mean()))
    return f"{len(theta):,} sittings, RMSE {error:.3f}{more}"


def _catsim_step(_: ModuleType, bank: Bank) -> Measured:
    from catsim.estimation import NumericalSearchEstimator
    from catsim.item_bank import ItemBank
    from catsim.selection import MaxInfoSelector

    held = ItemBank(np.column_stack([*bank, np.ones(len(bank[0]))]))
    selector, estimator = MaxInfoSelector(), NumericalSearchEstimator()

    def once() -> None:
        theta = estimator.estimate(
            item_bank=held, administered_items=ASKED, response_vector=[k == 1 for k in GIVEN], est_theta=0.0
        )
        selector.select(item_bank=held, administered_items=ASKED, est_theta=float(theta))

    return median_seconds(once, 3), "ML: it has no EAP"


def _catsim_sittings(_: ModuleType, bank: Bank) -> Measured:
    from catsim.estimation import NumericalSearchEstimator
    from catsim.initialization import FixedPointInitializer
    from catsim.item_bank import ItemBank
    from catsim.selection import MaxInfoSelector
    from catsim.simulation import Simulator
    from catsim.stopping import TestLengthStopper

    theta = people(20)
    simulator = Simulator(
        ItemBank(np.column_stack([*bank, np.ones(len(bank[0]))])),
        theta,
        FixedPointInitializer(0.0),
        MaxInfoSelector(),
        NumericalSearchEstimator(),
        TestLengthStopper(max_items=LENGTH),
    )
    seconds = once_seconds(simulator.simulate)
    return seconds / len(theta), _note(theta, [e[-1] for e in simulator.estimations], "; ML: it has no EAP")


def _adaptivetesting(bank: Bank, theta: float, seed: int, simulation: bool):  # type: ignore[no-untyped-def]
    from adaptivetesting.implementations import TestAssembler
    from adaptivetesting.math.estimators import ExpectedAPosteriori, NormalPrior
    from adaptivetesting.models import ItemPool

    a, b, c = (values.tolist() for values in bank)
    draws = np.random.default_rng(seed).random(len(a))
    right = bank[2] + (1.0 - bank[2]) / (1.0 + np.exp(-bank[0] * (theta - bank[1])))
    pool = ItemPool.load_from_list(
        b=b, a=a, c=c, d=[1.0] * len(a), simulated_responses=(draws < right).astype(int).tolist()
    )
    return TestAssembler(
        pool,
        "sitting",
        "person",
        ExpectedAPosteriori,
        {"prior": NormalPrior(0, 1), "optimization_interval": (-4, 4)},
        true_ability_level=theta,
        simulation=simulation,
    )


def _adaptivetesting_step(_: ModuleType, bank: Bank) -> Measured:
    test = _adaptivetesting(bank, 0.0, 1, True)
    test.answered_items = [test.item_pool.test_items[i] for i in ASKED]
    test.response_pattern = list(GIVEN)

    def once() -> None:
        test.ability_level, _ = test.estimate_ability_level()
        test.get_next_item()

    return once_seconds(once), "EAP by its own quadrature"


def _adaptivetesting_sittings(_: ModuleType, bank: Bank) -> Measured:
    theta = people(2)
    estimates = []

    def run() -> None:
        for p, ability in enumerate(theta):
            test = _adaptivetesting(bank, float(ability), p, True)
            for _ in range(LENGTH):
                test.run_test_once()
            estimates.append(float(test.ability_level))

    seconds = once_seconds(run)
    return seconds / len(theta), _note(theta, np.array(estimates))


def _mirt_engine(bank: Bank):  # type: ignore[no-untyped-def]
    import mirt
    from mirt.cat import CATEngine

    model = mirt.ThreeParameterLogistic(n_items=len(bank[0]))
    model.set_parameters(discrimination=bank[0], difficulty=bank[1], guessing=bank[2])
    model._is_fitted = True  # a bank of known parameters
    return CATEngine(
        model, stopping_rule="SE", se_threshold=1e-6, max_items=LENGTH, min_items=LENGTH, n_quadpts=33, seed=1
    )


def _mirt_step(_: ModuleType, bank: Bank) -> Measured:
    engine = _mirt_engine(bank)
    engine.get_current_state()
    for k in range(10):
        engine.administer_item(k % 2)
    rounds = iter(range(15))

    def once() -> None:
        engine.administer_item(next(rounds) % 2)

    return min(once_seconds(once) for _ in range(10)), "least of 10 steps"


def _mirt_sittings(_: ModuleType, bank: Bank) -> Measured:
    theta = people(2_000)
    engine = _mirt_engine(bank)
    done: list[object] = []
    seconds = once_seconds(lambda: done.extend(engine.run_batch_simulation(theta)))
    return seconds / len(theta), _note(theta, [r.theta for r in done], "; in lockstep")  # type: ignore[attr-defined]


def _catpie_step(catpie: ModuleType, bank: Bank) -> Measured:
    items = [(float(a), float(b), float(c), 1.0) for a, b, c in zip(*bank, strict=True)]

    def once() -> None:
        theta, _ = catpie.estimateTheta(items, ASKED, GIVEN)
        catpie.selectNextItem(items, theta, ASKED)

    return median_seconds(once, 3), ""


def _catpie_sittings(catpie: ModuleType, bank: Bank) -> Measured:
    import random

    items = [(float(a), float(b), float(c), 1.0) for a, b, c in zip(*bank, strict=True)]
    theta = people(10)
    rng = random.Random(1)
    stop = {"rule": ["length"], "thr": [LENGTH], "alpha": 0.05}
    estimates: list[float] = []

    def run() -> None:
        for ability in theta:
            done = catpie.randomCAT(float(ability), items, method="EAP", stop=stop, rng=rng.random)
            estimates.append(done.finalTheta)

    seconds = once_seconds(run)
    return seconds / len(theta), _note(theta, np.array(estimates))


PEERS_STEP: dict[str, Peer] = {
    "mirt": _mirt_step,
    "catsim": _catsim_step,
    "catpie": _catpie_step,
    "adaptivetesting": _adaptivetesting_step,
}
"""One step: the estimate from eleven answers, and the next item."""

PEERS_SITTING: dict[str, Peer] = {
    "mirt": _mirt_sittings,
    "catsim": _catsim_sittings,
    "catpie": _catpie_sittings,
    "adaptivetesting": _adaptivetesting_sittings,
}
"""Whole simulated sittings, seconds each."""
