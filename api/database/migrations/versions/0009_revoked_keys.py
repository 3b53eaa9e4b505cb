"""Keys that are believed no more"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'


def upgrade() -> None:
    op.add_column('signing_key', sa.Column('revoked_at', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column('signing_key', 'revoked_at')
