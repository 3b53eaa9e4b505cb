"""What is stored. SQLAlchemy Core tables; the migrations make them, a test compares the two.

Only texts, integers and bytes, so that SQLite and PostgreSQL hold and return the same values. A moment is
an integer: microseconds since 1970 in UTC, by the database's clock (``*_at``).

The unique keys are the guards of a sitting: whatever the code above does, two workers cannot both
append event n, serve position p, answer position p, or act twice on one idempotency key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = [
    "REVISION",
    "audit",
    "blob",
    "client",
    "delivery",
    "event",
    "exposure_snapshot",
    "exposure_usage",
    "feed",
    "invitation",
    "lease",
    "metadata",
    "neutralisation",
    "organisation",
    "outbox",
    "person",
    "rescored",
    "result",
    "section",
    "session",
    "sign_in_attempt",
    "signing_key",
    "staff",
    "staff_session",
    "status_entry",
    "test",
    "webhook",
]

REVISION = "0012"
"""The newest migration; a server that finds it in place need not load alembic."""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

organisation = Table(
    "organisation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

client = Table(
    "client",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_digest", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # parted by spaces, as OAuth2 writes them
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("identifier", Text),  # what the organisation calls this person
    Column("identifier_type", Text),  # matricule, rpps, ...
    Column("family_name", Text),
    Column("given_name", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("erased_at", BigInteger),
    UniqueConstraint("organisation_id", "identifier_type", "identifier"),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

test = Table(
    "test",
    metadata,
    Column("id", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content_hash", Text, nullable=False, unique=True),
    Column("demonstration", SmallInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),  # zlib over canonical JSON; never changes
    Column("published_at", BigInteger, nullable=False),
    UniqueConstraint("code", "version"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("person_id", ForeignKey("person.id"), nullable=False, index=True),
    Column("test_id", ForeignKey("test.id"), nullable=False),
    Column("code_digest", Text, nullable=False, unique=True),
    Column("extra_time_percent", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    # Sensitive, and said nowhere else than here and in the first event of the sitting that came of it; both
    # go when the person is erased:
    Column("need", Text),
    Column("idempotency_key", Text),  # a MAC over the program's name and its key
)
Index(
    "invitation_idempotency_key",
    invitation.c.organisation_id,
    invitation.c.idempotency_key,
    unique=True,
    sqlite_where=text("idempotency_key IS NOT NULL"),
    postgresql_where=text("idempotency_key IS NOT NULL"),
)

section = Table(
    "section",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("test_id", ForeignKey("test.id"), nullable=False),
    Column("request", Text, nullable=False),  # as the other test player sent it (1EdTech CAT)
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)

session = Table(
    "session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    # Of an invited candidate:
    Column("invitation_id", ForeignKey("invitation.id"), unique=True),
    Column("person_id", ForeignKey("person.id"), index=True),
    # Of someone whom another test player examines:
    Column("section_id", ForeignKey("section.id"), index=True),
    Column("test_id", ForeignKey("test.id"), nullable=False, index=True),
    Column("status", Text, nullable=False),  # follows the log, for lists; the log decides
    Column("started_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),  # after this it ends by itself; empty without a time limit
)
Index(
    "session_due_idx",
    session.c.due_at,
    sqlite_where=text("due_at IS NOT NULL"),
    postgresql_where=text("due_at IS NOT NULL"),
)

event = Table(
    "event",
    metadata,
    Column("session_id", ForeignKey("session.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("position", Integer),
    Column("idempotency_key", Text),
    Column("body", Text, nullable=False),  # canonical JSON, the very bytes that are hashed
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the event before and of body
)
Index(
    "event_served_key",
    event.c.session_id,
    event.c.position,
    unique=True,
    sqlite_where=text("kind = 'item_served'"),
    postgresql_where=text("kind = 'item_served'"),
)
Index(
    "event_answered_key",
    event.c.session_id,
    event.c.position,
    unique=True,
    sqlite_where=text("kind = 'answered'"),
    postgresql_where=text("kind = 'answered'"),
)
Index(
    "event_idempotency_key",
    event.c.session_id,
    event.c.idempotency_key,
    unique=True,
    sqlite_where=text("idempotency_key IS NOT NULL"),
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index(
    "event_contested_idx",
    event.c.session_id,
    event.c.seq,
    sqlite_where=text("kind IN ('contested', 'reviewed')"),
    postgresql_where=text("kind IN ('contested', 'reviewed')"),
)

feed = Table(
    "feed",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

result = Table(
    "result",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("session_id", ForeignKey("session.id")),  # empty where it was erased with its answers
    Column("person_id", ForeignKey("person.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("current", SmallInteger, nullable=False),
    Column("status", Text, nullable=False),  # valid, superseded, revoked, erased
    Column("status_at", BigInteger, nullable=False),
    Column("feed_position", BigInteger, nullable=False, unique=True),
    Column("issued_at", BigInteger, nullable=False),
    Column("document", Text),  # the signed claims as canonical JSON; empty once erased
    Column("jws", Text),
    UniqueConstraint("session_id", "version"),
    Index("result_organisation_id_feed_position_idx", "organisation_id", "feed_position"),
)
Index(
    "result_current_key",
    result.c.session_id,
    unique=True,
    sqlite_where=text("current = 1"),
    postgresql_where=text("current = 1"),
)
Index(
    "result_withdrawn_idx",
    result.c.id,
    sqlite_where=text("status <> 'valid'"),
    postgresql_where=text("status <> 'valid'"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
)
Index(
    "outbox_waiting_idx",
    outbox.c.id,
    sqlite_where=text("sent_at IS NULL"),
    postgresql_where=text("sent_at IS NULL"),
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("jwk", Text, nullable=False),  # the public half alone
    Column("created_at", BigInteger, nullable=False),
    Column("signs_from", BigInteger, nullable=False, server_default="0"),  # published before
    Column("revoked_at", BigInteger),  # is believed no more
)

exposure_snapshot = Table(
    "exposure_snapshot",
    metadata,
    Column("test_id", ForeignKey("test.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 0: as it was published
    Column("digest", Text, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),  # zlib over JSON; never changes: sittings pin it
    Column("created_at", BigInteger, nullable=False),
)

exposure_usage = Table(  # of sittings that no snapshot counts yet
    "exposure_usage",
    metadata,
    Column("session_id", ForeignKey("session.id"), primary_key=True),
    Column("test_id", ForeignKey("test.id"), nullable=False, index=True),
    Column("body", Text, nullable=False),
)

lease = Table(  # which server does what only one may do; the newest term holds
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("former_until", Text, nullable=False, server_default="[]"),  # moments, of each former secret
)

delivery = Table(
    "delivery",
    metadata,
    Column("outbox_id", ForeignKey("outbox.id"), primary_key=True),
    Column("webhook_id", ForeignKey("webhook.id"), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),  # empty: delivered, or given up
    Column("delivered_at", BigInteger),
    Column("dead_at", BigInteger),
    Column("told", Text, nullable=False),  # what the last attempt met
)
Index(
    "delivery_next_idx",
    delivery.c.next_at,
    sqlite_where=text("next_at IS NOT NULL"),
    postgresql_where=text("next_at IS NOT NULL"),
)

neutralisation = Table(  # an item taken out of everybody's score, by two people
    "neutralisation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("test_code", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # hash of the event in the bank's log
    Column("made_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),  # every sitting has been through it
    UniqueConstraint("test_code", "item"),
)

rescored = Table(  # sittings that a neutralisation has been through
    "rescored",
    metadata,
    Column("neutralisation_id", ForeignKey("neutralisation.id"), primary_key=True),
    Column("session_id", ForeignKey("session.id"), primary_key=True),
    Column("changed", SmallInteger, nullable=False),
)

staff = Table(  # people who work at the console
    "staff",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),  # stays when the account is removed, for the audit log
    Column("login", Text, unique=True),  # an e-mail address; empty once removed
    Column("roles", Text, nullable=False),  # parted by spaces
    Column("password_hash", Text),  # argon2id; empty until it is chosen
    Column("totp_secret", Text),  # sealed by the deployment's secret; empty without a second step
    Column("totp_step", BigInteger),  # the last time step whose code was used
    Column("link_digest", Text, unique=True),  # of the one-time link to choose a password
    Column("link_expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("waits", SmallInteger, nullable=False),  # for the code of the second step
    Column("kept", SmallInteger, nullable=False, server_default="0"),  # even while idle: its owner asked
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

sign_in_attempt = Table(  # the number makes attempts side by side take turns
    "sign_in_attempt",
    metadata,
    Column("key", Text, primary_key=True),  # of an account or an address, readable by the deployment alone
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False, index=True),
)

audit = Table(  # what staff did; triggers refuse every change
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("staff_id", ForeignKey("staff.id")),  # empty: by command line
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),  # an identifier of ours, never a name or an answer
    Index("audit_organisation_id_id_idx", "organisation_id", "id"),
)

status_entry = Table(  # where a badge stands in the public status lists; drawn by chance, kept for ever
    "status_entry",
    metadata,
    Column("list", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("result_id", ForeignKey("result.id"), nullable=False, unique=True),
)
