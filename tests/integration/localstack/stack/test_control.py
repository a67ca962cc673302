from pathlib import Path

import pytest

from localstack.errors import LocalStackError
from localstack.stack.control import ask_restart, serving_control
from localstack.stack.description import StackDescription
from localstack.stack.folder import StateFolder

STACK = StackDescription(
    base_url="http://127.0.0.1:1",
    api_key="prk",
    nats_url="nats",
    postgres_dsn="dsn",
    state_dir=Path("/state"),
    pids={"gateway": 7},
)


async def restart(name: str) -> StackDescription:
    if name != "gateway":
        raise LocalStackError(f"there is no {name!r} here")
    return STACK


async def test_a_restart_is_asked_for_over_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / ("long" * 40))
    folder.make()

    async with serving_control(folder, restart):
        assert await ask_restart(folder, "gateway") == STACK
        with pytest.raises(LocalStackError, match=r"there is no 'x' here"):
            await ask_restart(folder, "x")

    assert not folder.control_socket.exists()


async def test_a_socket_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.control_socket.write_text("")

    async with serving_control(folder, restart):
        assert await ask_restart(folder, "gateway") == STACK


async def test_nobody_to_ask_is_said_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match=str(tmp_path)):
        await ask_restart(StateFolder(tmp_path), "gateway")
