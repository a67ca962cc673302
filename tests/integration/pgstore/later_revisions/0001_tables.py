"""One table and the outbox."""

from alembic import op

from pgstore.outbox import OUTBOX_DDL, OUTBOX_PARKING_DDL

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, facts jsonb)")
    op.execute(OUTBOX_DDL)
    op.execute(OUTBOX_PARKING_DDL)
