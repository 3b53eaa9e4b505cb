"""Keys that are published before they sign; secrets of webhooks that change"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'


def upgrade() -> None:
    op.add_column('signing_key', sa.Column('signs_from', sa.BigInteger(), server_default='0', nullable=False))
    op.execute('UPDATE signing_key SET signs_from = created_at')
    op.drop_column('signing_key', 'retired_at')
    op.add_column('webhook', sa.Column('former_until', sa.Text(), server_default='[]', nullable=False))


def downgrade() -> None:
    op.drop_column('webhook', 'former_until')
    op.add_column('signing_key', sa.Column('retired_at', sa.BigInteger(), nullable=True))
    op.drop_column('signing_key', 'signs_from')
