"""What sittings say of a published test: how often each item is served, how precise and how long they are,
why they end, what is left without an answer.

Counts alone, of the latest finished sittings of one organisation; the database adds them up, because a log
holds dozens of events a sitting.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, and_, bindparam, case, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.sittings.fold import FINISHED

__all__ = ["MOST", "UNANSWERED", "Evidence", "ItemUse", "evidence"]

MOST = 2_000
"""Sittings that are looked at; older ones are left out, so that the page costs the same for ever."""
UNANSWERED = ("omitted", "timed_out", "not_reached")
"""How an event says that an item was served and not answered."""


class said(FunctionElement[str]):
    """A value in an event's data: a text in PostgreSQL, what it is in SQLite; a body is stored as text."""

    type = Text()
    inherit_cache = False
    name = "said"

    def __init__(self, body: Any, *path: str) -> None:
        super().__init__(body)
        self.path = ("data", *path)


@compiles(said, "postgresql")
def _postgresql(element: said, compiler: Any, **options: Any) -> str:
    *outer, last = element.path
    steps = "".join(f" -> '{name}'" for name in outer)
    return f"({compiler.process(element.clauses)}::jsonb{steps} ->> '{last}')"


@compiles(said, "sqlite")
def _sqlite(element: said, compiler: Any, **options: Any) -> str:
    return f"json_extract({compiler.process(element.clauses)}, '$.{'.'.join(element.path)}')"


_session, _event = tables.session, tables.event
_THEIRS = and_(
    _session.c.test_id == bindparam("test"), _session.c.organisation_id == bindparam("organisation")
)
_STATES = Query(select(_session.c.status, func.count()).where(_THEIRS).group_by(_session.c.status))
_LATEST = (
    select(_session.c.id)
    .where(_THEIRS, _session.c.status == FINISHED)
    .order_by(_session.c.id.desc())
    .limit(bindparam("most"))
    .subquery()
)
_ENDS = Query(
    select(
        said(_event.c.body, "reason"), said(_event.c.body, "record", "se"), said(_event.c.body, "n_items")
    ).where(_event.c.session_id.in_(select(_LATEST.c.id)), _event.c.kind == "finished")
)
_served, _answered = _event.alias("served"), _event.alias("answered")
_category = said(_answered.c.body, "category")
_ITEMS = Query(
    select(
        said(_served.c.body, "item"),
        func.count(),
        *(func.sum(case((_category == code, 1), else_=0)) for code in UNANSWERED),
    )
    .outerjoin(
        _answered,
        and_(
            _answered.c.session_id == _served.c.session_id,
            _answered.c.position == _served.c.position,
            _answered.c.kind == "answered",
        ),
    )
    .where(_served.c.session_id.in_(select(_LATEST.c.id)), _served.c.kind == "item_served")
    .group_by(said(_served.c.body, "item"))
)


@dataclass(frozen=True, slots=True)
class ItemUse:
    """What became of an item: in how many sittings it was served, and not answered, by `UNANSWERED`."""

    item: str
    served: int
    unanswered: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What finished sittings say of a test.

    Attributes
    ----------
    sittings
        How many were looked at, the latest `MOST`.
    finished, going
        How many there are.
    reasons
        Why they ended, as `cat_engine.stopping.REASONS`, ``time`` and ``abandoned`` name it.
    errors
        Standard errors of theta at the end (of the score of record), in increasing order.
    lengths
        Numbers of items that counted, in increasing order.
    items
        Of every item served, the most frequent first.
    """

    sittings: int
    finished: int
    going: int
    reasons: tuple[tuple[str, int], ...]
    errors: tuple[float, ...]
    lengths: tuple[int, ...]
    items: tuple[ItemUse, ...]


def evidence(test: str, organisation: str) -> Plan[Evidence]:
    """Plan: what an organisation's sittings say of the version of a test called `test`."""
    own = {"test": test, "organisation": organisation}
    states, ends, items = yield [_STATES(**own), _ENDS(**own, most=MOST), _ITEMS(**own, most=MOST)]
    count: dict[str, int] = dict(states)
    used = [ItemUse(item, served, tuple(int(n) for n in rest)) for item, served, *rest in items]
    return Commit(
        Evidence(
            sittings=len(ends),
            finished=count.get(FINISHED, 0),
            going=sum(n for state, n in states if state != FINISHED),
            reasons=tuple(Counter(reason for reason, _, _ in ends).most_common()),
            errors=tuple(sorted(int(se) / 1e6 for _, se, _ in ends)),
            lengths=tuple(sorted(int(n) for _, _, n in ends)),
            items=tuple(sorted(used, key=lambda one: (-one.served, one.item))),
        )
    )
