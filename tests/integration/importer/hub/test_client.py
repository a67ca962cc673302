"""The hub client against the stand-in."""

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from hub.stand_in import StandInHub, running_hub
from importer.domain.hub import (
    HubAnswerInvalid,
    HubFile,
    HubForbidden,
    HubNotFound,
    HubUnavailable,
)
from importer.outbound.hub.client import Hub, HubSession
from importer.outbound.hub.requests import Patience
from servicekit.errors import ServiceError

TOKEN = SecretStr("hf_canary_5b1d")
HURRIED = Patience(connect_s=5, read_s=0.5, attempts=3, pause_s=0.01)
LARGE = bytes(range(256)) * 2_000


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with running_hub() as hub:
        hub.tokens[TOKEN.get_secret_value()] = {"team/secret"}
        yield hub


def client(hub: StandInHub) -> Hub:
    return Hub(hub.url, patience=HURRIED)


async def content(session: HubSession, commit: str, path: str, **span: int) -> bytes:
    parts = [part async for part in session.content("team/set", commit, path, **span)]
    return b"".join(parts)


async def test_a_branch_is_resolved_to_its_commit_and_a_tree_is_read_page_by_page(
    hub: StandInHub,
) -> None:
    commit = hub.add("team/set", {f"d/{n}.jsonl": b"x" * n for n in range(7)})
    hub.add("team/set", {"0.parquet": b"p"}, revision="refs/convert/parquet")
    hub.page_size = 3

    async with client(hub).asked_as(None) as session:
        found = await session.commit("team/set", "main")
        files = [file async for file in session.files("team/set", found)]
        in_folder = [file async for file in session.files("team/set", found, folder="d")]
        converted = [file async for file in session.files("team/set", "refs/convert/parquet")]

    assert found == commit
    assert files == in_folder == [HubFile(path=f"d/{n}.jsonl", size_bytes=n) for n in range(7)]
    assert converted == [HubFile(path="0.parquet", size_bytes=1)]


async def test_a_listing_that_is_closed_asks_for_no_further_page(hub: StandInHub) -> None:
    commit = hub.add("team/set", {f"{n}.jsonl": b"" for n in range(9)})
    hub.page_size = 2

    async with client(hub).asked_as(None) as session:
        listing = session.files("team/set", commit)
        await anext(listing)
        await listing.aclose()

    assert len(hub.paths("/tree/")) == 1


@pytest.mark.parametrize("path", ["small.jsonl", "large.parquet"])
async def test_a_file_and_a_range_of_it_are_read_through_redirects(
    hub: StandInHub, path: str
) -> None:
    commit = hub.add("team/set", {path: LARGE})

    async with client(hub).asked_as(None) as session:
        whole = await content(session, commit, path)
        span = await content(session, commit, path, start=1_000, end=3_000)

    assert whole == LARGE
    assert span == LARGE[1_000:3_000]


async def test_the_token_reaches_the_hub_and_no_other_host(hub: StandInHub) -> None:
    commit = hub.add("team/secret", {"a.parquet": LARGE}, private=True)

    async with client(hub).asked_as(TOKEN) as session:
        parts = [part async for part in session.content("team/secret", commit, "a.parquet")]

    assert b"".join(parts) == LARGE
    assert {(seen.host, seen.token) for seen in hub.seen} == {
        ("hub", TOKEN.get_secret_value()),
        ("storage", None),
    }


async def test_a_download_that_breaks_off_goes_on_where_it_was(hub: StandInHub) -> None:
    commit = hub.add("team/set", {"a.parquet": LARGE})
    hub.trouble("a.parquet", cut_at=200_000, times=2)

    async with client(hub).asked_as(None) as session:
        assert await content(session, commit, "a.parquet") == LARGE

    # A client may take less of a connection that breaks than was sent into it.
    ranges = [seen.range for seen in hub.seen if seen.host == "storage"]
    assert ranges[0] is None
    assert len(ranges) == 3
    assert all(span is not None and span != "bytes=0-" for span in ranges[1:])


