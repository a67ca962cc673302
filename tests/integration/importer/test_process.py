import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from integration.importer.conftest import SECRET
from localstack.ports import free_port

PATH = {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def environment(postgres_dsn: str, blob_url: str) -> dict[str, str]:
    return PATH | {
        "IMPORTER_RPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "IMPORTER_INTERNAL_SECRET": SECRET,
        "IMPORTER_POSTGRES_DSN": postgres_dsn,
        "IMPORTER_BLOB_URL": blob_url,
    }


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "importer", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_two_replicas_start_at_once_answer_health_and_stop_on_sigterm(
    environment: dict[str, str],
) -> None:
    other = environment | {"IMPORTER_RPC_ADDRESS": f"127.0.0.1:{free_port()}"}
    async with started(environment) as one, started(other) as two:
        for address in (environment["IMPORTER_RPC_ADDRESS"], other["IMPORTER_RPC_ADDRESS"]):
            async with grpc.aio.insecure_channel(address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                answer = await health.Check(
                    health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30
                )
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

        for process in (one, two):
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


async def test_a_missing_setting_stops_the_start_and_is_named() -> None:
    async with started(PATH) as process:
        _, stderr = await process.communicate()

    assert process.returncode != 0
    assert b"internal_secret" in stderr


async def test_a_bad_setting_is_named_but_no_secret_shown(environment: dict[str, str]) -> None:
    wrong = environment | {"IMPORTER_INTERNAL_SECRET": "short-secret"}
    async with started(wrong) as process:
        _, stderr = await process.communicate()

    assert process.returncode != 0
    assert b"internal_secret" in stderr
    assert b"short-secret" not in stderr
