"""What can be done with a sitting, each in one transaction. Pages and JSON endpoints both call this.

The order of things in every function: read the log, decide, append events, draw and store what comes
next, commit, and only then answer. Nothing here trusts the browser with more than a secret, a handle
and an idempotency key.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select

from api.accounts.invitations import Invitation, invitation_by_code
from api.catalogue.live import LiveTest
from api.catalogue.store import BLOB, with_test
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.ids import digest, new_id, new_secret
from api.keys.store import BELIEVED, believed
from api.problems import Problem
from api.results.credential import stored
from api.sittings.access import Token, authenticate, reading_secret
from api.sittings.conditions import begin
from api.sittings.fold import AWAITING, FINISHED, INTERRUPTED, ITEM, Sitting
from api.sittings.responses import category, checked
from api.sittings.shown import picture
from api.sittings.timing import SECOND
from api.sittings.turn import CONFIRM, Steps, Turn, before, matches, remembered, request_digest, turn
from api.sittings.view import Entry, InvitationCard, ResultView, TestCard, View, view

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "answer",
    "current",
    "enter",
    "interrupt",
    "invitation",
    "media",
    "result",
    "resume",
    "walk_in",
]

_INSERT_SESSION = Query(insert(tables.session))
_RESULT = Query(
    select(
        tables.result.c.id,
        tables.result.c.version,
        tables.result.c.status,
        tables.result.c.document,
        tables.result.c.jws,
    ).where(tables.result.c.session_id == bindparam("session_id"), tables.result.c.current == 1)
)

MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class _Done:
    """A committed turn: the sitting to keep, and what to answer."""

    test: LiveTest
    sitting: Sitting
    view: View


async def invitation(runtime: Runtime, code: str) -> InvitationCard:
    """Return what an invitation is for. It changes nothing: mail scanners open links, too.

    Raises
    ------
    Problem
        ``code_unknown``, ``code_expired``.
    """
    return await runtime.read(_card, runtime, code)


def _card(runtime: Runtime, code: str) -> Plan[InvitationCard]:
    found, now = yield from invitation_by_code(code)
    now += runtime.skew
    test = yield from with_test(runtime.tests, found.test_id)
    state = "new"
    if found.session_id is not None:
        state = "finished" if found.session_status == FINISHED else "begun"
    elif not found.usable(now):
        raise Problem("code_expired", "Ask whoever invited you for a new invitation.")
    card = TestCard.of(test, found.need)
    limit = test.rules.with_extra(found.extra_time_percent).limit
    seconds = None if limit is None else limit // SECOND
    return Commit(InvitationCard(card, state, found.expires_at, found.extra_time_percent, seconds))


async def enter(runtime: Runtime, code: str, language: str = "") -> Entry:
    """Begin the sitting of an invitation, or go on with it in this browser.

    A sitting has one active browser: entering again revokes the one before, in the same transaction that
    says so in the log. A finished sitting is opened for reading, and so is one that waits for a decision: it
    goes on in the first of its browsers that resumes once time was given.

    Raises
    ------
    Problem
        ``code_unknown``, ``code_expired``, ``test_closed``.
    """
    secret = new_secret()
    done, active = await runtime.write(_enter, runtime, code, language, secret)
    runtime.sittings.keep(done.sitting)
    if not active:
        secret = reading_secret(runtime, done.sitting.id, secret)
    return Entry(f"{done.sitting.id}.{secret}", done.view)


def _enter(runtime: Runtime, code: str, language: str, secret: str) -> Plan[tuple[_Done, bool]]:
    found, now = yield from invitation_by_code(code)
    runtime.clock.heard(now)
    if found.session_id is not None:
        now_turn = yield from turn(runtime, found.session_id)
        active = yield from _take_over(now_turn, digest(secret))
        return _done(now_turn, active)
    now += runtime.skew
    if not found.usable(now):
        raise Problem("code_expired", "Ask whoever invited you for a new invitation.")
    test = yield from with_test(runtime.tests, found.test_id)
    new = Turn(runtime, test, None, now, new_id())
    yield from begin(new, _started(test, found, language, digest(secret)))
    yield from new.serve()
    session = _INSERT_SESSION(
        id=new.sitting.id,
        organisation_id=found.organisation_id,
        invitation_id=found.id,
        person_id=found.person_id,
        section_id=None,
        test_id=test.id,
        status=new.sitting.phase,
        started_at=now,
        changed_at=now,
        due_at=new.due(),
    )
    return Commit((_Done(test, new.sitting, _seen(new)), True), [session, *new.writes()])


def _started(test: LiveTest, found: Invitation, language: str, device: str) -> dict[str, Any]:
    started: dict[str, Any] = {
        "test": test.id,
        "content": test.content_hash,
        "seed": secrets.token_hex(16),
        "language": language if language in test.languages else test.languages[0],
        "device": device,
        "time": test.rules.with_extra(found.extra_time_percent).data(),
        "extra_time_percent": found.extra_time_percent,
    }
    if found.need is not None:
        started["need"] = found.need
    return started


def _take_over(now_turn: Turn, device: str) -> Generator[Any, Any, bool]:
    """Make `device` the active one; False where the sitting can only be read."""
    yield from _settle(now_turn)
    if now_turn.sitting.phase in (FINISHED, AWAITING):
        return False
    return (yield from _go_on(now_turn, device, taken_over=True))


def _go_on(now_turn: Turn, device: str, taken_over: bool) -> Generator[Any, Any, bool]:
    """Resume: give time back, or refer to a person where the rules give too little."""
    sitting, now = now_turn.sitting, now_turn.now
    since = sitting.silent_since(now)
    if sitting.phase == ITEM and not taken_over and since is None:
        return True
    if since is not None:
        now_turn.add("interrupted", {"reason": "silence", "since": since})
        sitting = now_turn.sitting
    returned = 0
    if sitting.phase == INTERRUPTED and sitting.clock.rules.limit is not None:
        returned = sitting.clock.returned(sitting.interrupted_at, now, sitting.granted)
        gap = now - sitting.interrupted_at
        decided = sitting.granted is not None
        if not decided and returned < gap and sitting.clock.after(returned, decided).up(now):
            now_turn.add("referred", {"gap": gap, "given_back": returned})
            return False
    now_turn.add("resumed", {"device": device, "given_back": returned, "taken_over": taken_over})
    if now_turn.sitting.clock.too_late(now):
        yield from time_out(now_turn)
    return now_turn.sitting.phase == ITEM


def _seen(now_turn: Turn, language: str = "") -> View:
    return view(now_turn.runtime.secret, now_turn.test, now_turn.sitting, now_turn.now, language)


def _done(now_turn: Turn, also: Any = None) -> Commit[Any]:
    done = _Done(now_turn.test, now_turn.sitting, _seen(now_turn))
    return Commit(done if also is None else (done, also), now_turn.writes())


def _turn_of(runtime: Runtime, token: Token) -> Steps:
    """Return a turn of the sitting that a secret names; one that names none is not valid."""
    try:
        return (yield from turn(runtime, token.session))
    except Problem as problem:
        raise Problem("unauthenticated", "Enter with the code of the invitation.") from problem


def _settle(now_turn: Turn) -> Generator[Any, Any, None]:
    """End a sitting whose time is up."""
    if _due(now_turn):
        yield from time_out(now_turn)


def _due(now_turn: Turn) -> bool:
    """Whether the time is up; after a long silence resuming decides: the candidate may have been cut off."""
    sitting, now = now_turn.sitting, now_turn.now
    return sitting.phase == ITEM and sitting.clock.too_late(now) and sitting.silent_since(now) is None


def time_out(now_turn: Turn, key: str | None = None, request: str | None = None) -> Generator[Any, Any, None]:
    pending = now_turn.sitting.pending
    if pending is not None:
        data: dict[str, Any] = {"position": pending.position, "response": None, "category": "timed_out"}
        if key is not None:
            data |= {"key": key, "request": request}
        now_turn.add("answered", data)
    yield from now_turn.finish("time")


async def current(runtime: Runtime, token: str, language: str = "") -> View:
    """Return where the sitting stands: the pending item again, however often it is asked for.

    `language` shows the item in another language than the sitting was begun in.

    Raises
    ------
    Problem
        ``unauthenticated``, ``taken_over``.
    """
    parsed = Token.parse(token)
    done, due = await runtime.read(_look, runtime, parsed, language)
    if due:
        done = await runtime.write(_end_due, runtime, parsed)
    runtime.sittings.keep(done.sitting)
    return done.view


def _look(runtime: Runtime, token: Token, language: str) -> Plan[tuple[_Done, bool]]:
    now_turn = yield from _turn_of(runtime, token)
    sitting = now_turn.sitting
    authenticate(runtime, sitting, token)
    return Commit((_Done(now_turn.test, sitting, _seen(now_turn, language)), _due(now_turn)))


def _end_due(runtime: Runtime, token: Token) -> Plan[_Done]:
    now_turn = yield from _turn_of(runtime, token)
    authenticate(runtime, now_turn.sitting, token)
    yield from _settle(now_turn)
    return _done(now_turn)


async def answer(
    runtime: Runtime,
    token: str,
    *,
    handle: str,
    response: Mapping[str, Sequence[str]],
    key: str,
    expected_seq: int | None = None,
    language: str = "",
) -> View:
    """Record the response to the pending item and return what comes next.

    An empty response says that the candidate skips the item. The same `key` with the same request gives
    the same reply again, for ever; with another request it is refused.

    Parameters
    ----------
    handle
        Of the item as it was shown.
    response
        Response identifier -> values, in QTI's value syntax.
    key
        The request's idempotency key.
    expected_seq
        ``View.seq`` of the page; refuses to act when the sitting has moved on.
    language
        In which the item was shown; by default the one the sitting was begun in.

    Raises
    ------
    Problem
        ``key_reused``, ``stale``, ``already_answered``, ``invalid_response``, ``interrupted``,
        ``awaiting_decision``, ``finished``, ``taken_over``, ``unauthenticated``.
    """
    parsed = Token.parse(token)
    clean = checked(response)
    if not key or len(key) > MAX_KEY_LENGTH:
        raise Problem("malformed", f"Send an idempotency key of 1 to {MAX_KEY_LENGTH} characters.")
    request = (runtime, parsed, handle, clean, key, expected_seq, language)
    done = await runtime.attempt(_answer, *request, reading=False)
    if done is None:
        done = await runtime.write(_answer, *request, reading=True)
    runtime.sittings.keep(done.sitting)
    return done.view


def _answer(
    runtime: Runtime,
    token: Token,
    handle: str,
    response: dict[str, list[str]],
    key: str,
    expected_seq: int | None,
    language: str,
    reading: bool,
) -> Plan[_Done]:
    """The usual answer costs one round trip: it stands on what this worker remembers, and its write asks
    whether that holds. Whatever is unusual is decided on what the database says."""
    now_turn = None if reading else remembered(runtime, token.session, handle, key)
    if now_turn is None:
        now_turn = yield from _turn_of(runtime, token)
    test, sitting = now_turn.test, now_turn.sitting
    request = request_digest(handle, json.dumps(response, sort_keys=True))
    authenticate(runtime, sitting, token)
    known = sitting.keys.get(key)
    if known is not None:
        if known.request != request:
            raise Problem("key_reused", "Use a new idempotency key for another answer.")
        then = yield from before(runtime, test, sitting.id, known.first + 1)
        seen = view(runtime.secret, test, then, then.at)
        return Commit(_Done(test, sitting, seen), [CONFIRM(session_id=sitting.id)])
    _refuse_unless_pending(sitting, handle, expected_seq)
    if _due(now_turn):
        yield from time_out(now_turn, key, request)
        return _done(now_turn)
    if sitting.clock.too_late(now_turn.now):
        raise Problem("interrupted", "Resume the sitting, then answer.")
    pending = sitting.pending
    assert pending is not None
    language = language if language in test.languages else sitting.language
    now_turn.add(
        "answered",
        {
            "position": pending.position,
            "response": response,
            "language": language,
            "category": category(test, pending.item, response, language),
            "key": key,
            "request": request,
        },
    )
    yield from now_turn.serve()
    return _done(now_turn)


def _refuse_unless_pending(sitting: Sitting, handle: str, expected_seq: int | None) -> None:
    if sitting.phase == FINISHED:
        raise Problem("finished", "Read the result.")
    if sitting.phase == INTERRUPTED:
        raise Problem("interrupted", "Resume the sitting, then answer.")
    if sitting.phase == AWAITING:
        raise Problem("awaiting_decision", "Whoever invited you has been asked to decide.")
    if sitting.pending is None or handle != sitting.pending.handle:
        if handle in sitting.handles:
            raise Problem("already_answered", "Read the sitting again to see the item that is open.")
        raise Problem("stale", "Read the sitting again to see the item that is open.")
    if expected_seq is not None and expected_seq != sitting.seq:
        raise Problem("stale", "Read the sitting again, then answer.", seq=sitting.seq)


async def interrupt(runtime: Runtime, token: str) -> View:
    """Pause at the candidate's wish; the item stays the same. Pausing twice is pausing once."""
    done = await runtime.write(_interrupt, runtime, Token.parse(token))
    runtime.sittings.keep(done.sitting)
    return done.view


