"""The gateway's settings; the only reader of its environment."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024
# 256 bits: what HS256 and HMAC-SHA256 are worth.
_SECRET_CHARS_MIN = 32

Secret = Annotated[SecretStr, Field(min_length=_SECRET_CHARS_MIN)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = Annotated[str, Field(min_length=1)]


class KeySettings(BaseSettings):
    """What the keys command needs."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    postgres_dsn: SecretStr = Field(min_length=1, description="Database of the schema `gateway`.")
    key_pepper: Secret = Field(
        description="Key of the hash that API keys are stored as; changing it voids every key."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = True

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class Settings(KeySettings):
    """What the service needs."""

    http_address: Address = Field(description="`host:port` of REST.")
    rpc_address: Address = Field(description="`host:port` of the model bridge.")
    orchestrator_address: Address
    importer_address: Address
    internal_secret: Secret = Field(description="Signs callers; the same in every service.")
    run_token_secret: Secret = Field(description="Signs run tokens; the gateway's alone.")
    max_upload_bytes: int = Field(default=512 * MIB, ge=1, le=64 * 1024 * MIB)
    max_calls_per_run: int = Field(
        default=10_000_000,
        ge=1,
        description="Model calls that one run may make; bounds what a stolen run token is worth.",
    )
    grader_models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",),
        description="Models that graders may name besides the run's own, separated by commas; "
        "`*` is any, and empty is none.",
    )

    reachable_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="Networks, such as 10.1.0.0/16, that URLs of tenants may lead to although they "
        "are not public, separated by commas.",
    )

    nats_url: SecretStr | None = Field(
        default=None, description="NATS, for webhooks of schedules; without it nobody is told."
    )
    webhooks_over_http: bool = Field(
        default=False,
        description="Webhooks may be http URLs, too: for development, in reachable_networks.",
    )

    # The model bridge
    models_file: Path = Field(description="models.toml: providers, models, prices, limits.")

    @property
    def webhook_schemes(self) -> tuple[str, ...]:
        """Schemes of the URLs that webhooks may have."""
        return ("https", "http") if self.webhooks_over_http else ("https",)

    @field_validator("grader_models", "reachable_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value


def provider_environment() -> Mapping[str, str]:
    """Where models.toml finds the provider keys that it names by variable."""
    return os.environ  # noqa: TID251 -- this module is the environment's reader
