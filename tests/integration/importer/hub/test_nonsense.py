"""A hub that answers nonsense is refused as one, never followed, and never a defect of ours."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from hub.stand_in import StandInHub, running_hub
from importer.domain.hub import HubAnswerInvalid, HubFile, HubNotFound, HubUnavailable
from importer.outbound.hub import client as client_module
from importer.outbound.hub.client import Hub, HubSession
from importer.outbound.hub.requests import REDIRECTS_MAX, Patience

TOKEN = SecretStr("hf_canary_7d02")
HURRIED = Patience(connect_s=5, read_s=2, attempts=2, pause_s=0.01)
NO_ADDRESSES = [
    "https://host:99999999/x",
    "http://127.0.0.1:65536/",
    "http://host:abc/",
    "http://host:-1/",
    "https://[::1/x",
    "http://[::1]x/",
    "https://host/" + "x" * 70_000,
    "ftp://host/x",
    "http://xn--/\x7f",
]
by_token = pytest.mark.parametrize("token", [None, TOKEN], ids=["nobody", "known"])


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with running_hub() as hub:
        hub.tokens[TOKEN.get_secret_value()] = set()
        hub.add("team/set", {"a.jsonl": b"{}"})
        yield hub


async def listed(session: HubSession) -> list[HubFile]:
    return [file async for file in session.files("team/set", "main")]


@by_token
@pytest.mark.parametrize("address", NO_ADDRESSES)
async def test_a_redirect_to_what_is_no_address_is_nonsense(
    hub: StandInHub, address: str, token: SecretStr | None
) -> None:
    hub.trouble("", status=302, headers={"Location": address})

    async with Hub(hub.url, patience=HURRIED).asked_as(token) as session:
        with pytest.raises(HubAnswerInvalid):
            await session.commit("team/set", "main")

    assert len(hub.seen) == 1  # it would say the same again


@by_token
@pytest.mark.parametrize("address", NO_ADDRESSES)
async def test_a_list_that_goes_on_at_what_is_no_address_is_nonsense(
    hub: StandInHub, address: str, token: SecretStr | None
) -> None:
    link = f'<{address}>; rel="next"'
    hub.trouble("", status=200, body=b"[]", headers={"Link": link})

    async with Hub(hub.url, patience=HURRIED).asked_as(token) as session:
        with pytest.raises(HubAnswerInvalid):
            await listed(session)

    assert len(hub.seen) == 1


async def test_a_hub_that_sends_us_round_and_round_is_left(hub: StandInHub) -> None:
    hub.trouble("", times=99, status=307, headers={"Location": "/again"})

    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubAnswerInvalid, match="sent us on"):
            await session.commit("team/set", "main")

    assert len(hub.seen) == REDIRECTS_MAX + 1


async def test_a_list_whose_pages_lead_back_has_no_end(hub: StandInHub) -> None:
    for there, here in ("?page=1", "/"), ("?page=2", "page=1"), ("?page=1", "page=2"):
        link = f'<{there}>; rel="next"'
        hub.trouble(here, times=2, status=200, body=b"[]", headers={"Link": link})

    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubAnswerInvalid, match="no end"):
            await listed(session)


async def test_a_list_of_ever_new_empty_pages_has_no_end(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGES_MAX", 20)
    for number in range(99):
        link = f'<?page={number}>; rel="next"'
        hub.trouble("", status=200, body=b"[]", headers={"Link": link})

    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubAnswerInvalid, match="no end"):
            await listed(session)

    assert len(hub.seen) == 20


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "a", "size": -1},
        {"path": "a", "size": 10**18},
        {"path": "a", "size": 10**40},
        {"path": "a", "size": "1"},
        {"path": "a", "size": 1.5},
        {"path": "a", "size": None},
        {"path": "a"},
        {"path": 1, "size": 1},
        {"size": 1},
    ],
    ids=str,
)
async def test_a_file_without_a_path_or_a_possible_size_is_nonsense(
    hub: StandInHub, entry: dict[str, Any]
) -> None:
    page = json.dumps([{"type": "file", **entry}]).encode()
    hub.trouble("", status=200, body=page)

    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubAnswerInvalid, match="size"):
            await listed(session)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"1", b"{}", b"[", b"\xff", b"[" * 100_000, b'"\\ud800"', b"NaN"]
)
async def test_an_answer_of_another_shape_is_nonsense(hub: StandInHub, body: bytes) -> None:
    hub.trouble("", times=2, status=200, body=body)

    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubAnswerInvalid):
            await session.commit("team/set", "main")
        with pytest.raises(HubAnswerInvalid):
            await listed(session)


@pytest.mark.parametrize("length", ["many", "-1", "9" * 40, "100"])
async def test_a_length_that_is_none_or_untrue_counts_as_a_broken_connection(
    hub: StandInHub, length: str
) -> None:
    trouble = {"Content-Length": length, "Connection": "close"}
    hub.trouble("", times=9, status=200, body=b"[]", headers=trouble)

    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubUnavailable):
            await listed(session)


@pytest.mark.parametrize("repo", ["team/a--b", "name.", "team/set.git", "n" * 97])
async def test_a_name_that_only_the_library_refuses_is_not_found(
    hub: StandInHub, repo: str
) -> None:
    async with Hub(hub.url, patience=HURRIED).asked_as(None) as session:
        with pytest.raises(HubNotFound):
            await anext(session.content(repo, "main", "a.jsonl"))

    assert hub.seen == []
