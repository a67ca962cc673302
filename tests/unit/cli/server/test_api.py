from collections.abc import Callable

import httpx
import pytest

from cli.errors import ApiError, CliError, Unreachable
from cli.server.api import Api
from unit.cli.fake_api import KEY, FakeProctor


def api_of(fake: FakeProctor, *, patience_s: float = 0, base_url: str = "http://fake") -> Api:
    transport = httpx.ASGITransport(fake.app)
    return Api(base_url, KEY, transport=transport, patience_s=patience_s, pause_s=0.001)


@pytest.mark.parametrize("base_url", ["http://fake", "http://fake/", "http://fake/api/v1/llm/"])
async def test_the_address_may_carry_the_path_of_the_api(base_url: str) -> None:
    fake = FakeProctor()

    async with api_of(fake, base_url=base_url) as api:
        await api.get("/files")

    assert fake.requests == ["GET /api/v1/llm/files"]


async def test_all_pages_of_a_list_are_followed() -> None:
    fake = FakeProctor()
    ids = [fake.add_file(f"{n}.csv", b"x") for n in range(7)]

    async with api_of(fake) as api:
        assert [entry["id"] async for entry in api.entries("/files")] == ids

    assert len(fake.requests) == 3


async def test_a_read_is_repeated_while_the_server_is_away_and_the_patience_lasts() -> None:
    fake = FakeProctor()
    fake.failing = [503, 502, 429]

    async with api_of(fake, patience_s=1) as api:
        assert await api.get("/files")

    assert len(fake.requests) == 4


async def test_a_read_without_patience_fails_at_once() -> None:
    fake = FakeProctor()
    fake.failing = [503]

    async with api_of(fake) as api:
        with pytest.raises(ApiError) as caught:
            await api.get("/files")

    assert (caught.value.status, caught.value.reason) == (503, "unavailable")


async def test_a_write_is_never_repeated() -> None:
    fake = FakeProctor()
    fake.failing = [503]

    async with api_of(fake, patience_s=1) as api:
        with pytest.raises(ApiError):
            await api.post("/evals/runs", {})

    assert len(fake.requests) == 1


def answering(respond: Callable[[httpx.Request], httpx.Response]) -> Api:
    return Api("http://fake", KEY, transport=httpx.MockTransport(respond))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html>bad gateway</html>", "The server answered with status 502."),
        (b'{"error": "Rate limit exceeded"}', "Rate limit exceeded"),
        (b"", "The server answered with status 502."),
        (b"[1]", "The server answered with status 502."),
    ],
)
async def test_a_refusal_in_any_shape_is_a_sentence(body: bytes, sentence: str) -> None:
    async with answering(lambda _: httpx.Response(502, content=body)) as api:
        with pytest.raises(ApiError, match=sentence):
            await api.get("/files")


@pytest.mark.parametrize("body", [b"hello", b"[]"])
async def test_a_server_that_is_no_proctor_is_named(body: bytes) -> None:
    async with answering(lambda _: httpx.Response(200, content=body)) as api:
        with pytest.raises(CliError, match="does not answer like a Proctor"):
            await api.get("/files")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (httpx.ConnectError("refused"), "Nothing answers at http://fake"),
        (httpx.ReadTimeout("slow"), "did not answer in time"),
        (httpx.RemoteProtocolError("cut"), "broke: cut"),
    ],
)
async def test_a_broken_connection_is_a_sentence(error: httpx.HTTPError, sentence: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    async with answering(fail) as api:
        with pytest.raises(Unreachable, match=sentence):
            await api.get("/files")


async def test_each_problem_of_a_refusal_is_told_with_its_place_once() -> None:
    problems = [
        {"path": "manifest.tasks[0]", "message": "manifest.tasks[0] is bad."},
        {"path": "manifest.tasks[1].grader", "message": "line 1: invalid syntax"},
        {"message": "and one without a place"},
    ]
    body = {"error": {"message": "bad", "reason": "invalid_manifest", "details": problems}}

    async with answering(lambda _: httpx.Response(400, json=body)) as api:
        with pytest.raises(ApiError) as caught:
            await api.post("/evals/suites", {})

    assert caught.value.details == (
        "manifest.tasks[0] is bad.",
        "manifest.tasks[1].grader: line 1: invalid syntax",
        "and one without a place",
    )


async def test_a_single_problem_is_told_with_its_place_as_well() -> None:
    problem = {"path": "manifest.tasks[1].grader.source", "message": "line 1: expected ':'"}
    body = {"error": {"message": "line 1: expected ':'", "details": [problem]}}

    async with answering(lambda _: httpx.Response(400, json=body)) as api:
        with pytest.raises(ApiError, match=r"^manifest\.tasks\[1\]\.grader\.source: line 1"):
            await api.post("/evals/suites", {})
