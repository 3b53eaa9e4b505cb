"""Invitations: a person, a test, and a code that nobody can guess. The code itself is not stored."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from api.catalogue import demonstration
from api.catalogue.store import latest
from api.database import tables
from api.database.clock import NOW, now_us
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.ids import digest, new_code, new_id
from api.problems import Problem
from api.results.claims import Person
from api.sittings.timing import SECOND

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "ORGANISATION",
    "Invitation",
    "Invited",
    "invitation_by_code",
    "invite",
    "invite_all",
    "invite_passer_by",
]

ORGANISATION = "DEMONSTRATION"
"""The organisation that passers-by and the demonstration's clients belong to."""

LIFETIME = 30 * 86_400 * SECOND

_BY_CODE = Query(
    select(
        now_us(),
        tables.invitation.c.id,
        tables.invitation.c.organisation_id,
        tables.invitation.c.person_id,
        tables.invitation.c.test_id,
        tables.invitation.c.extra_time_percent,
        tables.invitation.c.expires_at,
        tables.invitation.c.revoked_at,
        tables.session.c.id,
        tables.session.c.status,
    )
    .outerjoin(tables.session, tables.session.c.invitation_id == tables.invitation.c.id)
    .where(tables.invitation.c.code_digest == bindparam("code_digest"))
)
_PERSON = Query(
    select(tables.person.c.id, tables.person.c.erased_at).where(
        tables.person.c.organisation_id == bindparam("organisation_id"),
        tables.person.c.identifier_type == bindparam("identifier_type"),
        tables.person.c.identifier == bindparam("identifier"),
    )
)
_ORGANISATION = Query(select(tables.organisation.c.id).where(tables.organisation.c.id == bindparam("id")))
_INSERT_PERSON = Query(insert(tables.person))
_INSERT = Query(insert(tables.invitation))


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation and the sitting that came of it."""

    id: str
    organisation_id: str
    person_id: str
    test_id: str
    extra_time_percent: int
    expires_at: int
    revoked_at: int | None
    session_id: str | None
    session_status: str | None

    def usable(self, now: int) -> bool:
        """Return whether a sitting may begin."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation: what to hand to the person."""

    id: str
    person_id: str
    code: str
    expires_at: int


def normal(code: str) -> str:
    """Return a code as it was made, however it was typed."""
    plain = "".join(code.split()).replace("-", "").upper()
    return plain.replace("O", "0").replace("I", "1").replace("L", "1")


def invitation_by_code(code: str) -> Generator[Sequence[Call], list[Rows], tuple[Invitation, int]]:
    """Return the invitation with `code`, and the database's time, from inside a plan.

    Raises
    ------
    Problem
        ``code_unknown``
    """
    (rows,) = yield [_BY_CODE(code_digest=digest(normal(code)))]
    if not rows:
        raise Problem("code_unknown", "Check the code, or use the link in the invitation.")
    now, *fields = rows[0]
    return Invitation(*fields), now


def invite(
    organisation: str,
    person: Person,
    test_code: str,
    code: str,
    lifetime: int = LIFETIME,
    extra_time_percent: int = 0,
) -> Plan[Invited]:
    """Plan: invite a person to the newest version of a test.

    A person whom the organisation has named by the same identifier before is the same person.

    Raises
    ------
    Problem
        ``not_found`` when there is no such test.
    """
    test = (yield from latest(test_code)).value
    if test is None:
        raise Problem("not_found", f"There is no test with the code '{test_code}'.")
    known, time = yield [
        _PERSON(
            organisation_id=organisation,
            identifier_type=person.identifier_type,
            identifier=person.identifier,
        ),
        NOW(),
    ]
    now = time[0][0]
    writes = []
    if known:
        person_id = known[0][0]
    else:
        person_id = person.id
        writes.append(
            _INSERT_PERSON(
                id=person.id,
                organisation_id=organisation,
                identifier=person.identifier,
                identifier_type=person.identifier_type,
                family_name=person.family_name,
                given_name=person.given_name,
                created_at=now,
                erased_at=None,
            )
        )
    id = new_id()
    writes.append(
        _INSERT(
            id=id,
            organisation_id=organisation,
            person_id=person_id,
            test_id=test,
            code_digest=digest(code),
            extra_time_percent=extra_time_percent,
            created_at=now,
            expires_at=now + lifetime,
            revoked_at=None,
        )
    )
    return Commit(Invited(id, person_id, code, now + lifetime), writes)


def invite_all(
    organisation: str, test_code: str, people: Sequence[tuple[Person, str, int]], lifetime: int
) -> Plan[list[Invited]]:
    """Plan: invite several people, all or none.

    Parameters
    ----------
    people
        For each, the person, a new code and the extra time in percent.

    Raises
    ------
    Problem
        ``not_found`` when there is no such organisation or test, ``malformed`` for a person named twice.
    """
    (known,) = yield [_ORGANISATION(id=organisation)]
    if not known:
        raise Problem(
            "not_found", f"There is no organisation '{organisation}'; 'acquis client add' makes one."
        )
    names = [(one.identifier_type, one.identifier) for one, _, _ in people if one.identifier]
    for name in names:
        if names.count(name) > 1:
            raise Problem("malformed", f"The list names '{name[1]}' twice; name each person once.")
    invited: list[Invited] = []
    writes: list[Call] = []
    for person, code, extra in people:
        commit = yield from invite(organisation, person, test_code, code, lifetime, extra)
        invited.append(commit.value)
        writes += commit.writes
    return Commit(invited, writes)


async def invite_passer_by(runtime: Runtime) -> str:
    """Return a code for someone of whom nothing is known, to the demonstration test."""
    code = new_code()
    await runtime.write(invite, ORGANISATION, Person(new_id()), demonstration.CODE, code, 86_400 * SECOND)
    return code
