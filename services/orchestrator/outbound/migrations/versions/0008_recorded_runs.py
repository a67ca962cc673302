"""Runs that happened elsewhere are recorded, with their trials' costs, timings and trajectories.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# origin: `executed` here; `imported` from result files of another harness; `agent`, reported by
# whoever ran the agent. Only executed runs have shards, run tokens and anything to run again.
# cost_usd is what is shown: given_cost_usd if the reporter gave it, else the sum of the samples'.
RUN_COLUMNS = """
ALTER TABLE runs
    ADD COLUMN origin text NOT NULL DEFAULT 'executed'
        CHECK (origin IN ('executed', 'imported', 'agent')),
    ADD COLUMN agent_name text,
    ADD COLUMN agent_version text,
    ADD COLUMN agent_effort text,
    ADD COLUMN cost_usd double precision,
    ADD COLUMN given_cost_usd double precision,
    ADD COLUMN expected_trials integer CHECK (expected_trials >= 0),
    ADD COLUMN idempotency_key text,
    ADD COLUMN request_sha256 text,
    ADD CONSTRAINT runs_agent_named CHECK ((origin = 'agent') = (agent_name IS NOT NULL)),
    ADD CONSTRAINT runs_key_with_digest
        CHECK ((idempotency_key IS NULL) = (request_sha256 IS NULL))
"""
# A deleted run's key may be used again.
RUNS_BY_KEY = """
CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (org_id, team_id, idempotency_key)
WHERE idempotency_key IS NOT NULL AND deleted_at IS NULL
"""
# phase_timings is JSON: phase -> {started_at, finished_at}, as it was reported.
# A recorded sample may have failed without a word about why.
SAMPLE_COLUMNS = """
ALTER TABLE samples
    ADD COLUMN cost_usd double precision,
    ADD COLUMN phase_timings text,
    ADD COLUMN recorded boolean NOT NULL DEFAULT false
"""
FAILED_WITHOUT_ERROR = """
ALTER TABLE samples
    DROP CONSTRAINT samples_check2,
    ADD CONSTRAINT samples_failed_with_error
        CHECK ((state = 'failed') <= (error_code IS NOT NULL OR recorded))
"""
# Here and not in the object store: they are about 90 KiB, go with their run in one transaction,
# and must not share bytes with files, whose owner deletes them. Bytes, because JSON text may hold
# what Postgres' text cannot, and comes back as it was sent.
TRAJECTORIES = """
CREATE TABLE trajectories (
    sample_key uuid PRIMARY KEY,
    run_id text NOT NULL,
    schema_version text NOT NULL,
    step_count integer NOT NULL CHECK (step_count >= 0),
    size_bytes integer NOT NULL CHECK (size_bytes >= 0),
    steps bytea NOT NULL,
    logs bytea,
    stored_at timestamptz NOT NULL
)
"""
TRAJECTORIES_BY_RUN = "CREATE INDEX trajectories_by_run ON trajectories (run_id)"


def upgrade() -> None:
    """Add the columns and the table; rows of before are executed runs."""
    for statement in (
        *(RUN_COLUMNS, RUNS_BY_KEY, SAMPLE_COLUMNS, FAILED_WITHOUT_ERROR),
        *(TRAJECTORIES, TRAJECTORIES_BY_RUN),
    ):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
