import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import jwt
import orjson
import pytest

from gateway.bridge.building import BridgeLimits, build_bridge
from gateway.bridge.rpc import SERVICE_NAME
from gateway.domain.run_token import read_run_token
from integration.gateway.bridge.bridge_parts import CANARY, MODELS, SECRET, grant, token
from integration.gateway.bridge.hostile_upstream import HostileUpstream, answers, drops, says
from pgstore.database import Database
from pgstore.migrations import upgrade
from proctor.models.v1 import model_bridge_service_pb2 as pb
from proctor.models.v1.model_bridge_service_pb2_grpc import (
    ModelBridgeServiceStub,
    add_ModelBridgeServiceServicer_to_server,
)
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.errors import RemoteError
from servicekit.server import RpcServer
from unit.gateway.backend.usage import MemoryUsage

if TYPE_CHECKING:
    from proctor.models.v1.model_bridge_service_pb2_grpc import ModelBridgeServiceAsyncStub

INTERNAL_SECRET = b"i" * 32


ORCHESTRATOR = Caller(org_id="org_1", team_id="team_1")


class Stream:
    """A caller's end of an open stream."""

    def __init__(self, stub: "ModelBridgeServiceAsyncStub") -> None:
        with calling_as(ORCHESTRATOR):
            self._call = stub.Generate()

    async def ask(self, request_id: str, *, run_token: str, model: str = "small") -> None:
        call = pb.ModelCall(
            run_token=run_token,
            purpose=pb.PURPOSE_CANDIDATE,
            endpoint=pb.ENDPOINT_RESPONSES,
            body_json=orjson.dumps({"model": model, "input": request_id}),
            max_retries=0,
        )
        await self._call.write(pb.GenerateRequest(request_id=request_id, call=call))

    async def cancel_call(self, request_id: str) -> None:
        await self._call.write(pb.GenerateRequest(request_id=request_id, cancel=True))

    async def answer(self) -> pb.GenerateResponse:
        answer = await self._call.read()
        assert isinstance(answer, pb.GenerateResponse)
        return answer

    async def end(self) -> list[pb.GenerateResponse]:
        await self._call.done_writing()
        answers: list[pb.GenerateResponse] = []
        while isinstance(answer := await self._call.read(), pb.GenerateResponse):
            answers.append(answer)
        return answers

    def drop(self) -> None:
        self._call.cancel()


@asynccontextmanager
async def served(models_file: Path, dsn: str, limits: BridgeLimits) -> AsyncIterator[RpcServer]:
    async with (
        Database.connect(dsn, schema="gateway", pool_size=2) as database,
        build_bridge(
            models_file=models_file,
            environ={"PROVIDER_KEY": CANARY},
            database=database,
            usage=MemoryUsage(),
            run_token_secret=SECRET,
            limits=limits,
        ) as bridge,
        asyncio.TaskGroup() as tasks,
    ):
        server = RpcServer(
            address="127.0.0.1:0",
            secret=INTERNAL_SECRET,
            services=[(add_ModelBridgeServiceServicer_to_server, bridge, SERVICE_NAME)],
            stop_grace_s=0.1,
        )
        running = tasks.create_task(server.run())
        yield server
        running.cancel()


@pytest.fixture
async def server(
    upstream: HostileUpstream, postgres_dsn: str, tmp_path: Path
) -> AsyncIterator[RpcServer]:
    """A gateway's bridge; takes 3 calls a stream at a time."""
    await upgrade(
        postgres_dsn, schema="gateway", versions_package="gateway.outbound.migrations.versions"
    )
    models_file = tmp_path / "models.toml"
    models_file.write_text(MODELS.format(url=upstream.base_url, max_in_flight=64), encoding="utf-8")
    limits = BridgeLimits(stream_max_in_flight=3, budget_chunk=4)
    async with served(models_file, postgres_dsn, limits) as server:
        yield server


@pytest.fixture
async def stub(server: RpcServer) -> AsyncIterator["ModelBridgeServiceAsyncStub"]:
    """The bridge as another service reaches it."""
    async with open_channel(f"127.0.0.1:{server.port}", secret=INTERNAL_SECRET) as channel:
        yield ModelBridgeServiceStub(channel)


