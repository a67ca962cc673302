"""Runs whose samples need no counting are not looked through again.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The edition of a completed run of which every sample with text was seen to have token figures.
MEASURED_EDITION = "ALTER TABLE runs ADD COLUMN measured_edition integer"


def upgrade() -> None:
    """Add the column; runs of before are looked through once more."""
    op.execute(MEASURED_EDITION)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
