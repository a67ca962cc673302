"""A whole orchestrator with its neighbours: real Postgres, NATS and object store, fake services."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg

from blobstore.store import BlobStore
from integration.orchestrator.fake_admission import FakeAdmission
from integration.orchestrator.fake_bridge import FakeBridge, token
from integration.orchestrator.fake_grader import FakeGrader
from integration.orchestrator.fake_importer import FakeImporter
from localstack.ports import free_port
from orchestrator.app import build
from orchestrator.settings import Settings
from proctor.files.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from proctor.imports.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from proctor.models.v1.model_bridge_service_pb2_grpc import (
    add_ModelBridgeServiceServicer_to_server,
)
from proctor.runs.v1 import run_pb2, run_service_pb2, sample_pb2
from proctor.runs.v1.agent_run_service_pb2_grpc import AgentRunServiceStub
from proctor.runs.v1.history_service_pb2_grpc import RunHistoryServiceStub
from proctor.runs.v1.run_service_pb2_grpc import RunServiceStub
from proctor.runs.v1.sample_audio_service_pb2_grpc import SampleAudioServiceStub
from proctor.runs.v1.trajectory_service_pb2_grpc import TrajectoryServiceStub
from proctor.sandbox.v1.sandbox_service_pb2_grpc import add_SandboxServiceServicer_to_server
from proctor.schedules.v1.admission_service_pb2_grpc import add_AdmissionServiceServicer_to_server
from proctor.schedules.v1.schedule_service_pb2_grpc import ScheduleServiceStub
from proctor.suites.v1 import suite_service_pb2
from proctor.suites.v1.share_service_pb2_grpc import SuiteShareServiceStub
from proctor.suites.v1.suite_service_pb2_grpc import SuiteServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.errors import Kind, ServiceError
from servicekit.server import RpcServer

SECRET = b"the secret of the tests, 32 bytes long"
CALLER = Caller(org_id="org", team_id="team", on_behalf_of="somebody")
ENDED = {run_pb2.RUN_STATE_COMPLETED, run_pb2.RUN_STATE_FAILED, run_pb2.RUN_STATE_CANCELLED}

GRADER = "def grade(sample, item):\n    return sample['output_text'] == item['target']\n"
GROUP_GRADER = "def grade_batch(samples):\n    return [1.0 for _ in samples]\n"


@dataclass
class World:
    """The neighbours of an orchestrator, and what a test asks of it."""

    postgres_dsn: str
    nats_url: str
    blob_url: str
    bridge: FakeBridge = field(default_factory=FakeBridge)
    admission: FakeAdmission = field(default_factory=FakeAdmission)
    grader: FakeGrader = field(default_factory=FakeGrader)
    caller: Caller = CALLER
    addresses: dict[str, str] = field(default_factory=dict)
    _serving: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    suites: Any = None
    runs: Any = None
    schedules: Any = None
    shares: Any = None
    audio: Any = None
    history: Any = None
    agent_runs: Any = None
    trajectories: Any = None

    def __post_init__(self) -> None:
        self.importer = FakeImporter(BlobStore.open(self.blob_url))

    def settings(self, **changes: Any) -> Settings:
        """Settings of an orchestrator that finds these neighbours."""
        return Settings.model_validate(self.environment() | changes)

    def environment(self) -> dict[str, Any]:
        return {
            "rpc_address": "127.0.0.1:0",
            "internal_secret": SECRET.decode(),
            "postgres_dsn": self.postgres_dsn,
            "nats_url": self.nats_url,
            "blob_url": self.blob_url,
            "lease_s": 2.0,
            "heartbeat_s": 0.5,
            "sweep_s": 0.5,
            **self.addresses,
        }

    def rows(self, count: int, *, file_id: str = "file_rows") -> str:
        """A dataset whose right answers the fake model knows."""
        rows = [{"question": f"what is {n}", "answer": str(n)} for n in range(count)]
        return self.importer.add_rows(file_id, rows, team=self.caller.team_id)

    async def create_suite(self, *tasks: Mapping[str, Any]) -> str:
        manifest = json.dumps({"tasks": list(tasks)}).encode()
        request = suite_service_pb2.CreateSuiteRequest(name="suite", manifest_json=manifest)
        with calling_as(self.caller):
            answer = await self.suites.CreateSuite(request)
        return str(answer.suite.suite_id)

    async def create_run(
        self, suite_id: str, *, models: Sequence[str] = ("model-a",), **fields: Any
    ) -> str:
        run_id = f"eval_run_{uuid4().hex}"
        request = run_service_pb2.CreateRunRequest(
            run_id=run_id,
            suite_id=suite_id,
            models=models,
            **{"run_token": token(run=run_id), "generation_json": b"{}", **fields},
        )
        with calling_as(self.caller):
            await self.runs.CreateRun(request)
        return run_id

    async def get_run(self, run_id: str) -> run_pb2.Run:
        with calling_as(self.caller):
            answer = await self.runs.GetRun(run_service_pb2.GetRunRequest(run_id=run_id))
        run: run_pb2.Run = answer.run
        return run

    async def ended(self, run_id: str, *, within_s: float = 30) -> run_pb2.Run:
        """The run once it has ended."""
        async with asyncio.timeout(within_s):
            while True:
                with suppress_unavailable():
                    if (run := await self.get_run(run_id)).state in ENDED:
                        return run
                await asyncio.sleep(0.02)

    async def samples(self, run_id: str, **filters: Any) -> list[sample_pb2.Sample]:
        """All samples of a run, page by page."""
        found: list[sample_pb2.Sample] = []
        after = ""
        while True:
            request = run_service_pb2.ListSamplesRequest(run_id=run_id, **filters)
            request.page.page_size, request.page.after_id = 500, after
            with calling_as(self.caller):
                answer = await self.runs.ListSamples(request)
            found.extend(answer.samples)
            if not answer.page.has_more:
                return found
            after = found[-1].sample_id

    async def query(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Rows of the orchestrator's own schema."""
        connection = await asyncpg.connect(
            self.postgres_dsn, server_settings={"search_path": "orchestrator"}
        )
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement, *values)
        finally:
            await connection.close()
        return found

    @asynccontextmanager
    async def neighbours(self) -> AsyncIterator[None]:
        """Serve the fakes."""
        async with asyncio.TaskGroup() as tasks:
            for name in ("bridge", "grader", "importer"):
                server = self.serve(name)
                self.addresses[f"{name}_address"] = f"127.0.0.1:{server.port}"
                self._serving[name] = tasks.create_task(server.run())
            try:
                yield
            finally:
                for serving in self._serving.values():
                    serving.cancel()

    @asynccontextmanager
    async def away(self, name: str) -> AsyncIterator[None]:
        """Stop one of the neighbours while the block runs."""
        self._serving[name].cancel()
        with suppress(asyncio.CancelledError):
            await self._serving[name]
        try:
            yield
        finally:
            port = int(self.addresses[f"{name}_address"].rpartition(":")[2])
            self._serving[name] = asyncio.get_running_loop().create_task(
                self.serve(name, port=port).run()
            )

    def serve(self, name: str, *, port: int = 0) -> RpcServer:
        """A server of one of the fakes."""
        services: dict[str, list[Any]] = {
            "bridge": [
                (add_ModelBridgeServiceServicer_to_server, self.bridge, "bridge"),
                (add_AdmissionServiceServicer_to_server, self.admission, "admission"),
            ],
            "grader": [(add_SandboxServiceServicer_to_server, self.grader, "grader")],
            "importer": [
                (add_FileServiceServicer_to_server, self.importer, "files"),
                (add_ImportServiceServicer_to_server, self.importer, "imports"),
            ],
        }
        return RpcServer(
            address=f"127.0.0.1:{port}", secret=SECRET, services=services[name], stop_grace_s=0
        )

    @asynccontextmanager
    async def orchestrator(self, **changes: Any) -> AsyncIterator[None]:
        """Run an orchestrator in this process, and connect to it."""
        async with build(self.settings(**changes)) as loops, running(*loops):
            server = next(loop for loop in loops if isinstance(loop, RpcServer))
            async with self.connected(f"127.0.0.1:{server.port}"):
                yield

    @asynccontextmanager
    async def child(self, **changes: Any) -> AsyncIterator["Child"]:
        """Run an orchestrator as a process of its own, and connect to it."""
        port = free_port()
        settings = self.environment() | {"rpc_address": f"127.0.0.1:{port}"} | changes
        variables = {f"ORCHESTRATOR_{key.upper()}": str(value) for key, value in settings.items()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orchestrator"),
            env={"PYTHONPATH": os.pathsep.join(sys.path), **variables},
        )
        child = Child(process)
        try:
            async with self.connected(f"127.0.0.1:{port}"):
                await self._until_serving()
                yield child
        finally:
            await child.kill()

    async def _until_serving(self) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    await self.get_run("eval_run_" + "0" * 32)
                except ServiceError as error:
                    if error.reason == "RUN_NOT_FOUND":
                        return
                    await asyncio.sleep(0.05)

    async def until_counts(self, run_id: str, *, completed: int, within_s: float = 30) -> None:
        """Wait until so many samples of a run are completed."""
        async with asyncio.timeout(within_s):
            while (await self.get_run(run_id)).request_counts.completed < completed:
                await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], object], *, within_s: float = 30) -> None:
        """Wait until a condition of the neighbours holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def connected(self, address: str) -> AsyncIterator[None]:
        """Connect to an orchestrator."""
        async with open_channel(address, secret=SECRET) as channel:
            self.suites, self.runs = SuiteServiceStub(channel), RunServiceStub(channel)
            self.shares = SuiteShareServiceStub(channel)
            self.audio = SampleAudioServiceStub(channel)
            self.history = RunHistoryServiceStub(channel)
            self.agent_runs = AgentRunServiceStub(channel)
            self.trajectories = TrajectoryServiceStub(channel)
            self.schedules = ScheduleServiceStub(channel)
            yield


@contextmanager
def suppress_unavailable() -> Iterator[None]:
    """Let pass that something is away."""
    try:
        yield
    except ServiceError as error:
        if error.kind is not Kind.UNAVAILABLE:
            raise


@dataclass
class Child:
    """An orchestrator process."""

    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.terminate()
        async with asyncio.timeout(10):
            return await self.process.wait()


@asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[None]:
    """Run loops while the block runs."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(loop.run()) for loop in loops]
        try:
            yield
        finally:
            for task in started:
                task.cancel()


def task(file_id: str, **changes: Any) -> dict[str, Any]:
    """A task that asks for `{{question}}` and expects `{{answer}}`."""
    return {
        "id": "task",
        "type": "qa",
        "dataset": {"file_id": file_id},
        "prompt_template": "{{question}}",
        "target_template": "{{answer}}",
        "grader": {"type": "python", "source": GRADER},
        **changes,
    }
