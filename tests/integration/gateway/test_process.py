"""The gateway as a process of its own: `python -m gateway`."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from localstack.ports import free_port
from localstack.postgres import Postgres, running_postgres
from proctor.files.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from proctor.suites.v1.suite_service_pb2_grpc import add_SuiteServiceServicer_to_server
from servicekit.server import RpcServer
from unit.gateway.backend.files import FakeFiles
from unit.gateway.backend.house import running
from unit.gateway.backend.suites import FakeSuites

SECRET = "between the services, in tests only"  # noqa: S105 -- of this test
MODELS = """
[providers.local]
base_url = "http://127.0.0.1:9/v1"

[models."*"]
provider = "local"
"""


@pytest.fixture
async def backend() -> AsyncIterator[RpcServer]:
    server = RpcServer(
        address="127.0.0.1:0",
        secret=SECRET.encode(),
        services=(
            (add_FileServiceServicer_to_server, FakeFiles(), "proctor.files.v1.FileService"),
            (add_SuiteServiceServicer_to_server, FakeSuites(), "proctor.suites.v1.SuiteService"),
        ),
        stop_grace_s=0,
    )
    async with running(server):
        yield server


@pytest.fixture
def environment(postgres_dsn: str, backend: RpcServer, tmp_path: Path) -> dict[str, str]:
    models = tmp_path / "models.toml"
    models.write_text(MODELS)
    return {
        **os.environ,  # noqa: TID251 -- the child needs the interpreter's own variables
        "PYTHONPATH": os.pathsep.join(sys.path),
        "GATEWAY_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
        "GATEWAY_RPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "GATEWAY_POSTGRES_DSN": postgres_dsn,
        "GATEWAY_KEY_PEPPER": "of API keys, in tests only, not more",
        "GATEWAY_RUN_TOKEN_SECRET": "of run tokens, in tests only, really",
        "GATEWAY_INTERNAL_SECRET": SECRET,
        "GATEWAY_MODELS_FILE": str(models),
        "GATEWAY_ORCHESTRATOR_ADDRESS": f"127.0.0.1:{backend.port}",
        "GATEWAY_IMPORTER_ADDRESS": f"127.0.0.1:{backend.port}",
    }


async def keys(environment: Mapping[str, str], *arguments: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "keys", *arguments, "--json"),
        env=environment,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def started(environment: Mapping[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway"), env=environment, stdout=DEVNULL, stderr=PIPE
    )


async def until(client: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
    async with asyncio.timeout(20):
        while True:
            try:
                answer = await client.get(path)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == status:
                return answer
            await asyncio.sleep(0.05)


async def stopped(process: Process) -> tuple[int | None, str]:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def test_it_serves_keys_and_requests_and_stops_with_0(environment: dict[str, str]) -> None:
    created = await keys(environment, "create", "--name", "n", "--org", "o", "--team", "t")
    process = await started(environment)
    base = f"http://{environment['GATEWAY_HTTP_ADDRESS']}"
    async with httpx.AsyncClient(base_url=base) as client:
        ready = await until(client, "/readyz", 200)
        headers = {"authorization": f"Bearer {created['key']}"}
        listed = await client.get("/api/v1/llm/evals/suites", headers=headers)
        files = await client.get("/api/v1/llm/files", headers=headers)
        revoked = await keys(environment, "revoke", created["id"])
        client.headers.update(headers)
        refused = await until(client, "/api/v1/llm/files", 401)
    code, logged = await stopped(process)

    assert set(ready.json()["checks"].values()) == {"ok"}
    assert (listed.status_code, files.status_code) == (200, 200)
    assert revoked["revoked_at"]
    assert refused.json()["error"]["reason"] == "api_key_invalid"
    assert code == 0, logged
    assert created["key"][-64:] not in logged


async def test_a_bad_setting_stops_the_start_and_names_itself(
    environment: dict[str, str],
) -> None:
    process = await started({**environment, "GATEWAY_MAX_UPLOAD_BYTES": "0"})

    async with asyncio.timeout(20):
        _, err = await process.communicate()

    assert process.returncode != 0
    assert b"GATEWAY_MAX_UPLOAD_BYTES: " in err


async def test_without_its_database_it_answers_503_and_recovers(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with running_postgres(tmp_path / "own", port=free_port(), fast=True) as postgres:
        environment["GATEWAY_POSTGRES_DSN"] = postgres.dsn
        created = await keys(environment, "create", "--name", "n", "--org", "o", "--team", "t")
        process = await started(environment)
        base = f"http://{environment['GATEWAY_HTTP_ADDRESS']}"
        headers = {"authorization": f"Bearer {created['key']}"}
        async with httpx.AsyncClient(base_url=base, headers=headers) as client:
            await until(client, "/api/v1/llm/files", 200)
            away, alive, again = await _while_away(postgres, client)
        code, _ = await stopped(process)

    assert away.json()["error"]["reason"] == "store_unavailable"
    assert away.headers["retry-after"]
    assert alive.status_code == 200
    assert again.status_code == 200
    assert code == 0


async def _while_away(
    postgres: Postgres, client: httpx.AsyncClient
) -> tuple[httpx.Response, httpx.Response, httpx.Response]:
    await postgres.stop()
    away = await until(client, "/api/v1/llm/files", 503)
    await until(client, "/readyz", 503)
    alive = await client.get("/healthz")
    await postgres.start()
    again = await until(client, "/api/v1/llm/files", 200)
    return away, alive, again
