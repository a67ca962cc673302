import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attacks.room import UID_FIRST
from integration.grader.conftest import EXACT, SECRET, TEAM, grade_requests, grade_task, sample
from localstack.ports import free_port
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.caller import calling_as
from servicekit.client import open_channel

ENDLESS = "def grade(sample, item):\n    while True:\n        pass\n"
PATH = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath}


@pytest.fixture
def environment() -> dict[str, str]:
    return PATH | {
        "GRADER_RPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "GRADER_BRIDGE_ADDRESS": "127.0.0.1:1",
        "GRADER_INTERNAL_SECRET": SECRET,
        "GRADER_JAIL_UID_FIRST": str(UID_FIRST),
    }


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "grader", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def healthy(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30
        )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@asynccontextmanager
async def grading(address: str, source: str) -> AsyncIterator[None]:
    """An execution under way."""
    async with open_channel(address, secret=SECRET.encode()) as channel:
        with calling_as(TEAM):
            stub = SandboxServiceStub(channel)
            call = stub.Grade(grade_requests(grade_task(source), [sample(0)]))
        while len(processes_of_jails()) < 2:
            await asyncio.sleep(0.02)
        yield
        call.cancel()


def processes_of_jails() -> set[str]:
    """Processes that run as one of this test's outside users."""
    return {path.name for path in Path("/proc").glob("[0-9]*") if _owner(path) == UID_FIRST}


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's jails have users of their own")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_jail_outlives_the_service(environment: dict[str, str], number: int) -> None:
    address = environment["GRADER_RPC_ADDRESS"]
    async with started(environment) as process:
        await healthy(address)
        async with grading(address, ENDLESS):
            process.send_signal(number)
            async with asyncio.timeout(10):
                code = await process.wait()

    assert code == (0 if number == signal.SIGTERM else -number)
    async with asyncio.timeout(5):
        while processes_of_jails():
            await asyncio.sleep(0.02)


async def test_a_missing_setting_stops_the_start_and_is_named() -> None:
    async with started(PATH) as process:
        _, stderr = await process.communicate()

    assert process.returncode != 0
    assert b"internal_secret" in stderr


async def test_a_bad_setting_is_named_but_no_secret_shown(environment: dict[str, str]) -> None:
    async with started(environment | {"GRADER_INTERNAL_SECRET": "short-secret"}) as process:
        _, stderr = await process.communicate()

    assert process.returncode != 0
    assert b"internal_secret" in stderr
    assert b"short-secret" not in stderr


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o777)
    return tmp_path


async def test_a_service_whose_jails_do_not_work_does_not_start_and_says_why(
    environment: dict[str, str], open_folder: Path
) -> None:
    async with started(environment | {"GRADER_JAIL_ROOT_DIR": str(open_folder)}) as process:
        _, stderr = await process.communicate()

    assert process.returncode == 1
    assert b"must belong to this user and be writable by nobody else" in stderr


async def test_a_library_that_is_not_installed_stops_the_start_and_is_named(
    environment: dict[str, str],
) -> None:
    async with started(environment | {"GRADER_LIBRARIES": "numpy, numpie"}) as process:
        _, stderr = await process.communicate()

    assert process.returncode == 1
    assert b"the library numpie, named by GRADER_LIBRARIES, is not installed: install it" in stderr


async def test_the_exact_match_of_the_documentation_is_a_grader(
    environment: dict[str, str],
) -> None:
    async with started(environment):
        await healthy(environment["GRADER_RPC_ADDRESS"])
        async with open_channel(
            environment["GRADER_RPC_ADDRESS"], secret=SECRET.encode()
        ) as channel:
            with calling_as(TEAM):
                stub = SandboxServiceStub(channel)
                answers = [
                    answer
                    async for answer in stub.Grade(
                        grade_requests(grade_task(EXACT), [sample(0), sample(1)])
                    )
                ]

    outcomes = [outcome for answer in answers for outcome in answer.outcomes]
    assert [outcome.scores_json for outcome in outcomes] == [b'{"score":1.0}'] * 2
