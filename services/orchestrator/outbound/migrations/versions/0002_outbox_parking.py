"""Messages that nobody will ever take are parked.

Revision ID: 0002
"""

from alembic import op

from pgstore.outbox import OUTBOX_PARKING_DDL

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns of parking."""
    op.execute(OUTBOX_PARKING_DDL)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
