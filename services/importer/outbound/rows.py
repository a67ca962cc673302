"""The shapes of the importer's rows; the tables themselves are made by the migrations."""

from datetime import datetime

from sqlalchemy import DateTime, MetaData
from sqlmodel import Field, SQLModel


class ImporterRow(SQLModel):
    """What every row of this service shares: metadata apart from other services' tables."""

    metadata = MetaData()


class FileRow(ImporterRow, table=True):
    """A file of a team."""

    __tablename__ = "files"

    id: str = Field(primary_key=True)
    org_id: str
    team_id: str
    filename: str
    purpose: str
    size_bytes: int
    sha256: str
    created_at: datetime = Field(sa_type=DateTime(timezone=True))


class DatasetRow(ImporterRow, table=True):
    """Rows made of a file's content; `max_rows` is 0 when all were taken."""

    __tablename__ = "datasets"

    source_sha256: str = Field(primary_key=True)
    format: str = Field(primary_key=True)
    max_rows: int = Field(primary_key=True)
    rows_sha256: str
    row_count: int
    size_bytes: int
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    used_at: datetime = Field(sa_type=DateTime(timezone=True))


class UnusedBlobRow(ImporterRow, table=True):
    """A blob that perhaps nothing refers to any more."""

    __tablename__ = "unused_blobs"

    sha256: str = Field(primary_key=True)
    noted_at: datetime = Field(sa_type=DateTime(timezone=True))
