"""What was measured, in plain words and as a page with pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.drawing import ladder, seconds
from benchmarks.load.exam import CONNECTIONS, SPREAD, Row
from benchmarks.load.stage import BANK, LENGTH
from calibration.report.html import Figures

__all__ = ["ASKED", "Report", "write"]

ASKED = {"postgresql": 850, "sqlite": 300}
"""Answers a second that are asked for: 50,000 people, one answer a minute; fewer where all is one file."""
GOOD = 250
"""Milliseconds in which 99 of 100 answers are to be acknowledged."""
PAGE = Path(__file__).absolute().with_name("page.md")
NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured.

    Attributes
    ----------
    machine
        On what, and how busy it was before.
    rows
        In the order in which they were measured.
    shares
        Where a worker's processor time goes.
    checked
        How many acknowledged answers and starts were looked up, one by one.
    lost
        Those that were not found.
    """

    machine: str
    rows: list[Row]
    shares: str
    checked: int
    lost: list[str]

    @property
    def sound(self) -> bool:
        """Whether nothing was lost and nothing failed."""
        return not self.lost and not any(row.failed for row in self.rows)

    def of(self, database: str, *names: str) -> list[Row]:
        """Return the rows of a database whose names begin so."""
        return [row for row in self.rows if row.database == database and row.name.startswith(names)]

    def verdict(self) -> str:
        """Return what it all says, a sentence a line."""
        told = [line for database in NAMES for line in self._verdict(database)]
        failed = sum(row.failed for row in self.rows)
        told.append(f"{failed:,} requests FAILED." if failed else "No request failed.")
        looked = f"{self.checked:,} acknowledged answers and starts were looked up one by one"
        if self.lost:
            told.append(f"{looked}: {len(self.lost):,} are MISSING, such as {'; '.join(self.lost[:3])}.")
        else:
            told.append(f"{looked}: none is missing.")
        return "\n".join(told)

    def _verdict(self, database: str) -> Iterator[str]:
        for row in self.of(database, "cohort", "restarted"):
            seconds = len(row.second)
            refused = sum(second[1] for second in row.second)
            held = not refused and row.p99_ms <= GOOD and row.accepted >= 0.99 * row.offered
            after = ", from the first moment after a restart," if row.name == "restarted" else ""
            yield (
                f"{NAMES[database]}, {_workers(row)}: {row.offered:,.0f} answers a second for "
                f"{seconds} seconds{after} are {'' if held else 'NOT '}carried: {row.accepted:,.0f} "
                f"accepted a second, p99 {row.p99_ms:.0f} ms, {refused:,} refused."
            )
        for row in self.of(database, "overload"):
            most = max(one.accepted for one in self.of(database, "cohort", "ladder", "overload"))
            alone = min(one.cpu_ms[0] for one in (*self.of(database, "cohort", "ladder"), row))
            cost, share = refusals(row, alone)
            yield (
                f"{NAMES[database]} carries at most {most:,.0f} a second. Of {row.offered:,.0f} offered "
                f"{row.accepted:,.0f} are accepted, p99 {row.p99_ms:.0f} ms, and {row.refused:,.0f} refused; "
                f"for each refusal the server needs {cost:.2f} ms more, together {share:.0%} of its time."
            )


def refusals(row: Row, alone: float) -> tuple[float, float]:
    """Return the server's processor milliseconds more for each refusal, and the share of all of them.

    Parameters
    ----------
    alone
        The server's milliseconds for an answer where none is refused.
    """
    if not row.refused:
        return math.nan, 0.0
    more = max(0.0, row.cpu_ms[0] - alone)
    return more * row.accepted / row.refused, more / row.cpu_ms[0]


def _workers(row: Row) -> str:
    return f"{row.workers} worker{'s' * (row.workers > 1)}"


def _table(rows: Iterable[Row]) -> str:
    head = (
        "| | offered /s | accepted /s | refused /s | p50 ms | p99 ms | longest ms | failed "
        "| processor ms each: server, database, generator |\n|---|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(_cells, rows)])


def _cells(row: Row) -> str:
    times = ["" if math.isnan(ms) else f"{ms:,.0f}" for ms in (row.p50_ms, row.p99_ms, row.max_ms)]
    cells = [
        f"{row.name}, {_workers(row)}",
        f"{row.offered:,.0f}" if row.offered else "",
        f"{row.accepted:,.0f}",
        f"{row.refused:,.0f}" if row.refused else "",
        *times,
        f"{row.failed}",
        ", ".join(f"{ms:.2f}" for ms in row.cpu_ms) if any(row.cpu_ms) else "",
    ]
    return f"| {' | '.join(cells)} |"


def page(report: Report, command: str) -> str:
    """Return the page that says it all, in Markdown."""
    day = ("starts", "answers", "cohort", "ladder", "overload", "rush", "restarted")
    return PAGE.read_text(encoding="utf-8").format(
        command=command,
        machine=report.machine,
        bank=BANK,
        length=LENGTH,
        connections=CONNECTIONS,
        spread=SPREAD,
        verdict="\n".join(f"- {line}" for line in report.verdict().splitlines()),
        late=max(row.late_ms for row in report.rows if row.name == "cohort"),
        growth=_table(report.of("postgresql", "workers", "limit", "nobody")),
        shares=report.shares,
        **{database: _table(report.of(database, *day)) for database in NAMES},
    )


def write(folder: Path, report: Report, command: str) -> None:
    """Write ``load.md`` and its pictures into a folder."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "load.md").write_text(page(report, command), encoding="utf-8")
    figure = Figures("en")
    for row in report.of("postgresql", "overload"):
        steps = [*report.of("postgresql", "ladder"), row]
        for name, chart, title in (
            ("ladder", ladder(steps, GOOD), "answers accepted and refused, and p99, by what is offered"),
            ("overload", seconds(row, GOOD), "answers accepted and refused, and p99, second by second"),
        ):
            path = folder / "images" / f"load-{name}.svg"
            path.write_text(str(figure(chart, title)), encoding="utf-8")
