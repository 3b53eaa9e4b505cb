"""Invitations for a person with a need"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    op.add_column('invitation', sa.Column('need', sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column('invitation', 'need')
