import pytest

from gateway.usecases.create_key import create_key
from gateway.usecases.revoke_key import KeyNotFound, revoke_key
from unit.gateway.backend.api_keys import MemoryApiKeys
from unit.gateway.backend.clock import StillClock


async def test_the_first_revocation_stands() -> None:
    keys, clock = MemoryApiKeys(), StillClock()
    new = await create_key(
        keys,
        name="n",
        org_id="o",
        team_id="t",
        scopes=["read:evals"],
        pepper=b"p" * 32,
        clock=clock,
    )
    first = await revoke_key(keys, key_id=new.key.id, clock=clock)
    clock.turn(60)

    again = await revoke_key(keys, key_id=new.key.id, clock=clock)

    assert again.revoked_at == first.revoked_at


async def test_what_does_not_exist_cannot_be_revoked() -> None:
    with pytest.raises(KeyNotFound):
        await revoke_key(MemoryApiKeys(), key_id="0" * 16, clock=StillClock())
