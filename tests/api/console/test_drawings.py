"""Charts of the console: what is drawn is as high as its value says, and stays inside."""

from __future__ import annotations

import pytest

from api.console.drawings import bins, chart


def test_a_histogram_counts_every_value_once_and_leaves_no_gap() -> None:
    found = bins([0.3, 0.35, 0.3999, 0.55], 0.05)
    assert [round(one.low, 9) for one in found] == [0.3, 0.35, 0.4, 0.45, 0.5, 0.55]
    assert [one.n for one in found] == [1, 2, 0, 0, 0, 1]
    assert bins([], 0.05) == []


@pytest.mark.parametrize("values", [[0.0], [1.0], [3, 0, 7, 12], [0.001] * 300, [1e6, 2e6]])
def test_columns_are_as_high_as_their_values_and_stay_inside(values: list[float]) -> None:
    drawn = chart(320, values, [str(value) for value in values], across=max(values) / 2, down=0.5)
    top, highest = drawn.ticks[-1]
    assert 2 <= len(drawn.ticks) <= 7
    for column, value in zip(drawn.columns, values, strict=True):
        assert column.height == pytest.approx((drawn.base - top) * value / highest, abs=0.11)
        assert drawn.left <= column.x and column.x + column.width <= drawn.right + 0.1
        assert top <= column.y <= drawn.base
    assert drawn.across is not None and top <= drawn.across <= drawn.base
    assert drawn.down is not None and drawn.left <= drawn.down <= drawn.right
