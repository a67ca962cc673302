"""Runs that happened elsewhere and were imported.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Which suite an import made, so that the next one of the same name and repository goes on there.
HISTORY_SUITES = """
CREATE TABLE history_suites (
    suite_id text PRIMARY KEY REFERENCES suites,
    org_id text NOT NULL,
    team_id text NOT NULL,
    name text NOT NULL,
    repo text NOT NULL
)
"""
HISTORY_SUITES_BY_NAME = """
CREATE INDEX history_suites_by_name ON history_suites (org_id, team_id, name, repo)
"""
# Which file a run was made of.
HISTORY_RUNS = """
CREATE TABLE history_runs (
    run_id text PRIMARY KEY REFERENCES runs,
    suite_id text NOT NULL REFERENCES suites,
    repo text NOT NULL,
    commit_id text NOT NULL,
    path text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$')
)
"""
HISTORY_RUNS_BY_FILE = "CREATE INDEX history_runs_by_file ON history_runs (suite_id, repo, path)"
# Samples that no run has yet: of an import that is under way, or that died.
HISTORY_STAGES = """
CREATE TABLE history_stages (
    run_id text PRIMARY KEY,
    org_id text NOT NULL,
    team_id text NOT NULL,
    total integer NOT NULL CHECK (total >= 0),
    failed integer NOT NULL CHECK (failed BETWEEN 0 AND total),
    staged_at timestamptz NOT NULL
)
"""
HISTORY_STAGES_BY_AGE = "CREATE INDEX history_stages_by_age ON history_stages (staged_at)"

STATEMENTS = (
    *(HISTORY_SUITES, HISTORY_SUITES_BY_NAME),
    *(HISTORY_RUNS, HISTORY_RUNS_BY_FILE, HISTORY_STAGES, HISTORY_STAGES_BY_AGE),
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a schema only goes forward (STYLE 3.4); a backup goes back."""
    raise NotImplementedError
