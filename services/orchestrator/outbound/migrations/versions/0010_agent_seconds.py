"""How long the agent itself worked on a trial, read once from the trial's phase timings.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Leaderboards sum it over all trials of a suite; reading it from the JSON each time took most of
# their time.
AGENT_SECONDS = """
ALTER TABLE samples ADD COLUMN agent_s double precision CHECK (agent_s >= 0)
"""


def upgrade() -> None:
    """Add the column; trials of before have no such time."""
    op.execute(AGENT_SECONDS)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
