"""Revoke an API key."""

from gateway.domain.api_keys import ApiKey
from gateway.ports import ApiKeys
from servicekit.clock import Clock
from servicekit.errors import Kind, ServiceError


class KeyNotFound(ServiceError):
    """There is no key with this id."""

    kind = Kind.NOT_FOUND
    reason = "KEY_NOT_FOUND"


async def revoke_key(keys: ApiKeys, *, key_id: str, clock: Clock) -> ApiKey:
    """Make a key useless for ever; running gateways follow within seconds.

    A second revocation changes nothing.

    Raises:
        KeyNotFound: no key has this id.
    """
    key = await keys.revoke(key_id, clock.utc_now())
    if key is None:
        raise KeyNotFound(f"there is no key {key_id}", key=key_id)
    return key
