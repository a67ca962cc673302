"""All tables.

Revision ID: 0001
"""

from alembic import op

from pgstore.outbox import OUTBOX_DDL

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SUITES = """
CREATE TABLE suites (
    suite_id text PRIMARY KEY,
    org_id text NOT NULL,
    team_id text NOT NULL,
    name text NOT NULL,
    description text,
    active_version integer NOT NULL,
    latest_version integer NOT NULL,
    metadata json NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CHECK (1 <= active_version AND active_version <= latest_version)
)
"""
SUITES_BY_TEAM = """
CREATE INDEX suites_by_team ON suites (org_id, team_id, created_at DESC, suite_id DESC)
WHERE deleted_at IS NULL
"""
SUITE_VERSIONS = """
CREATE TABLE suite_versions (
    suite_version_id text PRIMARY KEY,
    suite_id text NOT NULL REFERENCES suites,
    version integer NOT NULL CHECK (version >= 1),
    manifest text NOT NULL,
    task_ids text[] NOT NULL,
    dataset_file_ids text[] NOT NULL,
    metadata json NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (suite_id, version)
)
"""
RUNS = """
CREATE TABLE runs (
    run_id text PRIMARY KEY,
    org_id text NOT NULL,
    team_id text NOT NULL,
    on_behalf_of text NOT NULL,
    suite_id text NOT NULL REFERENCES suites,
    suite_version integer NOT NULL,
    suite_version_id text NOT NULL REFERENCES suite_versions,
    state text NOT NULL CHECK (state IN (
        'queued', 'in_progress', 'finalizing', 'completed', 'failed', 'cancelling', 'cancelled')),
    models text[] NOT NULL CHECK (cardinality(models) BETWEEN 1 AND 20),
    task_ids text[],
    judge_model text,
    embedding_model text,
    generation text NOT NULL,
    generation_concurrency integer NOT NULL CHECK (generation_concurrency BETWEEN 1 AND 1000),
    grader_concurrency integer NOT NULL CHECK (grader_concurrency BETWEEN 1 AND 1000),
    max_samples_per_task integer CHECK (max_samples_per_task >= 1),
    metadata json NOT NULL,
    run_token text NOT NULL,
    total integer NOT NULL DEFAULT 0,
    completed integer,
    failed integer,
    metrics text,
    error_code text,
    error_message text,
    error_stage text,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    reasoning_tokens bigint,
    tokens_estimated boolean NOT NULL DEFAULT false,
    result_file_id text,
    samples_file_id text,
    edition integer NOT NULL DEFAULT 0,
    finish_at timestamptz,
    prepared_at timestamptz,
    epoch bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    dispatched_at timestamptz NOT NULL,
    dispatches integer NOT NULL DEFAULT 1,
    mishaps integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    deleted_at timestamptz,
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CHECK (total >= coalesce(completed, 0) + coalesce(failed, 0))
)
"""
RUNS_BY_TEAM = """
CREATE INDEX runs_by_team ON runs (org_id, team_id, created_at DESC, run_id DESC)
WHERE deleted_at IS NULL
"""
RUNS_BY_SUITE = """
CREATE INDEX runs_by_suite ON runs (suite_id, created_at DESC, run_id DESC)
WHERE deleted_at IS NULL
"""
# What the sweeper looks through; a few rows, however many runs have ended.
RUNS_UNFINISHED = """
CREATE INDEX runs_unfinished ON runs (dispatched_at)
WHERE state IN ('queued', 'in_progress', 'finalizing', 'cancelling')
"""
RUN_TASKS = """
CREATE TABLE run_tasks (
    run_id text NOT NULL,
    task_ord smallint NOT NULL,
    task_id text NOT NULL,
    grader text NOT NULL,
    extraction text NOT NULL,
    aggregate boolean NOT NULL,
    item_count integer CHECK (item_count >= 1),
    PRIMARY KEY (run_id, task_ord),
    UNIQUE (run_id, task_id)
)
"""
# No foreign keys on the tables that grow with the samples: each would be checked for every row.
ITEMS = """
CREATE TABLE items (
    run_id text NOT NULL,
    task_ord smallint NOT NULL,
    sample_index integer NOT NULL CHECK (sample_index >= 0),
    dataset_row text NOT NULL,
    prompt text NOT NULL,
    target text,
    choices text,
    error_code text,
    error_message text,
    PRIMARY KEY (run_id, task_ord, sample_index)
)
"""
# A sample is updated four times in its life; with room on its page no index has to know of it.
SAMPLES = """
CREATE TABLE samples (
    run_id text NOT NULL,
    task_ord smallint NOT NULL,
    model_ord smallint NOT NULL,
    sample_index integer NOT NULL,
    sample_key uuid NOT NULL,
    state text NOT NULL CHECK (state IN (
        'queued', 'generating', 'ready_to_score', 'scoring', 'completed', 'failed')),
    response_id text,
    output_text text,
    reasoning text,
    extracted_output text,
    scores jsonb,
    judge text,
    error_code text,
    error_message text,
    error_stage text,
    error_details text,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    reasoning_tokens bigint,
    tokens_estimated boolean NOT NULL DEFAULT false,
    generation_started_at timestamptz,
    generation_ended_at timestamptz,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (run_id, task_ord, model_ord, sample_index),
    UNIQUE (sample_key),
    CHECK ((state IN ('completed', 'failed')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'completed') <= (scores IS NOT NULL)),
    CHECK ((state = 'failed') <= (error_code IS NOT NULL))
) WITH (fillfactor = 60)
"""
SHARDS = """
CREATE TABLE shards (
    run_id text NOT NULL,
    shard_no integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('per_sample', 'generate', 'aggregate')),
    state text NOT NULL CHECK (state IN ('blocked', 'waiting', 'dispatched', 'leased', 'done')),
    task_ord smallint NOT NULL,
    model_ord smallint NOT NULL,
    from_index integer NOT NULL,
    to_index integer NOT NULL CHECK (to_index > from_index),
    generation_share integer NOT NULL DEFAULT 0,
    grader_share integer NOT NULL DEFAULT 0,
    completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    dispatched_at timestamptz,
    dispatches integer NOT NULL DEFAULT 0,
    mishaps integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, shard_no),
    CHECK (state NOT IN ('dispatched', 'leased') OR (generation_share >= 1 AND grader_share >= 1)),
    CHECK ((state = 'leased') <= (lease_until IS NOT NULL)),
    CHECK ((state = 'dispatched') <= (dispatched_at IS NOT NULL))
) WITH (fillfactor = 50)
"""
SHARDS_OPEN = """
CREATE INDEX shards_open ON shards (run_id, shard_no) WHERE state IN ('dispatched', 'leased')
"""
AGGREGATES = """
CREATE TABLE aggregates (
    run_id text NOT NULL,
    task_ord smallint NOT NULL,
    model_ord smallint NOT NULL,
    metrics text NOT NULL,
    PRIMARY KEY (run_id, task_ord, model_ord)
)
"""

STATEMENTS = (
    *(SUITES, SUITES_BY_TEAM, SUITE_VERSIONS),
    *(RUNS, RUNS_BY_TEAM, RUNS_BY_SUITE, RUNS_UNFINISHED, RUN_TASKS),
    *(ITEMS, SAMPLES, SHARDS, SHARDS_OPEN, AGGREGATES, OUTBOX_DDL),
)


def upgrade() -> None:
    """Create everything."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
