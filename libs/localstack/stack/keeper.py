"""Keeps one part of the stack running."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from localstack.errors import LocalStackError

Progress = Callable[[str], None]
"""Takes a short line about what is happening."""

PAUSE_S_MIN = 0.2  # a killed part is back within a second or so
PAUSE_S_MAX = 10.0
STEADY_S = 30.0  # a part that ran so long gets the short pause again


class Part(Protocol):
    """A process of the stack that can be started again after it ended."""

    @property
    def pid(self) -> int: ...  # noqa: D102 - said by the classes that have it

    @property
    def running(self) -> bool: ...  # noqa: D102

    async def start(self) -> None: ...  # noqa: D102

    async def stop(self) -> None: ...  # noqa: D102

    async def wait(self) -> int: ...  # noqa: D102


class Keeper:
    """Starts and stops a part, and starts it again when it ends by itself.

    Args:
        name: for messages.
        part: what is kept.
        progress: is told what happens.
        changed: is called after the part was started again.
    """

    def __init__(
        self, name: str, part: Part, *, progress: Progress, changed: Callable[[], None]
    ) -> None:
        self.name = name
        self.part = part
        self._progress = progress
        self._changed = changed
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Start the part.

        Raises:
            LocalStackError: it did not get ready.
        """
        async with self._lock:
            self._progress(f"starting {self.name}")
            await self.part.start()

    async def restart(self) -> None:
        """Stop the part, if it runs, and start it.

        Raises:
            LocalStackError: it did not get ready; `run` goes on trying.
        """
        async with self._lock:
            self._progress(f"restarting {self.name}")
            await self.part.stop()
            await self.part.start()
            self._changed()

    async def stop(self) -> None:
        """Stop the part."""
        async with self._lock:
            self._progress(f"stopping {self.name}")
            await self.part.stop()

    async def run(self) -> None:
        """Start the part again whenever it ends, with growing pauses while that fails."""
        pause_s = PAUSE_S_MIN
        while True:
            began = time.monotonic()
            code = await self.part.wait()
            if time.monotonic() - began > STEADY_S:
                pause_s = PAUSE_S_MIN
            async with self._lock:
                if self.part.running:  # somebody restarted it on purpose
                    continue
                self._progress(f"{self.name} ended (exit code {code}); starting it again")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
                try:
                    await self.part.start()
                except LocalStackError as error:
                    self._progress(str(error))
                else:
                    self._progress(f"{self.name} runs again (pid {self.part.pid})")
                    self._changed()