@pytest.fixture
async def stream(stub: "ModelBridgeServiceAsyncStub") -> Stream:
    return Stream(stub)


async def test_many_calls_share_a_stream(stream: Stream, upstream: HostileUpstream) -> None:
    run_token = token()

    async def ask_all() -> None:
        for number in range(50):
            await stream.ask(str(number), run_token=run_token)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask_all())
        got = [await stream.answer() for _ in range(50)]

    assert {answer.request_id for answer in got} == {str(number) for number in range(50)}
    assert all(answer.answer.output_text == "4" for answer in got)
    assert all(answer.HasField("start_time") for answer in got)
    assert upstream.in_flight_max <= 3
    assert await stream.end() == []


async def test_a_refused_and_a_failed_call_leave_the_stream_open(
    stream: Stream, upstream: HostileUpstream
) -> None:
    upstream.will(drops, says({}, status=400), answers("4"))
    codes = []

    await stream.ask("1", run_token="forged", model="small")  # noqa: S106 - it is meant to be wrong
    codes.append((await stream.answer()).failure.code)
    for number in (2, 3):
        await stream.ask(str(number), run_token=token())
        codes.append((await stream.answer()).failure.code)
    await stream.ask("4", run_token=token())

    assert codes == ["run_token_invalid", "model_unreachable", "model_http_400"]
    assert (await stream.answer()).answer.output_text == "4"


async def test_calls_in_flight_are_answered_after_the_last_request(
    stream: Stream, upstream: HostileUpstream
) -> None:
    upstream.will(upstream.hangs())
    await stream.ask("1", run_token=token())
    await upstream.arrived.get()

    async with asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(stream.end())
        upstream.released.set()

    assert [answer.request_id for answer in ended.result()] == ["1"]


async def test_a_call_can_be_cancelled(stream: Stream, upstream: HostileUpstream) -> None:
    upstream.will(upstream.hangs())
    await stream.ask("1", run_token=token())
    await upstream.arrived.get()

    await stream.cancel_call("1")

    answer = await stream.answer()
    assert (answer.failure.code, answer.attempts) == ("cancelled", 1)
    await upstream.given_up.get()


async def test_dropping_the_stream_cancels_its_calls(
    stream: Stream, upstream: HostileUpstream
) -> None:
    upstream.will(upstream.hangs())
    for number in range(3):
        await stream.ask(str(number), run_token=token())
        await upstream.arrived.get()

    stream.drop()

    for _ in range(3):
        await upstream.given_up.get()


async def test_a_runs_budget_holds_over_streams(
    stub: "ModelBridgeServiceAsyncStub", upstream: HostileUpstream
) -> None:
    limited = token(max_calls=20)
    codes = []

    for _ in range(3):
        stream = Stream(stub)
        for number in range(10):
            await stream.ask(str(number), run_token=limited)
            codes.append((await stream.answer()).failure.code)
        await stream.end()

    assert codes == [""] * 20 + ["call_budget_spent"] * 10
    assert len(upstream.received) == 20


async def test_a_token_is_renewed_with_the_same_bounds(stub: "ModelBridgeServiceAsyncStub") -> None:
    claims = jwt.decode(token(max_calls=7), options={"verify_signature": False})
    hours_ago = claims | {"exp": claims["exp"] - 8000, "iat": claims["iat"] - 8000}
    expired = jwt.encode(hours_ago, SECRET, algorithm="HS256")

    with calling_as(ORCHESTRATOR):
        renewed = await stub.RenewRunToken(pb.RenewRunTokenRequest(run_token=expired))

    read = read_run_token(renewed.run_token, SECRET)
    assert read.grant == grant(max_calls=7)
    assert renewed.expire_time.ToDatetime(read.expires_at.tzinfo) == read.expires_at


async def test_a_forged_token_is_not_renewed(stub: "ModelBridgeServiceAsyncStub") -> None:
    with calling_as(ORCHESTRATOR), pytest.raises(RemoteError) as refusal:
        await stub.RenewRunToken(pb.RenewRunTokenRequest(run_token="forged"))  # noqa: S106 - as above

    assert refusal.value.reason == "RUN_TOKEN_INVALID"


async def test_nobody_but_our_services_reaches_the_bridge(server: RpcServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = ModelBridgeServiceStub(channel).Generate()

        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await call.read()

    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
