"""Rows of hub datasets beside those of files."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the rows of hub datasets in; their source digest names repository, commit and parts."""
    op.execute("ALTER TABLE datasets DROP CONSTRAINT datasets_format_check")
    op.execute(
        "ALTER TABLE datasets ADD CONSTRAINT datasets_format_check"
        " CHECK (format IN ('jsonl', 'csv', 'hub'))"
    )


def downgrade() -> None:
    """Refuse them again."""
    op.execute("DELETE FROM datasets WHERE format = 'hub'")
    op.execute("ALTER TABLE datasets DROP CONSTRAINT datasets_format_check")
    op.execute(
        "ALTER TABLE datasets ADD CONSTRAINT datasets_format_check"
        " CHECK (format IN ('jsonl', 'csv'))"
    )
