"""Files, resolved datasets, and blobs that wait for their removal."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DDL = (
    """
    CREATE TABLE files (
        id text PRIMARY KEY CHECK (id ~ '^file_[0-9a-f]{32}$'),
        org_id text NOT NULL CHECK (org_id <> ''),
        team_id text NOT NULL CHECK (team_id <> ''),
        filename text NOT NULL CHECK (char_length(filename) BETWEEN 1 AND 255),
        purpose text NOT NULL CHECK (
            purpose IN ('assistants', 'batch', 'evals', 'fine-tune', 'user_data', 'vision')
        ),
        size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
        sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX files_of_team ON files (org_id, team_id, created_at, id)",
    "CREATE INDEX files_by_content ON files (sha256)",
    """
    CREATE TABLE datasets (
        source_sha256 text NOT NULL CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
        format text NOT NULL CHECK (format IN ('jsonl', 'csv')),
        max_rows integer NOT NULL CHECK (max_rows >= 0),
        rows_sha256 text NOT NULL CHECK (rows_sha256 ~ '^[0-9a-f]{64}$'),
        row_count integer NOT NULL CHECK (row_count > 0),
        size_bytes bigint NOT NULL CHECK (size_bytes > 0),
        created_at timestamptz NOT NULL,
        used_at timestamptz NOT NULL,
        PRIMARY KEY (source_sha256, format, max_rows)
    )
    """,
    "CREATE INDEX datasets_by_rows ON datasets (rows_sha256)",
    "CREATE INDEX datasets_by_use ON datasets (used_at)",
    """
    CREATE TABLE unused_blobs (
        sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        noted_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Make the first tables."""
    for statement in DDL:
        op.execute(statement)


def downgrade() -> None:
    """Drop the first tables."""
    op.execute("DROP TABLE unused_blobs, datasets, files")
