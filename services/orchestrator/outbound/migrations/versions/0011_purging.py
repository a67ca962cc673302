"""Runs that were deleted long ago are found without looking at the others.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RUNS_DELETED = "CREATE INDEX runs_deleted ON runs (deleted_at) WHERE deleted_at IS NOT NULL"


def upgrade() -> None:
    """Create the index."""
    op.execute(RUNS_DELETED)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
