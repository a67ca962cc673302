"""What webhooks of schedules are still to be told.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; a row is gone when it was delivered or given up."""
    op.execute("""
        CREATE TABLE webhook_deliveries (
            delivery_id text PRIMARY KEY,
            org_id text NOT NULL,
            team_id text NOT NULL,
            schedule_id text NOT NULL,
            run_id text NOT NULL,
            body bytea NOT NULL,
            attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
            next_attempt_at timestamptz NOT NULL,
            claimed_until timestamptz,
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at)")
