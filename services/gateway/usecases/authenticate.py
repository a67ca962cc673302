"""Who is calling, and may they?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.api_keys import ApiKey, read_key_text
from gateway.domain.scopes import Scope
from gateway.ports import ApiKeys
from servicekit.clock import Clock
from servicekit.errors import Kind, ServiceError

# How long a key is believed without asking the table again, so also how long a revoked key may
# still work.
KEY_TTL_S = 2.0
# A key's last use is written at most this often.
USE_NOTED_EVERY = timedelta(minutes=5)
# Entries of the cache, unknown ids included; beyond it the cache starts anew, so that guessing
# cannot fill memory.
CACHED_KEYS_MAX = 10_000


class KeyMissing(ServiceError):
    """The request carries no API key."""

    kind = Kind.UNAUTHENTICATED
    reason = "API_KEY_MISSING"


class KeyInvalid(ServiceError):
    """The key is malformed, unknown or revoked; which of them is not told."""

    kind = Kind.UNAUTHENTICATED
    reason = "API_KEY_INVALID"


class ScopeMissing(ServiceError):
    """The key is good, but does not carry the scope that the operation needs."""

    kind = Kind.PERMISSION_DENIED
    reason = "SCOPE_MISSING"


@dataclass(frozen=True, slots=True)
class _Entry:
    key: ApiKey | None
    expires_at: datetime


class Authenticate:
    """Finds the key behind an `Authorization` header."""

    def __init__(self, keys: ApiKeys, *, pepper: bytes, clock: Clock) -> None:
        self._keys = keys
        self._pepper = pepper
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    async def __call__(self, authorization: str | None, scope: Scope) -> ApiKey:
        """The caller's key.

        A revocation takes effect within `KEY_TTL_S` seconds in every replica.

        Raises:
            KeyMissing: there is no header, or it is not a bearer token.
            KeyInvalid: the token is no key of ours, or a revoked one.
            ScopeMissing: the key does not carry `scope`.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise KeyMissing("send an API key as 'Authorization: Bearer prk_…'")
        presented = read_key_text(token.strip())
        key = await self._find(presented.id) if presented else None
        if presented is None or key is None or not key.opened_by(presented, self._pepper):
            raise KeyInvalid("the API key is not valid")
        if scope not in key.scopes:
            raise ScopeMissing(f"this API key lacks the scope {scope.value}", scope=scope.value)
        await self._note_use(key)
        return key

    async def _find(self, key_id: str) -> ApiKey | None:
        now = self._clock.utc_now()
        entry = self._entries.get(key_id)
        if entry is not None and now < entry.expires_at:
            return entry.key
        key = await self._keys.find(key_id)
        if len(self._entries) >= CACHED_KEYS_MAX:
            self._entries.clear()
        self._entries[key_id] = _Entry(key, now + timedelta(seconds=KEY_TTL_S))
        return key

    async def _note_use(self, key: ApiKey) -> None:
        now = self._clock.utc_now()
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY:
            # Forgotten first: the next request reads the new time instead of writing it again.
            self._entries.pop(key.id, None)
            await self._keys.note_use(key.id, now)
