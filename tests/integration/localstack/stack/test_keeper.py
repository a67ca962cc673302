import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from localstack.errors import StartError
from localstack.processes import Process
from localstack.stack.keeper import Keeper


class Sleeper:
    """A part that does nothing; its first starts may fail."""

    def __init__(self, folder: Path, *, failures: int = 0) -> None:
        self._log = folder / "sleeper.log"
        self._failures = failures
        self._process: Process | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.exit_code is None

    async def start(self) -> None:
        self.starts += 1
        if 1 < self.starts <= 1 + self._failures:
            raise StartError("not yet")
        self._process = await Process.spawn(["/bin/sleep", "600"], log_path=self._log, env={})

    async def stop(self) -> None:
        if self._process:
            await self._process.stop(signal.SIGTERM, grace_s=5)

    async def wait(self) -> int:
        return await self._process.wait() if self._process else 0


@asynccontextmanager
async def kept(sleeper: Sleeper, changes: "asyncio.Queue[int]") -> AsyncIterator[Keeper]:
    keeper = Keeper(
        "sleeper",
        sleeper,
        progress=lambda _: None,
        changed=lambda: changes.put_nowait(sleeper.pid),
    )
    await keeper.start()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeper.run())
        try:
            yield keeper
        finally:
            running.cancel()
            await keeper.stop()


async def test_a_killed_part_is_back_within_a_second(tmp_path: Path) -> None:
    sleeper, changes = Sleeper(tmp_path), asyncio.Queue[int]()
    async with kept(sleeper, changes):
        killed = sleeper.pid
        os.kill(killed, signal.SIGKILL)

        async with asyncio.timeout(1):
            assert await changes.get() != killed

        assert sleeper.running


async def test_a_part_that_does_not_come_back_is_tried_again(tmp_path: Path) -> None:
    sleeper, changes = Sleeper(tmp_path, failures=2), asyncio.Queue[int]()
    async with kept(sleeper, changes):
        os.kill(sleeper.pid, signal.SIGKILL)

        async with asyncio.timeout(5):
            await changes.get()

        assert sleeper.starts == 4


async def test_a_restart_on_purpose_happens_once(tmp_path: Path) -> None:
    sleeper, changes = Sleeper(tmp_path), asyncio.Queue[int]()
    async with kept(sleeper, changes) as keeper:
        os.kill(sleeper.pid, signal.SIGKILL)
        await keeper.restart()
        await keeper.restart()

        assert sleeper.running
        assert sleeper.starts in (3, 4)  # the keeper may have been quicker after the kill
