"""Answers of imports that finished a moment ago."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# `key` is a digest of the team and what it asked for; no token of anybody is in it.
DDL = (
    """
    CREATE TABLE imports (
        key text PRIMARY KEY CHECK (key ~ '^[0-9a-f]{64}$'),
        org_id text NOT NULL CHECK (org_id <> ''),
        team_id text NOT NULL CHECK (team_id <> ''),
        answer bytea NOT NULL,
        finished_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX imports_by_age ON imports (finished_at)",
)


def upgrade() -> None:
    """Make the table."""
    for statement in DDL:
        op.execute(statement)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE imports")