def _interrupt(runtime: Runtime, token: Token) -> Plan[_Done]:
    now_turn = yield from _turn_of(runtime, token)
    authenticate(runtime, now_turn.sitting, token)
    yield from _settle(now_turn)
    if now_turn.sitting.phase == ITEM:
        now_turn.add("interrupted", {"reason": "candidate", "since": now_turn.now})
    return _done(now_turn)


async def resume(runtime: Runtime, token: str) -> View:
    """Go on after an interruption, with the time that the rules give back."""
    done = await runtime.write(_resume, runtime, Token.parse(token))
    runtime.sittings.keep(done.sitting)
    return done.view


def _resume(runtime: Runtime, token: Token) -> Plan[_Done]:
    now_turn = yield from _turn_of(runtime, token)
    authenticate(runtime, now_turn.sitting, token)
    yield from _settle(now_turn)
    if now_turn.sitting.phase in (ITEM, INTERRUPTED):
        device = digest(token.secret)
        yield from _go_on(now_turn, device, taken_over=not matches(device, now_turn.sitting.device))
    return _done(now_turn)


async def media(runtime: Runtime, token: str, handle: str, name: str) -> tuple[bytes, str]:
    """Return a picture of the pending item and its media type.

    Raises
    ------
    Problem
        ``not_found``, and those of `current`.
    """
    return await runtime.read(_media, runtime, Token.parse(token), handle, name)


