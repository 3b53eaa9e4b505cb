"""Invitations that are asked for again under the same key"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'


def upgrade() -> None:
    op.add_column('invitation', sa.Column('idempotency_key', sa.Text(), nullable=True))
    op.create_index('invitation_idempotency_key', 'invitation', ['organisation_id', 'idempotency_key'], unique=True, sqlite_where=sa.text('idempotency_key IS NOT NULL'), postgresql_where=sa.text('idempotency_key IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('invitation_idempotency_key', table_name='invitation', sqlite_where=sa.text('idempotency_key IS NOT NULL'), postgresql_where=sa.text('idempotency_key IS NOT NULL'))
    op.drop_column('invitation', 'idempotency_key')
