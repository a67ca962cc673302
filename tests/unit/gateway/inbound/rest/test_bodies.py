import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from gateway.inbound.rest.bodies import (
    BODY_BYTES_MAX,
    MANIFEST_BODY_BYTES_MAX,
    PARSED_INLINE_BYTES_MAX,
    BodyInvalid,
    read_json,
    read_raw,
)
from manifest.section import Section
from unit.gateway.backend.house import MANIFEST, House


class Anything(Section):
    value: JsonValue = None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner
        )
    ),
    max_leaves=20,
)


@given(value=JSON)
def test_whatever_is_json_is_read_as_it_is(value: JsonValue) -> None:
    raw = json.dumps({"value": value}).encode()

    assert read_json(raw, Anything).value == value


@given(raw=st.binary(max_size=200))
def test_no_bytes_at_all_do_anything_but_parse_or_be_refused(raw: bytes) -> None:
    with suppress(BodyInvalid):
        read_json(raw, Anything)


@given(text=st.text(alphabet='{}[]",:\\ud0a1eE+-.0NI\x00\t ntf', max_size=80))
def test_no_text_of_json_signs_does_anything_but_parse_or_be_refused(text: str) -> None:
    with suppress(BodyInvalid):
        read_json(f'{{"value":{text}}}'.encode(), Anything)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"", ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b'{"value":', "value"),
        (b'{"value":1} x', ""),
        (b'{"value":"\xff"}', "value"),
        ('{"value":1}'.encode("utf-16"), ""),
        (b'{"value":1,"value":2}', "value"),
        (b'{"value":{"a":[{"b":1,"b":1}]}}', "value.a[0].b"),
        (b'{"value":NaN}', "value"),
        (b'{"value":[1,Infinity]}', "value[1]"),
        (b'{"value":-Infinity}', "value"),
        (b'{"value":1e999}', "value"),
        (b'{"value":9223372036854775808}', "value"),
        (b'{"value":' + b"1" * 5000 + b"}", "value"),
        (b'{"value":"\\ud800"}', "value"),
        (b'{"value":["\\udc00\\ud800"]}', "value[0]"),
        (b'{"value":"\\u0000"}', "value"),
        (b'{"value":' + b"[" * 65 + b"]" * 65 + b"}", "value[0][0]"),
        (b'{"value":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "value"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_json_that_others_read_differently_or_cannot_keep_is_refused(raw: bytes, path: str) -> None:
    with pytest.raises(BodyInvalid) as refused:
        read_json(raw, Anything)

    first = refused.value.violations[0]
    assert first.reason == "INVALID_JSON"
    assert first.path == path


def test_a_nesting_of_63_inside_the_body_is_read() -> None:
    read_json(b'{"value":' + b"[" * 63 + b"]" * 63 + b"}", Anything)


def test_all_problems_of_a_body_are_told() -> None:
    with pytest.raises(BodyInvalid) as refused:
        read_json(b'{"value":["\\u0000",NaN],"value":1,"a":"\\ud800"}', Anything)

    assert len(refused.value.violations) >= 2


async def post_suite(client: httpx.AsyncClient, raw: bytes, **headers: str) -> httpx.Response:
    return await client.post("/evals/suites", content=raw, headers=headers)


def suite_of(length: int) -> bytes:
    """A good body of exactly this many bytes."""
    body: dict[str, Any] = {"name": "s", "manifest": MANIFEST}
    raw = json.dumps(body).encode()
    return raw + b" " * (length - len(raw))


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/vnd.api+json",
    ],
)
async def test_json_under_any_of_its_names_is_taken(
    client: httpx.AsyncClient, media_type: str
) -> None:
    answer = await post_suite(client, suite_of(1000), **{"content-type": media_type})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"content-type": "text/plain"}, "content_type"),
        ({"content-type": "multipart/form-data; boundary=x"}, "content_type"),
        ({"content-type": ""}, "content_type"),
        ({"content-type": "application/json; charset=latin-1"}, "content_type"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "content_encoding"),
    ],
)
async def test_anything_but_plain_json_is_refused_with_400(
    client: httpx.AsyncClient, headers: dict[str, str], reason: str
) -> None:
    answer = await post_suite(client, suite_of(1000), **headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == reason


async def test_a_body_of_the_largest_size_is_taken(client: httpx.AsyncClient) -> None:
    answer = await post_suite(
        client, suite_of(MANIFEST_BODY_BYTES_MAX), **{"content-type": "application/json"}
    )

    assert answer.status_code == 200


async def test_one_byte_more_is_refused_with_its_length_announced(
    client: httpx.AsyncClient,
) -> None:
    answer = await post_suite(
        client, suite_of(MANIFEST_BODY_BYTES_MAX + 1), **{"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "body_too_large"


async def test_one_byte_more_is_refused_also_when_no_length_was_announced(
    client: httpx.AsyncClient,
) -> None:
    async def pieces() -> Any:
        whole = suite_of(MANIFEST_BODY_BYTES_MAX + 1)
        for start in range(0, len(whole), 65536):
            yield whole[start : start + 65536]

    answer = await client.post(
        "/evals/suites", content=pieces(), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400


async def test_a_run_takes_a_smaller_body_than_a_manifest(client: httpx.AsyncClient) -> None:
    def run_of(length: int) -> bytes:
        return b'{"suite_id":"s","models":["m"]}'.ljust(length)

    headers = {"content-type": "application/json"}
    whole = await client.post("/evals/runs", content=run_of(BODY_BYTES_MAX), headers=headers)
    more = await client.post("/evals/runs", content=run_of(BODY_BYTES_MAX + 1), headers=headers)

    assert whole.json()["error"]["reason"] == "suite_not_found"
    assert more.status_code == 400
    assert more.json()["error"]["reason"] == "body_too_large"
    assert more.json()["error"]["param"] is None  # the limit is behind the last member
    assert str(BODY_BYTES_MAX) in more.json()["error"]["message"]


async def test_a_manifest_of_a_million_empty_tasks_is_400(client: httpx.AsyncClient) -> None:
    raw = b'{"name":"s","manifest":{"tasks":[' + b"{}," * 1_390_000 + b"{}]}}"

    answer = await post_suite(client, raw, **{"content-type": "application/json"})

    assert answer.status_code == 400
    assert "more than 100000 values" in answer.json()["error"]["message"]


async def test_a_body_that_is_parsed_beside_the_loop_is_refused_alike(
    client: httpx.AsyncClient,
) -> None:
    raw = b'{"name":"' + b"x" * PARSED_INLINE_BYTES_MAX + b'"}'

    answer = await post_suite(client, raw, **{"content-type": "application/json"})

    paths = {found["path"] for found in answer.json()["errors"]}
    assert answer.status_code == 400
    assert paths == {"name", "manifest"}


async def test_a_body_is_not_looked_at_before_the_key(house: House) -> None:
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        answer = await client.post("/api/v1/llm/evals/suites", content=b"{")

    assert answer.status_code == 401


async def test_a_body_that_never_comes_is_408(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = read_raw.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "read_s", 0.01)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await client.post(
        "/evals/suites", content=stuck(), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 408
    assert answer.json()["error"]["reason"] == "body_timeout"


async def test_a_body_that_is_too_large_is_refused_at_the_member_where_the_limit_is(
    client: httpx.AsyncClient,
) -> None:
    body = {"suite_id": "s", "judge_model": "x" * 10_000_000, "models": ["m"]}

    answer = await client.post("/evals/runs", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "judge_model"
