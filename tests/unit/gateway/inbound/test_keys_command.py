import json
from collections.abc import Awaitable, Callable

import pytest

from gateway.domain.api_keys import read_key_text
from gateway.inbound.keys_command import read_arguments, run_keys_command
from unit.gateway.backend.api_keys import MemoryApiKeys
from unit.gateway.backend.clock import StillClock

PEPPER = b"p" * 32

Run = Callable[..., Awaitable[int]]


@pytest.fixture
def keys() -> MemoryApiKeys:
    return MemoryApiKeys()


@pytest.fixture
def run(keys: MemoryApiKeys) -> Run:
    async def run(*arguments: str) -> int:
        options = read_arguments(arguments)
        return await run_keys_command(options, keys, pepper=PEPPER, clock=StillClock())

    return run


CREATE = ("create", "--name", "ci", "--org", "o", "--team", "t")


async def test_a_created_key_is_printed_once_and_works(
    run: Run, keys: MemoryApiKeys, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await run(*CREATE, "--scope", "read:evals", "--scope", "write:evals", "--json")

    printed = json.loads(capsys.readouterr().out)
    text = read_key_text(printed.pop("key"))
    assert code == 0
    assert text
    stored = await keys.find(text.id)
    assert stored
    assert stored.opened_by(text, PEPPER)
    assert printed == {
        "id": text.id,
        "name": "ci",
        "org_id": "o",
        "team_id": "t",
        "scopes": ["read:evals", "write:evals"],
        "is_org_admin": False,
        "created_at": "2026-11-21T12:00:00+00:00",
        "last_used_at": None,
        "revoked_at": None,
    }


async def test_without_scopes_a_key_gets_all_of_them(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(*CREATE, "--json")

    assert json.loads(capsys.readouterr().out)["scopes"] == [
        "read:evals",
        "read:files",
        "write:evals",
        "write:files",
    ]


async def test_a_key_is_an_org_admins_only_where_that_was_asked_for(
    run: Run, keys: MemoryApiKeys, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(*CREATE, "--org-admin", "--json")
    await run("list")

    made, listed = capsys.readouterr().out.splitlines()
    assert json.loads(made)["is_org_admin"]
    assert "org admin" in listed
    assert [key.is_org_admin for key in await keys.list_all()] == [True]


async def test_a_bad_wish_ends_with_1_and_all_problems(
    run: Run, keys: MemoryApiKeys, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await run("create", "--name", "", "--org", "a b", "--team", "t", "--scope", "root")

    assert code == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert await keys.list_all() == []


async def test_the_list_shows_no_secrets(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    await run(*CREATE, "--json")
    secret = json.loads(capsys.readouterr().out)["key"][-64:]

    await run("list", "--json")
    await run("list")

    printed = capsys.readouterr().out
    assert "ci" in printed
    assert secret not in printed


@pytest.mark.parametrize("word", ["key", "id"])
async def test_a_key_is_revoked_by_its_id_or_its_text(
    run: Run, keys: MemoryApiKeys, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    await run(*CREATE, "--json")
    printed = json.loads(capsys.readouterr().out)

    code = await run("revoke", printed[word], "--json")

    assert code == 0
    assert json.loads(capsys.readouterr().out)["revoked_at"]
    assert (await keys.list_all())[0].revoked_at


async def test_an_unknown_key_cannot_be_revoked(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("revoke", "0" * 16) == 1
    assert "no key" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("create",), ("revoke",), ("burn",)])
def test_a_command_line_that_makes_no_sense_ends_with_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_arguments(arguments)

    assert ended.value.code == 2
