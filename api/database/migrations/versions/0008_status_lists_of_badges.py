"""Where badges stand in the public status lists"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    op.create_table('status_entry',
    sa.Column('list', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('result_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['result_id'], ['result.id'], name=op.f('status_entry_result_id_fk')),
    sa.PrimaryKeyConstraint('list', 'position', name=op.f('status_entry_pk')),
    sa.UniqueConstraint('result_id', name=op.f('status_entry_result_id_key'))
    )


def downgrade() -> None:
    op.drop_table('status_entry')
