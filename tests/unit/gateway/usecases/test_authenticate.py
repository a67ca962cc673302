import pytest

from gateway.domain.api_keys import KeyText
from gateway.domain.scopes import Scope
from gateway.usecases.authenticate import (
    CACHED_KEYS_MAX,
    KEY_TTL_S,
    USE_NOTED_EVERY,
    Authenticate,
    KeyInvalid,
    KeyMissing,
    ScopeMissing,
)
from gateway.usecases.create_key import create_key
from gateway.usecases.revoke_key import revoke_key
from unit.gateway.backend.api_keys import MemoryApiKeys
from unit.gateway.backend.clock import StillClock

PEPPER = b"p" * 32


class Door:
    """Authenticate with a key of read:evals, a clock to turn and keys to look at."""

    def __init__(self) -> None:
        self.keys = MemoryApiKeys()
        self.clock = StillClock()
        self.authenticate = Authenticate(self.keys, pepper=PEPPER, clock=self.clock)

    async def new_key(self) -> KeyText:
        new = await create_key(
            self.keys,
            name="n",
            org_id="o",
            team_id="t",
            scopes=["read:evals"],
            pepper=PEPPER,
            clock=self.clock,
        )
        return new.text

    async def knock(self, key: KeyText, scope: Scope = Scope.READ_EVALS) -> str:
        return (await self.authenticate(f"Bearer {key.text}", scope)).id


@pytest.fixture
def door() -> Door:
    return Door()


async def test_a_good_key_is_let_in(door: Door) -> None:
    key = await door.new_key()

    assert await door.knock(key) == key.id


async def test_the_scheme_is_read_without_regard_to_case_and_blanks(door: Door) -> None:
    key = await door.new_key()

    found = await door.authenticate(f" bEARER   {key.text} ", Scope.READ_EVALS)

    assert found.id == key.id


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "prk_1_2"])
async def test_without_a_bearer_token_the_key_is_missing(door: Door, header: str | None) -> None:
    with pytest.raises(KeyMissing):
        await door.authenticate(header, Scope.READ_EVALS)


@pytest.mark.parametrize("token", ["x", f"prk_{'a' * 16}_{'b' * 64}", "\xff"])
async def test_a_token_that_is_no_key_of_ours_is_refused(door: Door, token: str) -> None:
    with pytest.raises(KeyInvalid):
        await door.authenticate(f"Bearer {token}", Scope.READ_EVALS)


async def test_the_right_id_with_a_wrong_secret_is_refused(door: Door) -> None:
    key = await door.new_key()

    with pytest.raises(KeyInvalid):
        await door.authenticate(f"Bearer prk_{key.id}_{'0' * 64}", Scope.READ_EVALS)


@pytest.mark.parametrize("scope", [Scope.WRITE_EVALS, Scope.READ_FILES, Scope.WRITE_FILES])
async def test_no_scope_implies_another(door: Door, scope: Scope) -> None:
    key = await door.new_key()

    with pytest.raises(ScopeMissing) as refused:
        await door.knock(key, scope)

    assert refused.value.metadata == {"scope": scope.value}


async def test_a_key_is_looked_up_once_in_its_time_to_live(door: Door) -> None:
    key = await door.new_key()
    await door.knock(key)
    await door.knock(key)
    before = door.keys.lookups

    for _ in range(10):
        await door.knock(key)

    assert door.keys.lookups == before


async def test_a_revocation_takes_effect_when_the_time_to_live_is_over(door: Door) -> None:
    key = await door.new_key()
    await door.knock(key)
    await revoke_key(door.keys, key_id=key.id, clock=door.clock)

    door.clock.turn(KEY_TTL_S)

    with pytest.raises(KeyInvalid):
        await door.knock(key)


async def test_an_unknown_id_is_not_looked_up_at_each_attempt(door: Door) -> None:
    for _ in range(5):
        with pytest.raises(KeyInvalid):
            await door.authenticate(f"Bearer prk_{'a' * 16}_{'b' * 64}", Scope.READ_EVALS)

    assert door.keys.lookups == 1


async def test_guessed_ids_do_not_fill_memory(door: Door) -> None:
    for number in range(CACHED_KEYS_MAX + 10):
        with pytest.raises(KeyInvalid):
            await door.authenticate(f"Bearer prk_{number:016x}_{'b' * 64}", Scope.READ_EVALS)

    assert len(door.authenticate._entries) <= CACHED_KEYS_MAX


async def test_the_first_use_is_noted(door: Door) -> None:
    key = await door.new_key()

    await door.knock(key)

    assert door.keys.uses == [door.clock.utc_now()]


async def test_further_uses_are_noted_only_now_and_then(door: Door) -> None:
    key = await door.new_key()
    for _ in range(5):
        await door.knock(key)

    door.clock.turn(USE_NOTED_EVERY.total_seconds())
    for _ in range(5):
        await door.knock(key)

    assert len(door.keys.uses) == 2


async def test_a_refused_use_is_not_noted(door: Door) -> None:
    key = await door.new_key()

    with pytest.raises(ScopeMissing):
        await door.knock(key, Scope.WRITE_EVALS)

    assert door.keys.uses == []
