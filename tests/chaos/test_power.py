"""The power fails: no acknowledged answer is lost. The short form; ``make chaos`` tries every write."""

from __future__ import annotations

from tests.chaos.power import power_loss


def test_no_acknowledged_answer_is_lost_when_the_power_fails() -> None:
    outcome = power_loss(sittings=6, points=150)
    assert outcome.lost == [], outcome.told()
    assert outcome.corrupt == [], outcome.told()
    assert outcome.points == 150
    assert outcome.acknowledged == 42


def test_control_synchronous_normal_loses_answers() -> None:
    outcome = power_loss(sittings=3, points=60, synchronous="NORMAL")
    assert outcome.lost, outcome.told()