def _media(runtime: Runtime, token: Token, handle: str, name: str) -> Plan[tuple[bytes, str]]:
    now_turn = yield from _turn_of(runtime, token)
    sitting = now_turn.sitting
    authenticate(runtime, sitting, token)
    pending = sitting.pending
    found = None
    if pending is not None and pending.handle == handle and sitting.phase == ITEM:
        found = picture(now_turn.test, sitting, pending, name)
    if found is None:
        raise Problem("not_found", "The open item has no such picture.")
    (rows,) = yield [BLOB(sha256=found[0])]
    return Commit((bytes(rows[0][1]), found[1]))


async def result(runtime: Runtime, token: str) -> ResultView:
    """Return the result of a finished sitting.

    Raises
    ------
    Problem
        ``not_finished``, and those of `current`.
    """
    return await runtime.read(_result, runtime, Token.parse(token))


def _result(runtime: Runtime, token: Token) -> Plan[ResultView]:
    now_turn = yield from _turn_of(runtime, token)
    authenticate(runtime, now_turn.sitting, token)
    if now_turn.sitting.phase != FINISHED:
        raise Problem("not_finished", "Answer the remaining items first.")
    rows, keys = yield [_RESULT(session_id=now_turn.sitting.id), BELIEVED()]
    if not rows or rows[0][3] is None:
        raise Problem("not_found", "The result was erased.")
    id, version, status, document, jws = rows[0]
    file = stored(document, jws, believed(keys), runtime.keyring)
    return Commit(ResultView(id, version, status, json.loads(document), file))


async def walk_in(runtime: Runtime, language: str = "") -> str:
    """Return the code of a new invitation for a passer-by, where the settings allow it.

    Raises
    ------
    Problem
        ``forbidden``
    """
    from api.accounts.invitations import invite_passer_by

    if not runtime.settings.walk_in:
        raise Problem("forbidden", "This server takes invited candidates alone.")
    return await invite_passer_by(runtime)
