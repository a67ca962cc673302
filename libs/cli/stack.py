"""The stack on this machine, through `localstack`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LocalAddress:
    """Where the local stack answers, and the key it made for this machine's user."""

    base_url: str
    api_key: str


def local_address(state_dir: Path) -> LocalAddress | None:
    """Return the address of the running stack; None when none runs."""
    return None
