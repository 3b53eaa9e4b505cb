"""Invitations: a person, a test, and a code that nobody can guess. The code itself is not stored."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_leave  # SQLite says ON CONFLICT the same way

from api.catalogue import demonstration
from api.catalogue.store import latest, offered_for
from api.database import tables
from api.database.clock import NOW, now_us
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.ids import MOMENT, digest, new_code, new_id
from api.problems import Problem
from api.results.claims import Person
from api.sittings.timing import SECOND

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "ORGANISATION",
    "Invitation",
    "Invited",
    "Invitee",
    "cancel",
    "invitation_by_code",
    "invite",
    "invite_again",
    "invite_all",
    "invite_once",
    "invite_passer_by",
    "renew",
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
        tables.invitation.c.need,
        tables.invitation.c.expires_at,
        tables.invitation.c.revoked_at,
        tables.session.c.id,
        tables.session.c.status,
    )
    .join(tables.person, tables.person.c.id == tables.invitation.c.person_id)
    .outerjoin(tables.session, tables.session.c.invitation_id == tables.invitation.c.id)
    .where(tables.invitation.c.code_digest == bindparam("code_digest"), tables.person.c.erased_at.is_(None))
)
_PERSON = Query(
    select(tables.person.c.id).where(
        tables.person.c.organisation_id == bindparam("organisation_id"),
        tables.person.c.identifier_type.is_not_distinct_from(bindparam("identifier_type")),
        tables.person.c.identifier == bindparam("identifier"),
    )
)
_ORGANISATION = Query(select(tables.organisation.c.id).where(tables.organisation.c.id == bindparam("id")))
_INSERT_PERSON = Query(
    insert_or_leave(tables.person).on_conflict_do_nothing(
        index_elements=["organisation_id", "identifier_type", "identifier"]
    )
)
"""Leaves a person whom someone else has invited meanwhile: a refusal would stand in PostgreSQL's own log,
identifier and all. The invitation then names nobody; that is refused instead, and the plan begins anew."""
_INSERT = Query(insert(tables.invitation))
_MADE = Query(
    select(
        tables.invitation.c.person_id, tables.invitation.c.expires_at, tables.invitation.c.code_digest
    ).where(
        tables.invitation.c.organisation_id == bindparam("organisation"),
        tables.invitation.c.id == bindparam("invitation"),
    )
)
_BY_KEY = Query(
    select(
        tables.invitation.c.id,
        tables.invitation.c.person_id,
        tables.invitation.c.expires_at,
        tables.invitation.c.code_digest,
    ).where(
        tables.invitation.c.organisation_id == bindparam("organisation"),
        tables.invitation.c.idempotency_key == bindparam("key"),
    )
)
_OWN = Query(
    select(
        tables.invitation.c.person_id,
        tables.invitation.c.expires_at,
        tables.invitation.c.revoked_at,
        tables.session.c.status,
    )
    .outerjoin(tables.session, tables.session.c.invitation_id == tables.invitation.c.id)
    .where(
        tables.invitation.c.id == bindparam("invitation"),
        tables.invitation.c.organisation_id == bindparam("organisation"),
    )
)
_CANCEL = Query(
    update(tables.invitation)
    .where(tables.invitation.c.id == bindparam("invitation"))
    .values(revoked_at=bindparam("at"))
)
_RENEW = Query(
    update(tables.invitation)
    .where(tables.invitation.c.id == bindparam("invitation"))
    .values(code_digest=bindparam("code"))
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation and the sitting that came of it."""

    id: str
    organisation_id: str
    person_id: str
    test_id: str
    extra_time_percent: int
    need: str | None = field(repr=False)
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


@dataclass(frozen=True, slots=True)
class Invitee:
    """Someone to invite.

    Attributes
    ----------
    code
        A new one, of `api.ids.new_code`.
    need
        What leaves the person the items that suit it, one of the test's ``accommodation.needs``.
    invitation
        What the invitation will be called.
    key
        What a repeated request is known by.
    """

    person: Person
    code: str
    extra_time_percent: int = 0
    need: str | None = field(default=None, repr=False)
    invitation: str = field(default_factory=new_id)
    key: str | None = None


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
    need: str | None = None,
) -> Plan[Invited]:
    """Plan: invite a person to the newest version of a test.

    A person whom the organisation has named by the same identifier before is the same person.

    Raises
    ------
    Problem
        ``not_found`` when there is no such test, ``conflict`` when it is not offered for `need`.
    """
    invitee = Invitee(person, code, extra_time_percent, need)
    test = yield from _test_for(test_code, [invitee])
    return (yield from _invite(organisation, invitee, test, lifetime))


def invite_all(
    organisation: str, test_code: str, people: Sequence[Invitee], lifetime: int
) -> Plan[list[Invited]]:
    """Plan: invite several people to the newest version of a test, all or none.

    Raises
    ------
    Problem
        ``not_found`` when there is no such organisation or test, ``conflict`` when the test is not offered
        for somebody's need, ``malformed`` for a person named twice.
    """
    (known,) = yield [_ORGANISATION(id=organisation)]
    if not known:
        raise Problem(
            "not_found", f"There is no organisation '{organisation}'; 'acquis client add' makes one."
        )
    test = yield from _test_for(test_code, people)
    named = [(one.person.identifier_type, one.person.identifier) for one in people if one.person.identifier]
    for name in named:
        if named.count(name) > 1:
            raise Problem("malformed", f"The list names '{name[1]}' twice; name each person once.")
    invited: list[Invited] = []
    writes: list[Call] = []
    for one in people:
        commit = yield from _invite(organisation, one, test, lifetime)
        invited.append(commit.value)
        writes += commit.writes
    return Commit(invited, writes)


