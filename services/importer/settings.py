"""The importer's settings; the only reader of its environment."""

from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class FolderSettings(BaseSettings):
    """What the command needs that imports a folder; its fields are those of `Settings`."""

    model_config = SettingsConfigDict(
        env_prefix="IMPORTER_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    internal_secret: Annotated[SecretStr, Field(min_length=32)]
    orchestrator_address: Annotated[str, Field(min_length=1)]
    max_result_file_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * MIB)] = 256 * MIB


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
        keep_rows_h: how long rows stay after their file was deleted, or their hub dataset was last
            used, and nobody asked for them.
        hub_url: address of the Hugging Face hub or of a mirror, or `file:///folder` with a folder
            `owner/name` for each repository; `HF_ENDPOINT` is read as well.
        hub_token: what the hub is asked with for datasets, in the name of every team; none asks for
            public ones only. `HF_TOKEN` is read as well. Imports bring tokens of their own.
        hub_attempts: how often a request for a dataset is sent before the hub counts as away; the
            pauses double from 0.5 s, so that 8 attempts outlive a minute.
        parquet_memory_bytes: what a process that reads a Parquet file may use, of address space;
            there are at most `datasets_at_once` and one for each other team.
        max_hub_bytes: most bytes that are downloaded for one dataset.
        hub_dataset_s: longest time one dataset of the hub may take; below the 10 minutes after
            which the orchestrator gives up.
        orchestrator_address: where imported runs are kept, `host:port`; without it nothing can be
            imported.
        max_result_file_bytes: largest file of results; a larger one is skipped.
        imports_at_once: how many imports work at the same time; a team that has none of them gets
            one more.
    """

    model_config = SettingsConfigDict(
        env_prefix="IMPORTER_",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
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
    hub_url: Annotated[
        str,
        Field(
            pattern="^(https?://[^/?#@]+[^?#@]*|file:///[^?#]+)$",
            validation_alias=AliasChoices("IMPORTER_HUB_URL", "HF_ENDPOINT"),
        ),
    ] = "https://huggingface.co"
    hub_token: Annotated[
        SecretStr | None,
        Field(validation_alias=AliasChoices("IMPORTER_HUB_TOKEN", "HF_TOKEN")),
    ] = None
    hub_attempts: Annotated[int, Field(ge=1, le=10)] = 8
    parquet_memory_bytes: Annotated[int, Field(ge=256 * MIB, le=64 * 1024 * MIB)] = 1536 * MIB
    max_hub_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * MIB)] = 4 * 1024 * MIB
    hub_dataset_s: Annotated[int, Field(ge=10, le=590)] = 540
    orchestrator_address: str = ""
    max_result_file_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * MIB)] = 256 * MIB
    imports_at_once: Annotated[int, Field(ge=1, le=6)] = 3

    @field_validator("hub_token")
    @classmethod
    def _none_when_blank(cls, token: SecretStr | None) -> SecretStr | None:
        """Take an empty variable for no token: a deployment may set it to say so."""
        bare = token.get_secret_value().strip() if token is not None else ""
        return SecretStr(bare) if bare else None
