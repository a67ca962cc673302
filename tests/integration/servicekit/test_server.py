import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from integration.servicekit.serving import PATIENCE_S, SECRET, Files, Served, serving
from proctor.files.v1 import file_service_pb2 as files_pb
from servicekit.client import open_channel
from servicekit.errors import Kind, RemoteError
from servicekit.server import RpcServer

GET = files_pb.GetFileRequest(file_id="f")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def watched(served: Served, *, service: str = "") -> AsyncIterator[int]:
    """The health of a service, each time it changes; asked without a caller, as probes do."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.server.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service)):
            yield answer.status


async def next_until(statuses: AsyncIterator[int], wanted: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async for status in statuses:
            if status == wanted:
                return


@pytest.mark.parametrize("service", ["", "proctor.files.v1.FileService"])
async def test_a_server_that_runs_says_so_to_probes_without_a_caller(service: str) -> None:
    async with serving(Files()) as served:
        await next_until(watched(served, service=service), SERVING)


async def test_health_follows_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicekit.server.READINESS_PERIOD_S", 0.05)
    database_is_there = False

    async def ready() -> bool:
        return database_is_there

    async with serving(Files(), ready=ready, stop_grace_s=0) as served:
        statuses = watched(served)
        await next_until(statuses, NOT_SERVING)
        database_is_there = True
        await next_until(statuses, SERVING)


async def test_a_readiness_question_that_fails_means_no() -> None:
    async def ready() -> bool:
        raise OSError("no database")

    async with serving(Files(), ready=ready, stop_grace_s=0) as served:
        await next_until(watched(served), NOT_SERVING)


async def test_calls_in_flight_end_well_when_the_server_stops() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def wait(file_id: str) -> files_pb.GetFileResponse:
        begun.set()
        await go.wait()
        return files_pb.GetFileResponse()

    async with asyncio.timeout(PATIENCE_S), serving(Files(wait)) as served:
        call = served.files.GetFile(GET)
        await begun.wait()
        served.stop()
        go.set()

        assert await call == files_pb.GetFileResponse()


async def test_a_call_that_outlives_the_grace_is_unavailable_to_its_caller() -> None:
    begun = asyncio.Event()

    async def wait(file_id: str) -> files_pb.GetFileResponse:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with (
        asyncio.timeout(PATIENCE_S),
        serving(Files(wait), stop_grace_s=0.1) as served,
    ):
        call = served.files.DeleteFile(files_pb.DeleteFileRequest())
        await begun.wait()
        served.stop()
        with pytest.raises(RemoteError) as refused:
            await call

    assert refused.value.kind == Kind.UNAVAILABLE


async def test_a_second_server_on_the_same_port_is_refused() -> None:
    async with serving(Files()) as served:
        with pytest.raises(RuntimeError, match="bind"):
            RpcServer(address=f"127.0.0.1:{served.server.port}", secret=SECRET, services=[])


async def test_a_weak_secret_stops_the_start() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RpcServer(address="127.0.0.1:0", secret=b"short", services=[])
    with pytest.raises(ValueError, match="32 bytes"):
        open_channel("127.0.0.1:1", secret=b"short")


async def test_reflection_lists_the_services() -> None:
    async with (
        serving(Files()) as served,
        grpc.aio.insecure_channel(f"127.0.0.1:{served.server.port}") as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await call.read()

    names = {service.name for service in answer.list_services_response.service}
    assert {"proctor.files.v1.FileService", "grpc.health.v1.Health"} <= names


async def test_a_unary_call_without_a_deadline_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("servicekit.server.UNARY_LIMIT_S", 0.1)
    monkeypatch.setattr("servicekit.client.UNARY_TIMEOUT_S", None)

    async def wait(file_id: str) -> files_pb.GetFileResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(PATIENCE_S), serving(Files(wait)) as served:
        with pytest.raises(RemoteError) as refused:
            await served.files.GetFile(GET)

    assert refused.value.kind == Kind.DEADLINE_EXCEEDED