async def test_a_file_that_is_shorter_than_promised_is_no_success(hub: StandInHub) -> None:
    commit = hub.add("team/set", {"a.jsonl": b"short"})

    async with client(hub).asked_as(None) as session:
        with pytest.raises(ServiceError):
            await content(session, commit, "a.jsonl", end=100)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_hub_that_hiccups_is_asked_again(hub: StandInHub, status: int) -> None:
    commit = hub.add("team/set", {"a.jsonl": b"{}"})
    for part in ("/revision/", "/tree/", "/resolve/"):
        hub.trouble(part, status=status, times=2)

    async with client(hub).asked_as(None) as session:
        assert await session.commit("team/set", "main") == commit
        assert [file.path async for file in session.files("team/set", commit)] == ["a.jsonl"]
        assert await content(session, commit, "a.jsonl") == b"{}"


async def test_a_hub_that_is_away_busy_or_slow_is_unavailable_in_the_end(hub: StandInHub) -> None:
    hub.add("team/set", {})

    async with client(hub).asked_as(None) as session:
        hub.trouble("/revision/", status=503, times=9)
        with pytest.raises(HubUnavailable, match="503"):
            await session.commit("team/set", "main")
        hub.trouble("/tree/", delay_s=2, times=9)
        with pytest.raises(HubUnavailable, match="in time"):
            await anext(session.files("team/set", "main"))
        hub.down = True
        with pytest.raises(HubUnavailable, match="connection"):
            await session.commit("team/set", "main")

    assert len(hub.paths("/revision/")) == 2 * HURRIED.attempts


async def test_a_hub_that_asks_for_patience_gets_it(hub: StandInHub) -> None:
    commit = hub.add("team/set", {})
    hub.trouble("/revision/", status=429, headers={"Retry-After": "1"})

    async with client(hub).asked_as(None) as session:
        assert await session.commit("team/set", "main") == commit


async def test_what_is_refused_is_told_apart(hub: StandInHub) -> None:
    hub.add("team/set", {"a": b""})
    hub.add("team/secret", {}, private=True)
    hub.add("team/gated", {}, gated=True)

    async with client(hub).asked_as(None) as nobody, client(hub).asked_as(TOKEN) as known:
        with pytest.raises(HubForbidden):
            await nobody.commit("team/secret", "main")
        with pytest.raises(HubForbidden):
            await known.commit("team/gated", "main")
        with pytest.raises(HubNotFound):
            await known.commit("team/none", "main")
        with pytest.raises(HubNotFound):
            await known.commit("team/set", "no-branch")
        with pytest.raises(HubNotFound):
            await content(known, "main", "no-file")

    assert len(hub.seen) == 5  # none of them is asked twice


@pytest.mark.parametrize(
    ("repo", "revision", "path"),
    [
        ("team/../../api/whoami", "main", "a"),
        ("team/set/more", "main", "a"),
        ("", "main", "a"),
        ("team/set", "../..", "a"),
        ("team/set", "main", "../../../api/whoami"),
        ("team/set", "main", "/a"),
        ("team/set", "main", "a\n"),
    ],
)
async def test_a_name_that_leaves_its_place_is_never_sent(
    hub: StandInHub, repo: str, revision: str, path: str
) -> None:
    async with client(hub).asked_as(TOKEN) as session:
        with pytest.raises(HubNotFound):
            await anext(session.content(repo, revision, path))

    assert hub.seen == []


async def test_nothing_follows_a_list_to_another_host(hub: StandInHub) -> None:
    hub.add("team/set", {f"{n}": b"" for n in range(3)})
    hub.page_size = 1
    page, hub.url = hub.url, hub.storage_url  # where its links point now

    async with Hub(page, patience=HURRIED).asked_as(TOKEN) as session:
        with pytest.raises(HubAnswerInvalid, match="another host"):
            [file async for file in session.files("team/set", "main")]

    assert {seen.host for seen in hub.seen} == {"hub"}


async def test_neither_token_nor_signed_address_is_in_logs_or_errors(
    hub: StandInHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="importer")
    commit = hub.add("team/secret", {"a.parquet": LARGE}, private=True)
    hub.trouble("signature", status=500, times=9)

    async with client(hub).asked_as(TOKEN) as session:
        with pytest.raises(HubUnavailable) as refusal:
            await anext(session.content("team/secret", commit, "a.parquet"))

    said = f"{refusal.value!r} {refusal.value.metadata} {refusal.getrepr(chain=True)}"
    assert TOKEN.get_secret_value() not in said
    assert "signature" not in str(refusal.value)


async def test_a_token_of_the_environment_is_not_used(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_operator")
    hub.add("team/set", {})

    async with client(hub).asked_as(None) as session:
        await session.commit("team/set", "main")

    assert {seen.token for seen in hub.seen} == {None}