def invite_once(
    organisation: str, test_code: str, people: Sequence[Invitee], lifetime: int
) -> Plan[list[Invited]]:
    """Plan: invite several people, all or none; where that was done before, say the same again.

    Identifiers and codes that follow from what was asked make asking again harmless: a page sent twice
    invites once. The code of an invitation that was given another one since is empty.

    Raises
    ------
    Problem
        As `invite_all`.
    """
    known = yield [_MADE(organisation=organisation, invitation=one.invitation) for one in people]
    if not all(known):
        return (yield from invite_all(organisation, test_code, people, lifetime))
    made = []
    for one, ((person_id, expires_at, code),) in zip(people, known, strict=True):
        same = code == digest(one.code)
        made.append(Invited(one.invitation, person_id, one.code if same else "", expires_at))
    return Commit(made)


def invite_again(organisation: str, test_code: str, invitee: Invitee, lifetime: int) -> Plan[Invited]:
    """Plan: invite a person; where that was done under the same key, say the same again.

    The invitation's identifier and code follow from key and request (`api.ids.derived`): all of the
    identifier but the moment tells whether it was this request, and the code is not stored to be said twice.

    Raises
    ------
    Problem
        As `invite`; ``key_reused`` when the key was used for another request, ``conflict`` when the
        invitation was given another code since.
    """
    (known,) = yield [_BY_KEY(organisation=organisation, key=invitee.key)]
    if not known:
        test = yield from _test_for(test_code, [invitee])
        return (yield from _invite(organisation, invitee, test, lifetime))
    id, person_id, expires_at, code = known[0]
    if id[MOMENT:] != invitee.invitation[MOMENT:]:
        raise Problem("key_reused", "Use a new idempotency key for another invitation.")
    if code != digest(invitee.code):
        raise Problem("conflict", "The invitation was given another code since; this one opens nothing.")
    return Commit(Invited(id, person_id, invitee.code, expires_at))


def _own(
    organisation: str, invitation: str
) -> Generator[Sequence[Call], list[Rows], tuple[str, int, str, int]]:
    rows, time = yield [_OWN(organisation=organisation, invitation=invitation), NOW()]
    if not rows:
        raise Problem("not_found", "There is no such invitation.")
    person_id, expires_at, revoked_at, status = rows[0]
    if revoked_at is not None:
        raise Problem("conflict", "The invitation is cancelled already.")
    return person_id, expires_at, status or "", time[0][0]


def cancel(organisation: str, invitation: str) -> Plan[None]:
    """Plan: withdraw an invitation that nobody has used.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` when the sitting has begun, or the invitation is withdrawn already.
    """
    _, _, status, now = yield from _own(organisation, invitation)
    if status:
        raise Problem("conflict", "The sitting has begun; a supervisor can end it.")
    return Commit(None, [_CANCEL(invitation=invitation, at=now)])


def renew(organisation: str, invitation: str, code: str) -> Plan[Invited]:
    """Plan: give an invitation another code, for one that was lost; the former one opens nothing any more.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` when the invitation is withdrawn, or has expired unused.
    """
    person_id, expires_at, status, now = yield from _own(organisation, invitation)
    if not status and now >= expires_at:
        raise Problem("conflict", "The invitation has expired; invite the person again.")
    return Commit(
        Invited(invitation, person_id, code, expires_at), [_RENEW(invitation=invitation, code=digest(code))]
    )


def _test_for(code: str, people: Sequence[Invitee]) -> Generator[Sequence[Call], list[Rows], str]:
    """Return the newest version of a test that is offered for all that people need, from inside a plan."""
    test = (yield from latest(code)).value
    if test is None:
        raise Problem("not_found", f"There is no test with the code '{code}'.")
    needs = {one.need for one in people if one.need is not None}
    if needs:
        offered = (yield from offered_for(test)).value
        if not needs <= set(offered):
            listed = ", ".join(f"'{need}'" for need in offered) or "none, for its design has none"
            raise Problem(
                "conflict",
                f"Expected a need that the test '{code}' is offered for ({listed}), got another; "
                "write one of them as it stands, or leave the need out.",
            )
    return test


def _invite(organisation: str, invitee: Invitee, test: str, lifetime: int) -> Plan[Invited]:
    person = invitee.person
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
    writes.append(
        _INSERT(
            id=invitee.invitation,
            organisation_id=organisation,
            person_id=person_id,
            test_id=test,
            code_digest=digest(invitee.code),
            extra_time_percent=invitee.extra_time_percent,
            created_at=now,
            expires_at=now + lifetime,
            revoked_at=None,
            need=invitee.need,
            idempotency_key=invitee.key,
        )
    )
    return Commit(Invited(invitee.invitation, person_id, invitee.code, now + lifetime), writes)


async def invite_passer_by(runtime: Runtime) -> str:
    """Return a code for someone of whom nothing is known, to the demonstration test."""
    code = new_code()
    await runtime.write(invite, ORGANISATION, Person(new_id()), demonstration.CODE, code, 86_400 * SECOND)
    return code
