from typing import Any

import pytest

from gateway.usecases.create_key import KeyRefused, NewKey, create_key
from unit.gateway.backend.api_keys import MemoryApiKeys
from unit.gateway.backend.clock import StillClock

PEPPER = b"p" * 32


async def create(keys: MemoryApiKeys, **fields: Any) -> NewKey:
    usual: dict[str, Any] = {
        "name": "ci",
        "org_id": "org",
        "team_id": "team",
        "scopes": ["read:evals", "write:evals"],
    }
    return await create_key(keys, pepper=PEPPER, clock=StillClock(), **{**usual, **fields})


async def test_a_created_key_is_stored_and_opened_by_its_text() -> None:
    keys = MemoryApiKeys()

    new = await create(keys)

    stored = await keys.find(new.text.id)
    assert stored == new.key
    assert stored.opened_by(new.text, PEPPER)


async def test_the_store_never_sees_the_secret() -> None:
    keys = MemoryApiKeys()

    new = await create(keys)

    assert new.text.text[-64:] not in repr(await keys.list_all())


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"name": ""}, ["INVALID_NAME"]),
        ({"name": "x" * 256}, ["INVALID_NAME"]),
        ({"name": "a\nb"}, ["INVALID_NAME"]),
        ({"org_id": "a.b"}, ["INVALID_OWNER"]),
        ({"team_id": ""}, ["INVALID_OWNER"]),
        ({"scopes": []}, ["NO_SCOPES"]),
        ({"scopes": ["read:evals", "root"]}, ["UNKNOWN_SCOPE"]),
        (
            {"name": "", "org_id": "*", "team_id": ">", "scopes": ["root"]},
            ["INVALID_NAME", "INVALID_OWNER", "INVALID_OWNER", "UNKNOWN_SCOPE"],
        ),
    ],
)
async def test_a_bad_wish_is_refused_with_every_problem(
    fields: dict[str, Any], reasons: list[str]
) -> None:
    keys = MemoryApiKeys()

    with pytest.raises(KeyRefused) as refused:
        await create(keys, **fields)

    assert [violation.reason for violation in refused.value.violations] == reasons
    assert await keys.list_all() == []


async def test_a_name_of_255_characters_is_taken() -> None:
    new = await create(MemoryApiKeys(), name="x" * 255)

    assert len(new.key.name) == 255
