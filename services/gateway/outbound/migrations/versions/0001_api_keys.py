"""API keys.

Revision ID: 0001
Revises: nothing
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of API keys."""
    op.execute("""
        CREATE TABLE api_keys (
            id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
            org_id text NOT NULL CHECK (org_id ~ '^[A-Za-z0-9_-]{1,64}$'),
            team_id text NOT NULL CHECK (team_id ~ '^[A-Za-z0-9_-]{1,64}$'),
            scopes text[] NOT NULL CHECK (
                cardinality(scopes) > 0
                AND scopes <@ ARRAY['read:evals', 'write:evals', 'read:files', 'write:files']
            ),
            seal bytea NOT NULL CHECK (octet_length(seal) = 32),
            created_at timestamptz NOT NULL,
            last_used_at timestamptz,
            revoked_at timestamptz
        )
    """)
