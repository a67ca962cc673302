"""Tasks of the type `embedding`: what their vectors are made of, and where they lie.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# `embedding` says where the task's prepared inputs lie; null for every other type. Vectors and
# inputs are kept as long as a rerun or a retry can need them.
RUN_TASKS = """
ALTER TABLE run_tasks
    ADD COLUMN embedding text,
    ADD COLUMN vectors_dropped boolean NOT NULL DEFAULT false
"""
RUN_TASKS_WITH_VECTORS = """
CREATE INDEX run_tasks_with_vectors ON run_tasks (run_id)
WHERE embedding IS NOT NULL AND NOT vectors_dropped
"""
# One answer of the model: the texts at `positions` have vectors in the object, those at `rejected`
# never will.
EMBEDDING_CHUNKS = """
CREATE TABLE embedding_chunks (
    run_id text NOT NULL,
    task_ord smallint NOT NULL,
    model_ord smallint NOT NULL,
    chunk_key uuid NOT NULL,
    part text NOT NULL CHECK (part IN ('samples', 'shared')),
    positions integer[] NOT NULL,
    rejected integer[] NOT NULL,
    dimensions integer NOT NULL,
    input_tokens bigint,
    PRIMARY KEY (run_id, task_ord, model_ord, chunk_key),
    CHECK ((cardinality(positions) > 0) = (dimensions > 0))
)
"""


def upgrade() -> None:
    """Create the table and the columns."""
    for statement in (RUN_TASKS, RUN_TASKS_WITH_VECTORS, EMBEDDING_CHUNKS):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
