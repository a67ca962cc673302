"""A gateway over fake services: real gRPC on loopback, real keys, real routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from starlette.types import ASGIApp

from gateway.domain.scopes import Scope
from gateway.inbound.application import rest_application
from gateway.inbound.audio.routes import SampleAudioRoutes
from gateway.inbound.files import FileRoutes
from gateway.inbound.health import HealthRoutes
from gateway.inbound.rest.access import Access
from gateway.inbound.run_changes import RunChangeRoutes
from gateway.inbound.runs import RunRoutes
from gateway.inbound.samples import SampleRoutes
from gateway.inbound.suites import SuiteRoutes
from gateway.usecases.admit_run import AdmitRun
from gateway.usecases.authenticate import Authenticate
from gateway.usecases.create_key import create_key
from proctor.files.v1.file_service_pb2_grpc import (
    FileServiceStub,
    add_FileServiceServicer_to_server,
)
from proctor.runs.v1.run_service_pb2_grpc import RunServiceStub, add_RunServiceServicer_to_server
from proctor.runs.v1.sample_audio_service_pb2_grpc import (
    SampleAudioServiceStub,
    add_SampleAudioServiceServicer_to_server,
)
from proctor.suites.v1.suite_service_pb2_grpc import (
    SuiteServiceStub,
    add_SuiteServiceServicer_to_server,
)
from servicekit.client import open_channel
from servicekit.lifecycle import Loop
from servicekit.server import RpcServer
from unit.gateway.backend.api_keys import MemoryApiKeys
from unit.gateway.backend.audio import FakeAudio
from unit.gateway.backend.clock import StillClock
from unit.gateway.backend.files import FakeFiles
from unit.gateway.backend.runs import FakeRuns
from unit.gateway.backend.suites import FakeSuites
from unit.gateway.backend.usage import MemoryUsage

BASE = "/api/v1/llm"
SECRET = b"between the services, in tests only!"
RUN_TOKEN_SECRET = b"of run tokens, in tests only, really"
PEPPER = b"of API keys, in tests only, not more"
UPLOAD_BYTES_MAX = 3 * 1024 * 1024
MANIFEST: dict[str, Any] = {
    "tasks": [
        {
            "id": "sums",
            "type": "numeric",
            "dataset": {"file_id": "file_1", "format": "jsonl"},
            "prompt_template": "Compute: {{q}}",
            "target_template": "{{a}}",
            "grader": {"type": "python", "source": "def grade(sample, item):\n    return 1.0\n"},
        }
    ]
}


@dataclass
class House:
    """The gateway under test and everything around it."""

    app: ASGIApp
    files: FakeFiles
    suites: FakeSuites
    runs: FakeRuns
    keys: MemoryApiKeys
    clock: StillClock
    usage: MemoryUsage
    audio: FakeAudio
    checks: dict[str, bool] = field(default_factory=dict)

    async def key(self, *scopes: Scope, team: str = "team_a") -> str:
        """The text of a new key; with all scopes when none is named."""
        new = await create_key(
            self.keys,
            name="test",
            org_id="org_a",
            team_id=team,
            scopes=scopes or list(Scope),
            pepper=PEPPER,
            clock=self.clock,
        )
        return new.text.text

    @asynccontextmanager
    async def client(
        self, *scopes: Scope, team: str = "team_a"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client with a key of its own, in process."""
        key = await self.key(*scopes, team=team)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url=f"http://proctor.test{BASE}",
            headers={"authorization": f"Bearer {key}"},
        ) as client:
            yield client


class _Late:
    """Stands for a part of the open house, where the application holds it for good."""

    def __init__(self) -> None:
        self._part: Any = None

    def is_now(self, part: object) -> None:
        """From now on, stand for this one."""
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __getitem__(self, name: str) -> Any:
        return self._part[name]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._part(*arguments, **named)


@dataclass(frozen=True)
class _Parts:
    """What the application works with; it is all of the house that was opened last."""

    files: Any = field(default_factory=_Late)
    suites: Any = field(default_factory=_Late)
    runs: Any = field(default_factory=_Late)
    audio: Any = field(default_factory=_Late)
    authenticate: Any = field(default_factory=_Late)
    admit: Any = field(default_factory=_Late)
    usage: Any = field(default_factory=_Late)
    checks: Any = field(default_factory=_Late)


_now = _Parts()


@cache
def _application() -> ASGIApp:
    """The routes, which keep nothing between requests: making them takes longer than a test."""

    async def postgres() -> bool:
        return bool(_now.checks["postgres"])

    async def orchestrator() -> bool:
        return bool(_now.checks["orchestrator"])

    access = Access(_now.authenticate)
    return rest_application(
        (
            FileRoutes(_now.files, access, upload_bytes_max=UPLOAD_BYTES_MAX).router(),
            SuiteRoutes(_now.suites, access).router(),
            RunRoutes(_now.runs, access, _now.admit, _now.usage).router(),
            RunChangeRoutes(_now.runs, access, _now.admit, _now.usage).router(),
            SampleRoutes(_now.runs, access).router(),
            SampleAudioRoutes(_now.audio, access).router(),
            HealthRoutes(
                own={"postgres": postgres}, others={"orchestrator": orchestrator}
            ).router(),
        ),
        version="0.0.0",
    )


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """A gateway whose services are fakes behind a real gRPC server."""
    files, suites, keys, clock = FakeFiles(), FakeSuites(), MemoryApiKeys(), StillClock()
    runs, usage, audio = FakeRuns(suites), MemoryUsage(), FakeAudio()
    checks = {"postgres": True, "orchestrator": True}
    server = RpcServer(
        address="127.0.0.1:0",
        secret=SECRET,
        services=(
            (add_FileServiceServicer_to_server, files, "proctor.files.v1.FileService"),
            (add_SuiteServiceServicer_to_server, suites, "proctor.suites.v1.SuiteService"),
            (add_RunServiceServicer_to_server, runs, "proctor.runs.v1.RunService"),
            (
                add_SampleAudioServiceServicer_to_server,
                audio,
                "proctor.runs.v1.SampleAudioService",
            ),
        ),
        stop_grace_s=0,
    )

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(server))
        channel = await stack.enter_async_context(
            open_channel(f"127.0.0.1:{server.port}", secret=SECRET)
        )
        _now.files.is_now(FileServiceStub(channel))
        _now.suites.is_now(SuiteServiceStub(channel))
        _now.runs.is_now(RunServiceStub(channel))
        _now.audio.is_now(SampleAudioServiceStub(channel))
        _now.authenticate.is_now(Authenticate(keys, pepper=PEPPER, clock=clock))
        _now.admit.is_now(
            AdmitRun(secret=RUN_TOKEN_SECRET, grader_models=(), max_calls=100, clock=clock)
        )
        _now.usage.is_now(usage)
        _now.checks.is_now(checks)
        yield House(_application(), files, suites, runs, keys, clock, usage, audio, checks)


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[None]:
    """Run a loop of a service for as long as the block lasts."""
    # Not a task group: fixtures begin and end in different tasks.
    task = asyncio.get_running_loop().create_task(loop.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
