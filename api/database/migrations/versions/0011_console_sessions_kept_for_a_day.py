"""Sessions of the console that their owner asked to keep without activity"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'


def upgrade() -> None:
    op.add_column('staff_session', sa.Column('kept', sa.SmallInteger(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('staff_session', 'kept')
