"""Suites are shared with other organisations, to read.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SUITE_SHARES = """
CREATE TABLE suite_shares (
    share_id text PRIMARY KEY,
    suite_id text NOT NULL REFERENCES suites,
    org_id text NOT NULL CHECK (org_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    granted_by text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (suite_id, org_id)
)
"""
# What an organisation sees of others; the other direction has the unique constraint.
SUITE_SHARES_BY_ORG = "CREATE INDEX suite_shares_by_org ON suite_shares (org_id, suite_id)"


def upgrade() -> None:
    """Create the table."""
    for statement in (SUITE_SHARES, SUITE_SHARES_BY_ORG):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
