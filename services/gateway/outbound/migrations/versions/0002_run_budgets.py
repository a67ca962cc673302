"""Call budgets of runs.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table in which bridge processes reserve calls."""
    op.execute("""
        CREATE TABLE run_budgets (
            run_id text PRIMARY KEY,
            org_id text NOT NULL,
            team_id text NOT NULL,
            reserved_calls bigint NOT NULL CHECK (reserved_calls >= 0),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX run_budgets_updated_at ON run_budgets (updated_at)")
