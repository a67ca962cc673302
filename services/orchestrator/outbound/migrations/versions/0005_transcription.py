"""Tasks whose outputs are transcriptions, and the audio of their items.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# `transcription` is what a speech model is told besides the audio, a JSON object; NULL for a task
# whose models are asked a prompt.
TASKS = "ALTER TABLE run_tasks ADD COLUMN audio_column text, ADD COLUMN transcription text"
# A `data:` URI has megabytes that only the speech model needs: lists and graders read the row.
ITEMS = "ALTER TABLE items ADD COLUMN audio text"


def upgrade() -> None:
    """Add the columns."""
    for statement in (TASKS, ITEMS):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
