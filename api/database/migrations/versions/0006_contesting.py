"""The index of contested results"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.create_index('event_contested_idx', 'event', ['session_id', 'seq'],
        sqlite_where=sa.text("kind IN ('contested', 'reviewed')"),
        postgresql_where=sa.text("kind IN ('contested', 'reviewed')"))


def downgrade() -> None:
    op.drop_index('event_contested_idx', 'event')
