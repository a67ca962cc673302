"""What graders asked models.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table in which bridge processes write their sums."""
    op.execute("""
        CREATE TABLE grader_usage (
            usage_id text PRIMARY KEY,
            run_id text NOT NULL,
            model text NOT NULL,
            calls bigint NOT NULL CHECK (calls > 0),
            input_tokens bigint,
            output_tokens bigint,
            cached_tokens bigint,
            reasoning_tokens bigint
        )
    """)
    op.execute("CREATE INDEX grader_usage_run_id ON grader_usage (run_id)")
