import asyncio
import signal
import sys
from pathlib import Path

import pytest

from localstack.errors import StartError
from localstack.processes import Process, is_alive, until_gone

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "


async def until_logged(process: Process, text: str) -> None:
    async with asyncio.timeout(20):
        while text not in process.log():
            await asyncio.sleep(0)


async def spawned(folder: Path, program: str, **environment: str) -> Process:
    return await Process.spawn(
        [sys.executable, "-c", program], log_path=folder / "a.log", env=environment
    )


async def test_a_process_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    program = "import subprocess; c = subprocess.Popen(['/bin/sleep', '600']); print(c.pid); "
    process = await spawned(tmp_path, program + DEAF + "signal.pause()")
    await until_logged(process, "deaf")
    child = int(process.log().split()[0])

    await process.stop(signal.SIGTERM, grace_s=0.1)

    assert process.exit_code == -signal.SIGKILL
    async with asyncio.timeout(10):
        await until_gone(child)


async def test_a_child_gets_exactly_the_environment_it_is_given(tmp_path: Path) -> None:
    process = await spawned(tmp_path, "import os; print(sorted(os.environ))", LC_ALL="C", A="1")

    await process.wait()

    assert process.log() == "['A', 'LC_ALL']"


@pytest.mark.parametrize("mode", [None, 0o644])
async def test_nobody_else_reads_a_log(tmp_path: Path, mode: int | None) -> None:
    log = tmp_path / "a.log"
    if mode is not None:
        log.touch(mode)

    await (await spawned(tmp_path, "print('a secret')")).wait()

    assert log.stat().st_mode & 0o777 == 0o600
    assert log.read_text() == "a secret\n"


async def test_a_failure_says_nothing_of_an_earlier_start(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        process = await spawned(tmp_path, f"raise SystemExit('{reason}')")
        await process.wait()

    assert str(process.failure("the thing")).splitlines()[1:] == ["second"]


async def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    program = "print('x' * 9000, flush=True); raise SystemExit('the reason')"
    process = await spawned(tmp_path, program)
    await process.wait()

    with pytest.raises(StartError, match=r"the thing ended with exit code 1") as failure:
        raise process.failure("the thing")

    assert str(failure.value).endswith("the reason")
    assert len(str(failure.value)) < 5_000


async def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec("/bin/sleep", "600")
    assert is_alive(process.pid)

    process.kill()
    await until_gone(process.pid)

    assert not is_alive(process.pid)
    await process.wait()
    await until_gone(process.pid)
