"""The importer's settings; the only reader of its environment."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Read from variables that begin with `IMPORTER_`.

    Attributes:
        rpc_address: where gRPC is served, `host:port`; port 0 takes a free one.
        internal_secret: signs callers; the same in every service.
        postgres_dsn: the database, with the role that owns the schema `importer`.
        blob_url: the object store, `file:///folder`; shared with the orchestrator.
        log_level: the least severe level that is logged.
        log_json: one JSON object a line instead of text for people.
        max_file_bytes: largest upload.
        max_row_bytes: longest row of a dataset; batches of rows travel in 16 MiB messages.
        max_rows: most rows of a dataset that sets no `max_rows`.
        max_rows_bytes: largest dataset after normalising.
        datasets_at_once: how many files are read as datasets at the same time; a team that has none
            of them gets one more.
        keep_rows_h: how long rows stay after their file was deleted and nobody asked for them.
    """

    model_config = SettingsConfigDict(
        env_prefix="IMPORTER_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    rpc_address: str
    internal_secret: Annotated[SecretStr, Field(min_length=32)]
    postgres_dsn: SecretStr
    blob_url: SecretStr
    log_level: str = "info"
    log_json: bool = True
    max_file_bytes: Annotated[int, Field(ge=1, le=16 * 1024 * MIB)] = 512 * MIB
    max_row_bytes: Annotated[int, Field(ge=1024, le=8 * MIB)] = 4 * MIB
    max_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000
    max_rows_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * MIB)] = 2 * 1024 * MIB
    datasets_at_once: Annotated[int, Field(ge=1, le=64)] = 4
    keep_rows_h: Annotated[int, Field(ge=1, le=8_760)] = 24 * 7
