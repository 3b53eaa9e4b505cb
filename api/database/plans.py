"""A transaction written once, for a synchronous and for an asynchronous driver.

A *plan* is a generator. It yields batches of queries and is sent their rows, and it returns a
`Commit`: a value, and the writes that make it true. It knows no connection, no thread and no event loop. The
driver runs each batch in one round trip, then all writes as one transaction, acknowledged by the
database before the value leaves. ::

    def rename(person_id: str, name: str) -> Plan[str]:
        (rows,) = yield [PERSON(id=person_id)]
        if not rows:
            raise Problem("not_found")
        return Commit(name, [RENAME(id=person_id, name=name)])

What was read may have changed before the write: nothing is locked. A unique key of the tables says no,
the driver begins the plan anew (`Conflict`), and it reads what the other has written. So each
write that must happen once stands behind a unique key, and a plan must not act on the outside world.

SQLAlchemy writes the SQL, once a dialect; the drivers hand it to the database without more ado, because
an answer has to be cheap.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import Dialect
from sqlalchemy.sql import ClauseElement

__all__ = [
    "Busy",
    "Call",
    "Commit",
    "Commits",
    "Conflict",
    "Database",
    "Plan",
    "Query",
    "Refused",
    "Rows",
    "Unavailable",
    "Unconfirmed",
    "Unstorable",
]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
Rows = list[tuple[Any, ...]]


class Unavailable(Exception):
    """The database did not answer, or not for certain: the caller may try again with the same key."""


class Unconfirmed(Unavailable):
    """The writes were sent, and the database has not said that they will last: a standby may be away."""


class Busy(Exception):
    """More work is waiting for the database than it could do in good time."""


class Conflict(Exception):
    """What the plan stands on does not hold, or not surely: it has to begin anew."""


class Refused(Conflict):
    """A unique key refused the write: someone else was faster."""


class Unstorable(Exception):
    """A text with a NUL character: PostgreSQL has none, and libpq would cut the text off there."""


class Sql(NamedTuple):
    """SQL text, the names of its parameters in order, and the values that the statement itself holds."""

    text: str
    order: tuple[str, ...]
    held: Mapping[str, Any]


class Query:
    """A SQLAlchemy Core statement, made into SQL text once a dialect.

    Calling it with its parameters gives a `Call`. Parameters are ``bindparam(name)`` or, in an insert,
    the names of columns.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement
        self._compiled: dict[str, Sql] = {}

    def __call__(self, **values: Any) -> Call:
        return Call(self, values)

    def sql(self, dialect: Dialect) -> Sql:
        """Return the SQL for `dialect`."""
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self.statement.compile(dialect=dialect)
            held = {name: value for name, value in compiled.params.items() if value is not None}
            order = tuple(getattr(compiled, "positiontup", None) or ())
            known = self._compiled[dialect.name] = Sql(str(compiled), order, held)
        return known


@dataclass(frozen=True, slots=True)
class Call:
    """A query with its parameters."""

    query: Query
    values: Mapping[str, Any]

    def named(self, dialect: Dialect) -> tuple[str, Mapping[str, Any]]:
        """Return SQL text and its parameters by name."""
        text, _, held = self.query.sql(dialect)
        self._refuse_nul()
        return text, {**held, **self.values} if held else self.values

    def ordered(self, dialect: Dialect) -> tuple[str, list[Any]]:
        """Return SQL text and its parameters in the order of their places."""
        text, order, held = self.query.sql(dialect)
        self._refuse_nul()
        values = {**held, **self.values} if held else self.values
        return text, [values[name] for name in order]

    def _refuse_nul(self) -> None:
        for value in self.values.values():
            if type(value) is str and "\0" in value:
                raise Unstorable


@dataclass(frozen=True, slots=True)
class Commit(Generic[T_co]):
    """The end of a plan: the value it gives, and the writes that have to be durable before."""

    value: T_co
    writes: Sequence[Call] = ()


Plan = Generator[Sequence[Call], list[Rows], Commit[T]]


class _Start(Protocol[T_co]):
    def __call__(self, *args: Any, **kwargs: Any) -> Plan[T_co]: ...


class Commits(NamedTuple):
    """Writes of which the database has not said yet that they will last, and what waits to be sent.

    Attributes
    ----------
    under_way
        Transactions that it has been sent.
    waiting
        Requests that wait for a connection, or for the thread that writes.
    oldest
        Seconds for which one of those under way has been, at most.
    """

    under_way: int
    waiting: int
    oldest: float


class Database(Protocol):
    """What runs plans."""

    dialect: Dialect

    async def open(self) -> None:
        """Connect, and check that what is acknowledged will last (`api.database.durability`)."""

    async def prepare(self, queries: Sequence[Query]) -> None:
        """Make ready what the first requests would wait for: every connection, and these queries."""

    def commits(self) -> Commits:
        """Return what is under way and what waits."""

    async def close(self) -> None:
        """Finish what has begun and disconnect."""

    async def read(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan that writes nothing."""

    async def write(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan; its writes are durable when this returns.

        Raises
        ------
        Unavailable
            The database failed. The writes may have happened or not: idempotency keys tell.
        Busy
            Nothing was tried, too much is waiting.
        """

    async def attempt(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan as `write` does, but once: nothing was written when `Conflict` is raised."""


def begin(plan: Plan[T]) -> Sequence[Call] | Commit[T]:
    """Run `plan` to its first batch or its end."""
    try:
        return next(plan)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def resume(plan: Plan[T], rows: list[Rows]) -> Sequence[Call] | Commit[T]:
    """Give `plan` its rows and run it to its next batch or its end."""
    try:
        return plan.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


ATTEMPTS = 8
"""How often a plan is begun before a conflict counts as trouble."""


def read_only(commit: Commit[T]) -> T:
    """Return the value of a plan that was run as a reader."""
    if commit.writes:
        raise AssertionError("a plan that writes was run with Database.read; use Database.write")
    return commit.value
