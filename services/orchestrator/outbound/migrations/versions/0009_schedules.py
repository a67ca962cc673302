"""Schedules, and the runs that they started.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# `granted` is the gateway's word for whose key pays; `run` is what each run is to be, as it was
# given. `claimed_until` keeps replicas from doing the same work twice; that no fire happens twice
# is held by the row's lock and `next_run_at`.
SCHEDULES = """
CREATE TABLE schedules (
    schedule_id text PRIMARY KEY,
    org_id text NOT NULL,
    team_id text NOT NULL,
    key_id text NOT NULL,
    on_behalf_of text NOT NULL,
    granted text NOT NULL,
    name text NOT NULL,
    description text,
    suite_id text NOT NULL REFERENCES suites,
    suite_version integer CHECK (suite_version >= 1),
    cron text,
    interval_seconds integer CHECK (interval_seconds >= 1),
    timezone text NOT NULL,
    overlap_policy text NOT NULL CHECK (overlap_policy IN ('skip', 'buffer_one', 'allow_all')),
    enabled boolean NOT NULL,
    webhook_url text,
    webhook_secret text,
    run text NOT NULL,
    metadata json NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    counted_from timestamptz NOT NULL,
    next_run_at timestamptz,
    buffered boolean NOT NULL DEFAULT false,
    claimed_until timestamptz,
    last_run_id text,
    last_run_at timestamptz,
    last_error_code text,
    last_error_message text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CHECK ((cron IS NULL) <> (interval_seconds IS NULL)),
    CHECK ((next_run_at IS NOT NULL) <= (enabled AND deleted_at IS NULL)),
    CHECK (buffered <= (enabled AND deleted_at IS NULL AND overlap_policy = 'buffer_one')),
    CHECK ((last_error_code IS NULL) = (last_error_message IS NULL))
)
"""
SCHEDULES_BY_TEAM = """
CREATE INDEX schedules_by_team ON schedules (org_id, team_id, created_at DESC, schedule_id DESC)
WHERE deleted_at IS NULL
"""
SCHEDULES_BY_SUITE = "CREATE INDEX schedules_by_suite ON schedules (suite_id)"
# What the firing loop looks through every second.
SCHEDULES_DUE = (
    "CREATE INDEX schedules_due ON schedules (next_run_at) WHERE next_run_at IS NOT NULL"
)
SCHEDULES_BUFFERED = "CREATE INDEX schedules_buffered ON schedules (schedule_id) WHERE buffered"
RUNS = "ALTER TABLE runs ADD COLUMN schedule_id text REFERENCES schedules"
RUNS_BY_SCHEDULE = """
CREATE INDEX runs_by_schedule ON runs (schedule_id, created_at DESC, run_id DESC)
WHERE schedule_id IS NOT NULL
"""
RUNS_UNFINISHED_BY_SCHEDULE = """
CREATE INDEX runs_unfinished_by_schedule ON runs (schedule_id)
WHERE schedule_id IS NOT NULL AND state IN ('queued', 'in_progress', 'finalizing', 'cancelling')
"""


def upgrade() -> None:
    """Create the table, and the column of runs."""
    for statement in (
        *(SCHEDULES, SCHEDULES_BY_TEAM, SCHEDULES_BY_SUITE, SCHEDULES_DUE, SCHEDULES_BUFFERED),
        *(RUNS, RUNS_BY_SCHEDULE, RUNS_UNFINISHED_BY_SCHEDULE),
    ):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
