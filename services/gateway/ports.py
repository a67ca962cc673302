"""What the use cases need of the outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.api_keys import ApiKey
from gateway.domain.usage import ModelUsage


class GraderUsage(Protocol):
    """What graders asked models."""

    async def of_runs(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, ModelUsage]]:
        """What graders asked, by run and model; runs whose graders asked none are missing."""


class ApiKeys(Protocol):
    """The keys of this installation."""

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, revoked ones included."""

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""

    async def list_all(self) -> Sequence[ApiKey]:
        """All keys, oldest first, revoked ones included."""

    async def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Revoke a key and return it, or nothing; an earlier revocation stands."""

    async def note_use(self, key_id: str, at: datetime) -> None:
        """Remember that the key was used."""
