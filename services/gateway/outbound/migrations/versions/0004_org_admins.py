"""Keys of organisation admins.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no key that there is becomes an admin's."""
    op.execute("ALTER TABLE api_keys ADD COLUMN is_org_admin boolean NOT NULL DEFAULT false")
