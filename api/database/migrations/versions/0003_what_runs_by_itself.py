"""What runs by itself: exposure counts, deliveries, rescoring"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.create_index(op.f('session_test_id_idx'), 'session', ['test_id'])
    op.create_table('exposure_snapshot',
    sa.Column('test_id', sa.Text(), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('exposure_snapshot_test_id_fk')),
    sa.PrimaryKeyConstraint('test_id', 'number', name=op.f('exposure_snapshot_pk'))
    )
    op.create_index(op.f('exposure_snapshot_digest_idx'), 'exposure_snapshot', ['digest'])
    op.create_table('exposure_usage',
    sa.Column('session_id', sa.Text(), nullable=False),
    sa.Column('test_id', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['session.id'], name=op.f('exposure_usage_session_id_fk')),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('exposure_usage_test_id_fk')),
    sa.PrimaryKeyConstraint('session_id', name=op.f('exposure_usage_pk'))
    )
    op.create_index(op.f('exposure_usage_test_id_idx'), 'exposure_usage', ['test_id'])
    op.create_table('lease',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('term', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('holder', sa.Text(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', 'term', name=op.f('lease_pk'))
    )
    op.create_table('webhook',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('disabled_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('webhook_organisation_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('webhook_pk'))
    )
    op.create_index(op.f('webhook_organisation_id_idx'), 'webhook', ['organisation_id'])
    op.create_table('delivery',
    sa.Column('outbox_id', sa.Text(), nullable=False),
    sa.Column('webhook_id', sa.Text(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=True),
    sa.Column('delivered_at', sa.BigInteger(), nullable=True),
    sa.Column('dead_at', sa.BigInteger(), nullable=True),
    sa.Column('told', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['outbox_id'], ['outbox.id'], name=op.f('delivery_outbox_id_fk')),
    sa.ForeignKeyConstraint(['webhook_id'], ['webhook.id'], name=op.f('delivery_webhook_id_fk')),
    sa.PrimaryKeyConstraint('outbox_id', 'webhook_id', name=op.f('delivery_pk'))
    )
    op.create_index('delivery_next_idx', 'delivery', ['next_at'],
        sqlite_where=sa.text('next_at IS NOT NULL'), postgresql_where=sa.text('next_at IS NOT NULL'))
    op.create_table('neutralisation',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('test_code', sa.Text(), nullable=False),
    sa.Column('item', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('approved_by', sa.Text(), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.Column('done_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('neutralisation_pk')),
    sa.UniqueConstraint('test_code', 'item', name=op.f('neutralisation_test_code_item_key'))
    )
    op.create_table('rescored',
    sa.Column('neutralisation_id', sa.Text(), nullable=False),
    sa.Column('session_id', sa.Text(), nullable=False),
    sa.Column('changed', sa.SmallInteger(), nullable=False),
    sa.ForeignKeyConstraint(['neutralisation_id'], ['neutralisation.id'], name=op.f('rescored_neutralisation_id_fk')),
    sa.ForeignKeyConstraint(['session_id'], ['session.id'], name=op.f('rescored_session_id_fk')),
    sa.PrimaryKeyConstraint('neutralisation_id', 'session_id', name=op.f('rescored_pk'))
    )


def downgrade() -> None:
    for table in ('rescored', 'neutralisation', 'delivery', 'webhook', 'lease', 'exposure_usage', 'exposure_snapshot'):
        op.drop_table(table)
    op.drop_index(op.f('session_test_id_idx'), 'session')
