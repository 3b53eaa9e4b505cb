"""Staff accounts, their sessions, and the audit log"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    op.create_table('staff',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('login', sa.Text(), nullable=True),
    sa.Column('roles', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=True),
    sa.Column('totp_secret', sa.Text(), nullable=True),
    sa.Column('totp_step', sa.BigInteger(), nullable=True),
    sa.Column('link_digest', sa.Text(), nullable=True),
    sa.Column('link_expires_at', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('removed_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('staff_organisation_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('staff_pk')),
    sa.UniqueConstraint('link_digest', name=op.f('staff_link_digest_key')),
    sa.UniqueConstraint('login', name=op.f('staff_login_key'))
    )
    op.create_index(op.f('staff_organisation_id_idx'), 'staff', ['organisation_id'])
    op.create_table('staff_session',
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('staff_id', sa.Text(), nullable=False),
    sa.Column('waits', sa.SmallInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('seen_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('staff_session_staff_id_fk')),
    sa.PrimaryKeyConstraint('digest', name=op.f('staff_session_pk'))
    )
    op.create_index(op.f('staff_session_staff_id_idx'), 'staff_session', ['staff_id'])
    op.create_table('sign_in_attempt',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('key', 'number', name=op.f('sign_in_attempt_pk'))
    )
    op.create_index(op.f('sign_in_attempt_at_idx'), 'sign_in_attempt', ['at'])
    op.create_table('audit',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('staff_id', sa.Text(), nullable=True),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('audit_organisation_id_fk')),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('audit_staff_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('audit_pk'))
    )
    op.create_index('audit_organisation_id_id_idx', 'audit', ['organisation_id', 'id'])
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


APPEND_ONLY = {
    'sqlite': (
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END",
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END",
    ),
    'postgresql': (
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is only appended to'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ),
}


def downgrade() -> None:
    for table in ('audit', 'sign_in_attempt', 'staff_session', 'staff'):
        op.drop_table(table)
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('DROP FUNCTION audit_refuse()')
