import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from localstack.errors import LocalStackError
from localstack.processes import is_alive, until_gone
from localstack.stack.description import StackDescription, read_description
from localstack.stack.detached import (
    describe_stack,
    restart_service,
    start_detached,
    stop_stack,
)
from localstack.stack.folder import StackAlreadyUp
from localstack.stack.foreground import running_stack
from localstack.stack.keys import gateway_keys
from localstack.stack.options import StackOptions

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

CANARY = "sk-canary-localstack"
SERVICES = ("gateway", "orchestrator", "grader", "importer")
MODELS = """
[providers.nowhere]
base_url = "http://127.0.0.1:9/v1"
api_key_env = "NOWHERE_KEY"
[models.nobody]
provider = "nowhere"
"""


def options_for(folder: Path, **more: str) -> StackOptions:
    models = folder / "models.toml"
    models.write_text(MODELS)
    return StackOptions(
        state_dir=folder / "state",
        models_file=models,
        environment={"PATH": os.defpath, "NOWHERE_KEY": CANARY, **more},
    )


async def settled(
    options: StackOptions, found: Callable[[StackDescription], bool]
) -> StackDescription:
    """Wait until what runs is as wanted."""
    async with asyncio.timeout(60):
        while True:
            stack = await describe_stack(options.state_dir)
            if stack and found(stack):
                return stack
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.Event().wait()


def proc_file(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def files_of(stack: StackDescription) -> httpx.Client:
    return httpx.Client(
        base_url=f"{stack.base_url}/api/v1/llm",
        headers={"authorization": f"Bearer {stack.api_key}"},
        timeout=30,
        trust_env=False,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def options(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StackOptions]:
    options = options_for(tmp_path_factory.mktemp("stack"))
    await start_detached(options)
    yield options
    await stop_stack(options.state_dir)


@pytest.fixture
def stack(options: StackOptions) -> StackDescription:
    stack = read_description(options.state_dir)
    assert stack is not None
    return stack


async def test_all_services_run_as_the_processes_that_are_named(stack: StackDescription) -> None:
    for name in SERVICES:
        argv = proc_file(stack.pids[name], "cmdline").split(b"\0")
        assert argv[1:4] == [b"-P", b"-m", name.encode()]
    assert {"postgres", "nats"} < set(stack.pids)


async def test_the_key_opens_rest(stack: StackDescription) -> None:
    with files_of(stack) as client:
        assert client.get("/files").raise_for_status().json()["data"] == []


async def test_the_provider_key_is_in_the_gateways_environment_only(
    stack: StackDescription,
) -> None:
    closed, holders = set(), []
    for name, pid in stack.pids.items():
        try:
            if CANARY.encode() in proc_file(pid, "environ"):
                holders.append(name)
        except PermissionError:
            closed.add(name)

    # Services close theirs, to all but root.
    assert (closed, holders) in ((set(), ["gateway"]), (set(SERVICES), []))


async def test_secrets_are_readable_by_their_owner_only(stack: StackDescription) -> None:
    held = list(stack.state_dir.glob("secrets/*"))
    held += [stack.state_dir / name for name in ("stack.json", "nats.conf", "postgres.password")]

    assert len(held) > 6
    for path in held:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_a_second_start_says_who_is_there_and_what_to_do(options: StackOptions) -> None:
    with pytest.raises(StackAlreadyUp, match=r"proctor down --state") as refusal:
        await start_detached(options)
    assert is_alive(refusal.value.pid)

    with pytest.raises(StackAlreadyUp):
        async with running_stack(options):
            pass


@pytest.mark.parametrize("name", ["importer", "postgres", "nats"])
async def test_a_killed_part_comes_back_and_the_stack_works(
    options: StackOptions, stack: StackDescription, name: str
) -> None:
    os.kill(stack.pids[name], signal.SIGKILL)

    again = await settled(options, lambda now: now.pids[name] != stack.pids[name])

    with files_of(again) as client:
        async with asyncio.timeout(30):
            while not client.get("/files").is_success:
                await asyncio.to_thread(client.get, "/files")
    assert {n for n in again.pids if again.pids[n] != stack.pids[n]} == {name}


async def test_one_service_is_restarted_on_request(
    options: StackOptions, stack: StackDescription
) -> None:
    after = await restart_service(options.state_dir, "gateway")

    assert after.pids["gateway"] != stack.pids["gateway"]
    assert not is_alive(stack.pids["gateway"])
    assert after == read_description(options.state_dir)
    with files_of(after) as client:
        assert client.get("/files").is_success


async def test_an_unknown_part_is_refused_with_the_known_ones(options: StackOptions) -> None:
    with pytest.raises(LocalStackError, match=r"there is no 'x' here; known are postgres, nats"):
        await restart_service(options.state_dir, "x")


async def test_more_keys_are_made_through_the_gateways_command(options: StackOptions) -> None:
    arguments = ["create", "--name", "two", "--org", "o", "--team", "t", "--json"]

    assert '"team_id": "t"' in gateway_keys(options.state_dir, arguments)
    with pytest.raises(LocalStackError, match=r"keys command failed"):
        gateway_keys(options.state_dir, ["create"])


async def test_a_restart_of_the_whole_keeps_address_key_and_data(
    options: StackOptions, stack: StackDescription
) -> None:
    with files_of(stack) as client:
        kept = client.post(
            "/files", data={"purpose": "evals"}, files={"file": ("a.jsonl", b'{"a": 1}')}
        ).raise_for_status()

    assert await stop_stack(options.state_dir)
    assert not any(is_alive(pid) for pid in stack.pids.values())
    assert read_description(options.state_dir) is None
    assert not await stop_stack(options.state_dir)
    again = await start_detached(options)

    assert (again.base_url, again.api_key) == (stack.base_url, stack.api_key)
    with files_of(again) as client:
        file_id = kept.json()["id"]
        assert client.get(f"/files/{file_id}/content").content == b'{"a": 1}'


async def test_a_killed_supervisor_takes_its_parts_with_it_and_up_works_again(
    options: StackOptions,
) -> None:
    with pytest.raises(StackAlreadyUp) as running:
        await start_detached(options)
    stack = read_description(options.state_dir)
    assert stack

    os.kill(running.value.pid, signal.SIGKILL)
    await until_gone(running.value.pid)
    assert read_description(options.state_dir) is None
    again = await start_detached(options)

    assert not any(is_alive(pid) for pid in stack.pids.values())
    with files_of(again) as client:
        assert client.get("/files").is_success


async def test_a_stack_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    options = options_for(tmp_path)
    assert options.models_file
    options.models_file.write_text('[models.m]\nprovider = "missing"\n')

    with pytest.raises(LocalStackError, match=r"there is no \[providers.missing\]"):
        await start_detached(options)

    async with asyncio.timeout(60):
        while read_description(options.state_dir) or (tmp_path / "state" / "stack.json").exists():
            await asyncio.to_thread(os.sched_yield)
    assert not await stop_stack(options.state_dir)
