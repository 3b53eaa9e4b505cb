"""Results whose sitting was erased; the index of those withdrawn"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    with op.batch_alter_table('result', schema=None) as batch_op:
        batch_op.alter_column('session_id', existing_type=sa.TEXT(), nullable=True)
    op.create_index('result_withdrawn_idx', 'result', ['id'],
        sqlite_where=sa.text("status <> 'valid'"), postgresql_where=sa.text("status <> 'valid'"))


def downgrade() -> None:
    op.drop_index('result_withdrawn_idx', 'result')
    with op.batch_alter_table('result', schema=None) as batch_op:
        batch_op.alter_column('session_id', existing_type=sa.TEXT(), nullable=False)
