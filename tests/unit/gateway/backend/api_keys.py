"""API keys in memory, as in `gateway.ports.ApiKeys`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.api_keys import ApiKey


class MemoryApiKeys:
    def __init__(self) -> None:
        self.lookups = 0
        self.uses: list[datetime] = []
        self._keys: dict[str, ApiKey] = {}

    async def find(self, key_id: str) -> ApiKey | None:
        self.lookups += 1
        return self._keys.get(key_id)

    async def add(self, key: ApiKey) -> None:
        self._keys[key.id] = key

    async def list_all(self) -> Sequence[ApiKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    async def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        key = self._keys.get(key_id)
        if key is None:
            return None
        self._keys[key_id] = replace(key, revoked_at=key.revoked_at or at)
        return self._keys[key_id]

    async def note_use(self, key_id: str, at: datetime) -> None:
        self.uses.append(at)
        key = self._keys[key_id]
        self._keys[key_id] = replace(key, last_used_at=max(at, key.last_used_at or at))
