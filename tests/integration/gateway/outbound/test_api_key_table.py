"""What every store of API keys promises, held against Postgres and the fake of the tests."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from gateway.app.keys import open_keys
from gateway.app.schema import SCHEMA
from gateway.domain.api_keys import ApiKey, draw_key_text, seal
from gateway.domain.scopes import Scope
from gateway.outbound.api_key_table import PostgresApiKeys
from gateway.ports import ApiKeys
from gateway.settings import KeySettings
from pgstore.database import Database
from unit.gateway.backend.api_keys import MemoryApiKeys

PEPPER = b"p" * 32
NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def new_key(name: str = "ci", at: datetime = NOW) -> ApiKey:
    text = draw_key_text()
    return ApiKey(
        id=text.id,
        name=name,
        org_id="org",
        team_id="team",
        scopes=frozenset({Scope.READ_EVALS, Scope.WRITE_FILES}),
        seal=seal(text, PEPPER),
        created_at=at,
    )


def settings(dsn: str) -> KeySettings:
    return KeySettings.model_validate({"postgres_dsn": dsn, "key_pepper": "p" * 32})


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    async with (
        open_keys(settings(postgres_dsn), before_upgrade=lambda: None),
        Database.connect(postgres_dsn, schema=SCHEMA, pool_size=2) as database,
    ):
        yield database


@pytest.fixture(params=["memory", "service", "command"])
async def keys(request: pytest.FixtureRequest, postgres_dsn: str) -> AsyncIterator[ApiKeys]:
    if request.param == "memory":
        yield MemoryApiKeys()
        return
    async with open_keys(settings(postgres_dsn), before_upgrade=lambda: None) as of_command:
        if request.param == "command":
            yield of_command
            return
        async with Database.connect(postgres_dsn, schema=SCHEMA, pool_size=2) as database:
            yield PostgresApiKeys(database)


async def test_a_stored_key_is_found_as_it_was(keys: ApiKeys) -> None:
    key = new_key("größe 数")

    await keys.add(key)

    assert await keys.find(key.id) == key


async def test_a_key_of_an_org_admin_stays_one(keys: ApiKeys) -> None:
    key = replace(new_key(), is_org_admin=True)

    await keys.add(key)

    assert (await keys.list_all())[0].is_org_admin


async def test_an_unknown_id_finds_nothing(keys: ApiKeys) -> None:
    assert await keys.find("0" * 16) is None


async def test_all_keys_are_listed_oldest_first(keys: ApiKeys) -> None:
    younger, older = new_key("b", NOW), new_key("a", NOW - timedelta(days=1))
    await keys.add(younger)
    await keys.add(older)

    assert list(await keys.list_all()) == [older, younger]


async def test_the_first_revocation_stands(keys: ApiKeys) -> None:
    key = new_key()
    await keys.add(key)
    await keys.revoke(key.id, NOW)

    again = await keys.revoke(key.id, NOW + timedelta(hours=1))

    assert again == replace(key, revoked_at=NOW)
    assert await keys.find(key.id) == again


async def test_what_does_not_exist_is_not_revoked(keys: ApiKeys) -> None:
    assert await keys.revoke("0" * 16, NOW) is None


async def test_the_latest_use_stands(keys: ApiKeys) -> None:
    key = new_key()
    await keys.add(key)

    await keys.note_use(key.id, NOW + timedelta(minutes=5))
    await keys.note_use(key.id, NOW)

    found = await keys.find(key.id)
    assert found
    assert found.last_used_at == NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    "change",
    [
        "scopes = '{}'",
        "scopes = '{root}'",
        "seal = '\\x00'",
        "name = ''",
        "org_id = 'a.b'",
        "team_id = ''",
        "id = 'X'",
    ],
)
async def test_postgres_itself_refuses_a_key_that_cannot_be(
    database: Database, change: str
) -> None:
    key = new_key()
    await PostgresApiKeys(database).add(key)

    async with database.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"UPDATE api_keys SET {change}")  # noqa: S608


async def test_the_secret_is_nowhere_in_the_table(database: Database) -> None:
    text = draw_key_text()
    await PostgresApiKeys(database).add(replace(new_key(), id=text.id, seal=seal(text, PEPPER)))

    async with database.connection() as connection:
        row = await connection.fetchval("SELECT row_to_json(api_keys)::text FROM api_keys")

    assert text.text[-64:] not in row
    assert text.id in row
