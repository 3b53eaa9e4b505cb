"""kill -9 in the middle of everything that is done to a sitting: it is done whole, or it can be done again.

The short form; ``make chaos`` kills at every single place.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos.acts import ACTS, killed


def test_what_is_killed_is_done_or_not_and_can_be_done_again(database_url: str, tmp_path: Path) -> None:
    found = killed(database_url, tmp_path / "keys", every=8)
    control = found.pop("control")
    assert control.halves, "writes that are no transaction were not noticed"
    assert found.keys() == ACTS.keys()
    for act, left in found.items():
        assert left.whole, act
        assert left.bad == [], act
    assert sum(len(left.killed) for left in found.values()) >= len(ACTS)
