import os
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from localstack.errors import LocalStackError
from localstack.services.lone_grader import new_secret, running_grader
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.errors import RemoteError

TEAM = Caller(org_id="org", team_id="team")


async def checked(address: str, secret: str) -> pb.CheckProgramResponse:
    program = pb.Program(path="p", kind=pb.PROGRAM_KIND_GRADER, source="", contract="sample")
    async with open_channel(address, secret=secret.encode()) as channel:
        with calling_as(TEAM):
            stub = SandboxServiceStub(channel)
            return await stub.CheckProgram(pb.CheckProgramRequest(programs=[program]))


def files_left() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("proctor-grader-*"))


# The environment of a developer may name a proxy, which knows nothing of our loopback.
@pytest.mark.parametrize("environment", [{}, {"http_proxy": "http://127.0.0.1:9"}])
async def test_a_lone_grader_works_until_its_block_ends_and_leaves_no_files(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    secret, before = new_secret(), files_left()

    async with running_grader(bridge_port=1, secret=secret, environment=environment) as address:
        answer = await checked(address, secret)

    assert answer.violations[0].reason == "GRADER_ENTRYPOINT_MISSING"
    assert files_left() <= before
    with pytest.raises(RemoteError):
        await checked(address, secret)


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o777)
    return tmp_path


async def test_a_machine_without_jails_is_told_in_the_graders_words(open_folder: Path) -> None:
    environment = {"GRADER_JAIL_ROOT_DIR": str(open_folder)}

    with pytest.raises(LocalStackError) as failed:
        async with running_grader(bridge_port=1, secret=new_secret(), environment=environment):
            pass

    assert str(failed.value).startswith("Graders cannot run here: ")
    assert "must belong to this user" in str(failed.value)


async def test_a_grader_that_ends_by_itself_is_what_the_block_failed_for() -> None:
    secret = new_secret()

    with pytest.raises(LocalStackError, match="The grader ended amid its work"):
        async with running_grader(bridge_port=1, secret=secret, environment={}) as address:
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():  # noqa: ASYNC240 - no time passes
                if b"\0grader\0" in Path(f"/proc/{child}/cmdline").read_bytes():  # noqa: ASYNC240
                    os.kill(int(child), signal.SIGKILL)
            await checked(address, secret)


async def test_a_failure_of_the_block_itself_stays_what_it_is() -> None:
    with pytest.raises(KeyError):
        async with running_grader(bridge_port=1, secret=new_secret(), environment={}):
            raise KeyError


async def test_a_setting_that_cannot_be_is_told_without_the_name_of_a_log_that_is_gone() -> None:
    environment = {"GRADER_JAILS_MAX": "none"}

    with pytest.raises(LocalStackError) as failed:
        async with running_grader(bridge_port=1, secret=new_secret(), environment=environment):
            pass

    assert "jails_max" in str(failed.value)
    assert "grader.log" not in str(failed.value)
