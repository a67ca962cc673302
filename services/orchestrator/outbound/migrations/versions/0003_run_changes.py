"""Runs are cancelled, put back to work and deleted.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What a rerun replaces; kept as it was, whatever columns samples get later.
SUPERSEDED_SAMPLES = """
CREATE TABLE superseded_samples (
    sample_key uuid NOT NULL,
    edition integer NOT NULL,
    run_id text NOT NULL,
    sample json NOT NULL,
    PRIMARY KEY (sample_key, edition)
)
"""
SUPERSEDED_BY_RUN = "CREATE INDEX superseded_samples_by_run ON superseded_samples (run_id)"
# The importer has the files; they are deleted there after the change that discards them.
DISCARDED_FILES = """
CREATE TABLE discarded_files (
    file_id text PRIMARY KEY,
    org_id text NOT NULL,
    team_id text NOT NULL,
    noted_at timestamptz NOT NULL
)
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in (SUPERSEDED_SAMPLES, SUPERSEDED_BY_RUN, DISCARDED_FILES):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
