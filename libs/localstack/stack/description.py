"""What a running stack says of itself."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from localstack.secrets import write_private
from localstack.stack.folder import StateFolder

_FILE = "stack.json"


class StackJson(TypedDict):
    """A description as `proctor up --json` prints it."""

    base_url: str
    api_key: str
    nats_url: str
    postgres_dsn: str
    state_dir: str
    pids: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackDescription:
    """Where a stack answers and what it consists of; holds secrets.

    Attributes:
        base_url: REST, without a path.
        api_key: a key with every scope for the team `local`.
        nats_url: with user and password.
        postgres_dsn: database `proctor` for the superuser, who sees every schema.
        pids: process ids of the services, of Postgres, NATS and the local model.
    """

    base_url: str
    api_key: str = field(repr=False)
    nats_url: str = field(repr=False)
    postgres_dsn: str = field(repr=False)
    state_dir: Path
    pids: Mapping[str, int]

    def as_json(self) -> StackJson:
        """Return it as plain JSON values."""
        return StackJson(
            base_url=self.base_url,
            api_key=self.api_key,
            nats_url=self.nats_url,
            postgres_dsn=self.postgres_dsn,
            state_dir=str(self.state_dir),
            pids=dict(self.pids),
        )


def from_json(plain: StackJson) -> StackDescription:
    """Make a description of plain JSON values."""
    return StackDescription(
        base_url=plain["base_url"],
        api_key=plain["api_key"],
        nats_url=plain["nats_url"],
        postgres_dsn=plain["postgres_dsn"],
        state_dir=Path(plain["state_dir"]),
        pids=plain["pids"],
    )


def read_description(state_dir: Path) -> StackDescription | None:
    """Return what runs in a folder now; None when nothing does, or not yet."""
    folder = StateFolder(state_dir)
    if folder.holder() is None:
        return None
    with suppress(FileNotFoundError):
        return from_json(json.loads((folder.path / _FILE).read_text()))
    return None


def write_description(folder: StateFolder, description: StackDescription) -> None:
    """Keep what runs now, for `read_description`; readable by the owner only."""
    write_private(folder.path / _FILE, json.dumps(description.as_json()))


def forget_description(folder: StateFolder) -> None:
    """Say that nothing runs, or not yet."""
    (folder.path / _FILE).unlink(missing_ok=True)
