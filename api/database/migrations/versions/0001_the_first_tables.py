"""The first tables"""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.create_table('blob',
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('media_type', sa.Text(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('sha256', name=op.f('blob_pk'))
    )
    op.create_table('feed',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('feed_pk'))
    )
    op.create_table('organisation',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('organisation_pk'))
    )
    op.create_table('outbox',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('topic', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('sent_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('outbox_pk'))
    )
    op.create_index('outbox_waiting_idx', 'outbox', ['id'], unique=False, sqlite_where=sa.text('sent_at IS NULL'), postgresql_where=sa.text('sent_at IS NULL'))
    op.create_table('signing_key',
    sa.Column('kid', sa.Text(), nullable=False),
    sa.Column('jwk', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('retired_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('kid', name=op.f('signing_key_pk'))
    )
    op.create_table('test',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('content_hash', sa.Text(), nullable=False),
    sa.Column('demonstration', sa.SmallInteger(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.Column('published_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('test_pk')),
    sa.UniqueConstraint('code', 'version', name=op.f('test_code_version_key')),
    sa.UniqueConstraint('content_hash', name=op.f('test_content_hash_key'))
    )
    op.create_table('client',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('secret_digest', sa.Text(), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('disabled_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('client_organisation_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('client_pk'))
    )
    op.create_table('person',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('identifier', sa.Text(), nullable=True),
    sa.Column('identifier_type', sa.Text(), nullable=True),
    sa.Column('family_name', sa.Text(), nullable=True),
    sa.Column('given_name', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('erased_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('person_organisation_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('person_pk')),
    sa.UniqueConstraint('organisation_id', 'identifier_type', 'identifier', name=op.f('person_organisation_id_identifier_type_identifier_key'))
    )
    op.create_table('invitation',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('person_id', sa.Text(), nullable=False),
    sa.Column('test_id', sa.Text(), nullable=False),
    sa.Column('code_digest', sa.Text(), nullable=False),
    sa.Column('extra_time_percent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('invitation_organisation_id_fk')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('invitation_person_id_fk')),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('invitation_test_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('invitation_pk')),
    sa.UniqueConstraint('code_digest', name=op.f('invitation_code_digest_key'))
    )
    op.create_index(op.f('invitation_person_id_idx'), 'invitation', ['person_id'], unique=False)
    op.create_table('session',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('invitation_id', sa.Text(), nullable=False),
    sa.Column('person_id', sa.Text(), nullable=False),
    sa.Column('test_id', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('started_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['invitation_id'], ['invitation.id'], name=op.f('session_invitation_id_fk')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('session_organisation_id_fk')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('session_person_id_fk')),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('session_test_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('session_pk')),
    sa.UniqueConstraint('invitation_id', name=op.f('session_invitation_id_key'))
    )
    op.create_index('session_due_idx', 'session', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index(op.f('session_person_id_idx'), 'session', ['person_id'], unique=False)
    op.create_table('event',
    sa.Column('session_id', sa.Text(), nullable=False),
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=True),
    sa.Column('idempotency_key', sa.Text(), nullable=True),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['session.id'], name=op.f('event_session_id_fk')),
    sa.PrimaryKeyConstraint('session_id', 'seq', name=op.f('event_pk'))
    )
    op.create_index('event_answered_key', 'event', ['session_id', 'position'], unique=True, sqlite_where=sa.text("kind = 'answered'"), postgresql_where=sa.text("kind = 'answered'"))
    op.create_index('event_idempotency_key', 'event', ['session_id', 'idempotency_key'], unique=True, sqlite_where=sa.text('idempotency_key IS NOT NULL'), postgresql_where=sa.text('idempotency_key IS NOT NULL'))
    op.create_index('event_served_key', 'event', ['session_id', 'position'], unique=True, sqlite_where=sa.text("kind = 'item_served'"), postgresql_where=sa.text("kind = 'item_served'"))
    op.create_table('result',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('session_id', sa.Text(), nullable=False),
    sa.Column('person_id', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('current', sa.SmallInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('status_at', sa.BigInteger(), nullable=False),
    sa.Column('feed_position', sa.BigInteger(), nullable=False),
    sa.Column('issued_at', sa.BigInteger(), nullable=False),
    sa.Column('document', sa.Text(), nullable=True),
    sa.Column('jws', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('result_organisation_id_fk')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('result_person_id_fk')),
    sa.ForeignKeyConstraint(['session_id'], ['session.id'], name=op.f('result_session_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('result_pk')),
    sa.UniqueConstraint('feed_position', name=op.f('result_feed_position_key')),
    sa.UniqueConstraint('session_id', 'version', name=op.f('result_session_id_version_key'))
    )
    op.create_index('result_current_key', 'result', ['session_id'], unique=True, sqlite_where=sa.text('current = 1'), postgresql_where=sa.text('current = 1'))
    op.create_index('result_organisation_id_feed_position_idx', 'result', ['organisation_id', 'feed_position'], unique=False)
    op.create_index(op.f('result_person_id_idx'), 'result', ['person_id'], unique=False)
    op.execute("INSERT INTO feed (name, position) VALUES ('results', 0)")


def downgrade() -> None:
    op.drop_index(op.f('result_person_id_idx'), table_name='result')
    op.drop_index('result_organisation_id_feed_position_idx', table_name='result')
    op.drop_index('result_current_key', table_name='result', sqlite_where=sa.text('current = 1'), postgresql_where=sa.text('current = 1'))
    op.drop_table('result')
    op.drop_index('event_served_key', table_name='event', sqlite_where=sa.text("kind = 'item_served'"), postgresql_where=sa.text("kind = 'item_served'"))
    op.drop_index('event_idempotency_key', table_name='event', sqlite_where=sa.text('idempotency_key IS NOT NULL'), postgresql_where=sa.text('idempotency_key IS NOT NULL'))
    op.drop_index('event_answered_key', table_name='event', sqlite_where=sa.text("kind = 'answered'"), postgresql_where=sa.text("kind = 'answered'"))
    op.drop_table('event')
    op.drop_index(op.f('session_person_id_idx'), table_name='session')
    op.drop_index('session_due_idx', table_name='session', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.drop_table('session')
    op.drop_index(op.f('invitation_person_id_idx'), table_name='invitation')
    op.drop_table('invitation')
    op.drop_table('person')
    op.drop_table('client')
    op.drop_table('test')
    op.drop_table('signing_key')
    op.drop_index('outbox_waiting_idx', table_name='outbox', sqlite_where=sa.text('sent_at IS NULL'), postgresql_where=sa.text('sent_at IS NULL'))
    op.drop_table('outbox')
    op.drop_table('organisation')
    op.drop_table('feed')
    op.drop_table('blob')
