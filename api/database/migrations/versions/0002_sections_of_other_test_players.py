"""Sections of other test players"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    op.create_table('section',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('organisation_id', sa.Text(), nullable=False),
    sa.Column('test_id', sa.Text(), nullable=False),
    sa.Column('request', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('section_organisation_id_fk')),
    sa.ForeignKeyConstraint(['test_id'], ['test.id'], name=op.f('section_test_id_fk')),
    sa.PrimaryKeyConstraint('id', name=op.f('section_pk'))
    )
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.add_column(sa.Column('section_id', sa.Text(), nullable=True))
        batch_op.alter_column('invitation_id',
               existing_type=sa.TEXT(),
               nullable=True)
        batch_op.alter_column('person_id',
               existing_type=sa.TEXT(),
               nullable=True)
        batch_op.create_index(batch_op.f('session_section_id_idx'), ['section_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('session_section_id_fk'), 'section', ['section_id'], ['id'])


def downgrade() -> None:
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('session_section_id_fk'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('session_section_id_idx'))
        batch_op.alter_column('person_id',
               existing_type=sa.TEXT(),
               nullable=False)
        batch_op.alter_column('invitation_id',
               existing_type=sa.TEXT(),
               nullable=False)
        batch_op.drop_column('section_id')

    op.drop_table('section')
